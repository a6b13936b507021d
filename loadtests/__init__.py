"""Load tests. They use HTTP and import nothing from the server, so they can measure any server."""
