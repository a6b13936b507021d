"""One peer each, tuned in good faith; each runs in an environment of its own."""
