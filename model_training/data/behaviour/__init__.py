"""Behaviour that a student learns: training rows, and changes that the gate's cases share."""
