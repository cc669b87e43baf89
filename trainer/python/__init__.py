"""What scripts and notebooks import from `trainer`; docs/python.md shows how."""

from trainer.python.comparisons import TrainedComparison, compare, open_comparison
from trainer.python.runs import TrainedRun, open_run, run

__all__ = ["TrainedComparison", "TrainedRun", "compare", "open_comparison", "open_run", "run"]
