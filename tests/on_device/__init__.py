"""The package `postern-guard` beside the server that it must agree with."""
