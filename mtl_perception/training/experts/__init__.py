"""Experts that fill in missing annotations: networks, and geometry."""
