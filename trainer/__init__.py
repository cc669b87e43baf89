"""Trainscope's engine. Scripts and notebooks import from here: `from trainer import run, compare`."""

import importlib

__all__ = ["compare", "open_comparison", "open_run", "run"]

# As type checkers read it; typing itself would take longer to import than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainer.python import compare, open_comparison, open_run, run
else:

    def __getattr__(name):
        # Imported when first used: every process of Trainscope's imports this package, and few of them want these.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("trainer.python"), name)
