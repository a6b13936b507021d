"""HTTP alone: protocol, bounded requests, errors, and the client for upstreams."""
