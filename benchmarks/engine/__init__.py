"""The engine alone: time, memory and accuracy of every way to run a network here, in one interleaved run.

``python -m benchmarks.engine``. Data flows: names -> `subjects` (engines and frames) -> `measure` (times) -> `rows` ->
`report` (one table, JSON), beside what this machine can do (`machine`) and what the network needs (`floor`); `startup`
times the way from a new process to its first output.
"""

from benchmarks.engine.cli import main
from benchmarks.engine.subjects import SIZES

__all__ = ["SIZES", "main"]
