"""The engine alone: time, memory and accuracy of every way to run a network here, in one interleaved run.

``python -m benchmarks.engine``. Data flows: names -> `cases` (engines and frames) -> `measure` (times) -> `results` ->
`report` (one table, JSON) -> `document` (the table in the documentation), beside what this machine can do and what the
network needs (`pagnet_training.machine`, `roofline`); `startup` times a new process up to its first output.
"""

from benchmarks.engine.cli import main

__all__ = ["main"]
