"""The guarded proxy: what goes to a chat model and what comes back is judged before it passes."""
