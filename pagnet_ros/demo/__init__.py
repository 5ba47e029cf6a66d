"""The demo: a camera and the node as separate processes over real DDS, a live line, and a picture at the end.

`cli` conducts and draws, `processes` starts and ends the children. What is received is gathered by
`pagnet_ros.ros.demo_recorder`.
"""
