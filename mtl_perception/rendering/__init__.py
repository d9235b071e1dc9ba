"""Rendered street drives with exact ground truth; it serves demo, tests and training alike."""
