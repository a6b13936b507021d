"""What answers questions and is no part of the product."""
