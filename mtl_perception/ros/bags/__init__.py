"""A player and a recorder of bags, for machines without `ros2 bag`."""
