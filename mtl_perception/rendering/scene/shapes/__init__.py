"""Shapes: buildings, plants, vehicles, people and what stands beside the road."""
