"""Registration: does depth lie on the colour image, by how much is it off, and how is that mended?

The offset is estimated from the two images alone. Data flows `edges` -> `agreement` -> `estimate` -> `estimator` (over
frames) -> `registrar` (what the user wants) -> `shift`. NumPy and OpenCV only.
"""
