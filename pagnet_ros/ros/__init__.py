"""The ROS 2 rim: nodes and message conversion, the only part that needs rclpy and message packages.

Data flows in from topics, through `messages`, into the ROS-free pipeline, and back out through `messages`.
Importing this package itself imports no ROS.
"""
