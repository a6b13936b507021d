"""How text can be disguised, and what it says without: pure, in linear time, one file a family."""
