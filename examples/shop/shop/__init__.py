"""A small shop with every kind of relation and key that a sync meets."""
