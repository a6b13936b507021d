"""One module for each peer, tuned in good faith; each peer runs in an environment of its own."""
