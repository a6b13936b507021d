"""What the package of `on_device/` costs, and how far its margins lie from the server's."""
