"""The engine alone: time, memory and accuracy of every way to run a network here, in one interleaved run.

``python -m pagnet_ros.bench``. Data flows: names -> `subjects` (engines and frames) -> `measure` (times) -> `rows` ->
`report` (one table, JSON), beside what this machine can do (`machine`) and what the network needs (`floor`); `startup`
times the way from a new process to its first output.
"""

from pagnet_ros.bench.cli import main
from pagnet_ros.bench.subjects import SIZES

__all__ = ["SIZES", "main"]
