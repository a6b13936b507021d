"""Arrow in, Arrow out: tables and shards of large files, judged as the server judges."""
