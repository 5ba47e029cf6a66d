"""The alignment offset between depth and colour: is there one, how large is it, and how is depth moved by a given one?

It is estimated from the two images alone. Data flows `edges` -> `agreement` -> `estimate` -> `check` (over frames);
`offset` moves depth by what a user has set. NumPy and OpenCV only.
"""
