"""Rows that are generated, filtered, answered and labelled."""
