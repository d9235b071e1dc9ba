"""Street scenes: where things stand, and their shapes."""
