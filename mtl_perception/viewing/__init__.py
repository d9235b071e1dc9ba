"""Looking at what a robot sees and answers, in the rerun viewer; imports no ROS."""
