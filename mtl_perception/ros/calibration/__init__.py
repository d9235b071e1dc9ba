"""What is known of a camera: its intrinsics, and the scale of its depth by a lidar."""
