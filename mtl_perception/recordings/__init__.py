"""What cameras recorded: rosbag2 files and KITTI raw drives, without ROS."""
