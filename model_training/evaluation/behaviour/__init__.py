"""Behaviour cases: what a student must get right before it is published."""
