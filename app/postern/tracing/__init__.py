"""Spans of requests, for operators who collect traces. Off unless they ask for it."""
