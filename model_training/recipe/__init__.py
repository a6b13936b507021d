"""The settings of a recipe."""
