"""Policy, report, model card, and the published artifact."""
