"""The replay's report: one self-contained HTML file from results and a few kept frames.

`page` puts it together and writes it; `summary`, `curves`, `frames` and `facts` are its sections; `charts`, `pictures`,
`wording`, `markup` and `style.css` are what these are made of. Needs OpenCV and NumPy; nothing here
reads a recording.
"""

from pagnet_ros.replay.report.page import ranking_figure, render, write_report

__all__ = ["ranking_figure", "render", "write_report"]
