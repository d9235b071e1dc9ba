"""Frames on their way through the network: newest first, decoded beside it, in batches."""
