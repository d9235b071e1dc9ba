"""A client that sends frames to the node and measures when its answers come."""
