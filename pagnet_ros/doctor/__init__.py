"""The doctor: examines a running graph and this machine, and says how to mend what it finds.

`pagnet_ros.ros.doctor` watches, `pagnet_ros.diagnosis` judges, `report` prints, `cli` conducts. Where ROS is missing
the
machine is examined all the same.

    python -m pagnet_ros.doctor --depth /camera/depth --color /camera/color
"""
