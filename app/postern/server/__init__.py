"""The server process: the outermost layer, the first look, the API documents, the page."""
