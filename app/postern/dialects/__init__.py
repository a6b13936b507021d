"""Converts the wire formats of other systems to and from the contract, one file each."""
