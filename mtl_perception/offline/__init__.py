"""The engine without ROS: pictures, videos, folders, bags, evaluation."""
