"""Policies of an operator: who is judged how, and lists that block or allow."""
