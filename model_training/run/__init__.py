"""The run folder: what stages write there, and how a stopped stage continues."""
