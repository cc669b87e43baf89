"""Names in the making: while a script is put together, each name from outside a definition is written as `_item_N_`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainer.export.script.source.modules import Import, Item

Reference = Item | Import
PLACE = re.compile(r"_item_(\d+)_")


class References:
    """Numbers what definitions refer to, so that a piece of one can move into another without changing its meaning."""

    def __init__(self) -> None:
        self._numbers: dict[Reference, int] = {}
        self._known: list[Reference] = []

    def place(self, reference: Reference) -> str:
        """What stands for a definition or an import until names are given out."""
        if reference not in self._numbers:
            self._numbers[reference] = len(self._known)
            self._known.append(reference)
        return f"_item_{self._numbers[reference]}_"

    def meaning(self, name: str) -> Reference | None:
        """What a name stands for, if it is such a place."""
        match = PLACE.fullmatch(name)
        return self._known[int(match[1])] if match else None

    def within(self, text: str) -> Iterator[Reference]:
        """What a text refers to, in its order, each once."""
        return (
            self._known[number] for number in dict.fromkeys(int(match[1]) for match in PLACE.finditer(text))
        )

    def named(self, text: str, names: dict[Reference, str]) -> str:
        """The text with names in the places."""
        return PLACE.sub(lambda match: names[self._known[int(match[1])]], text)
