"""A module that is imported when it is first used.

Technique files are read by the web process for their names, knobs and help, yet only a worker runs them.
Importing torch there would cost seconds and hundreds of megabytes for nothing. Unlike `importlib`'s own lazy
modules, this proxy stays out of `sys.modules`: other packages look for "torch" there and would trigger the import.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands in for the module `name` until one of its attributes is read."""

    def __getattr__(self, attribute: str) -> Any:
        module = importlib.import_module(self.__name__)
        value = getattr(module, attribute)
        self.__dict__[attribute] = value  # later reads skip this method
        return value


def lazy(name: str) -> Any:
    """Returns a proxy for the module called `name`; nothing is imported yet."""
    return LazyModule(name)
