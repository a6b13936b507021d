"""The run folder: what stages leave there, and how a stopped stage goes on."""
