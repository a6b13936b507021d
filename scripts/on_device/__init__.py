"""What Python defines and the TypeScript of `on_device/` reads: tables, and cases with answers."""
