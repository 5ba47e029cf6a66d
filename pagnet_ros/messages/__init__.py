"""ROS image messages <-> NumPy, on any object with a message's fields: the node and the replay read them alike."""
