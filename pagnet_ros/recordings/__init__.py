"""Recordings on disk: folders of frames and ROS 2 bags, read without a ROS installation.

Data flows one way, from files to frames or raw messages: `frames` reads folders, `bags` reads bags, `bag_writer` turns
the one into the other. Nothing here imports rclpy; the players, the replay and the training build on it.
"""
