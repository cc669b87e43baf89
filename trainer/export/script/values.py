"""What names of a program may mean beside plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from trainer.export.script.network import Made
from trainer.export.script.source.modules import Import, Item


@dataclass(frozen=True)
class Prepared:
    """A change of training batches that looks things up in a table made by `prepare`."""

    change: Item
    prepare: Item
    knobs: Mapping[str, Any]


class Form(NamedTuple):
    """What the technique chosen from a family gives as `short`."""

    family: str


class Source(NamedTuple):
    """A value that is given as source text."""

    text: str


class Called(NamedTuple):
    """A call, with its values by name."""

    function: Item | Import
    first: tuple[Any, ...]
    named: Mapping[str, Any]


class Later(NamedTuple):
    """A network that is made when it is asked for."""

    network: Made
