"""Rows that are made: generated, filtered, answered, labelled."""
