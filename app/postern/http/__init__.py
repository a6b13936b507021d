"""HTTP by itself: protocol, bounded requests, errors, and the client of upstreams."""
