"""Studies that answer research questions and are not part of the product."""
