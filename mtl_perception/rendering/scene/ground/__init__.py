"""The ground of a street: what covers it, its corners, islands and painted lines."""
