"""A recording in, the truth about depth quality out: bag -> the node's pipeline -> metrics, pictures, a report.

Data flows one way: `source` reads and pairs what the node would pair, `run` gives each frame to every method and scores
the answers, `results` holds what came out, `report` and `gate` read that. Needs no ROS.
"""
