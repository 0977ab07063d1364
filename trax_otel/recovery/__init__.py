"""Recovery: what was interrupted is resumed, what failed is answered otherwise."""
