"""What cameras recorded, without ROS: rosbag2 files, KITTI raw drives, annotated pictures."""
