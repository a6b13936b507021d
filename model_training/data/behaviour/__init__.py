"""Behaviour that a student learns and is held to: rows for training, cases for the gate."""
