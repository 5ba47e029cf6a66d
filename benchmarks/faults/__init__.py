"""Faults on real processes over real DDS: what can happen to the node, and how long it takes to recover.

`rig` holds the node, a camera and a listener; `live` and `processes` are the faults; `__main__` makes the table of
docs/reliability.md, and `soak` runs for minutes under random ones.
"""
