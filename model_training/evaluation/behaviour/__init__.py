"""Behaviour cases that a student must get right before it is published."""
