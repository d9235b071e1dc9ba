"""What is known of a camera: intrinsics, and the scale of its depth by a lidar or the ground."""
