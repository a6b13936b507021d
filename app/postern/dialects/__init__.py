"""Other systems' wire shapes <-> contract; one file each. They know no more of us than that."""
