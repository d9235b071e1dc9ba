"""Training from asymmetric annotations; nothing else of the package imports it."""
