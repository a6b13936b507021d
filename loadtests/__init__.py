"""Load tests. They speak HTTP and import nothing of the server, so they measure any server."""
