"""A configuration's network as the expression that makes it, found without torch.

The functions that build networks are executed once more, with a torch that writes down what is called instead of doing it.
What comes out is what somebody would write who knew all knobs: a layer a line, no branch and no helper.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from types import ModuleType
from typing import Any

from trainer import registry
from trainer.config import RunConfig
from trainer.export.script.source.edits import literal
from trainer.export.script.source.modules import Import, Item, read

BUILDING = ("trainer.models.", "trainer.techniques.")


@dataclass(frozen=True)
class Symbol:
    """A number that only the running script knows, as the expression that names it."""

    text: str

    def __mul__(self, other: object) -> Symbol:
        return self if other == 1 else Symbol(f"{self.text} * {getattr(other, 'text', other)}")

    __rmul__ = __mul__


@dataclass(frozen=True)
class Path:
    """A name of torch or of the project's layers, such as torch.nn.Linear."""

    name: str

    def __getattr__(self, attribute: str) -> Path:
        return Path(f"{self.name}.{attribute}")

    def __call__(self, *args: Any, **kwargs: Any) -> Made:
        return Made(self.name, [list(one) if isinstance(one, Generator) else one for one in args], kwargs)


@dataclass
class Made:
    """A module: what was called, and with what."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The class without its module."""
        return self.name.rpartition(".")[2]

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # as copying asks
            raise AttributeError(attribute)
        return self.kwargs[attribute]

    def append(self, module: Any) -> None:
        """As of a ModuleList."""
        self.args = [[*(self.args[0] if self.args else []), module]]


def build(
    config: RunConfig,
    shape: Sequence[int | Symbol],
    outputs: int | Symbol,
    vocabulary: int | Symbol,
    *,
    short: bool = False,
) -> Made:
    """The network of a configuration, as it is made for samples of this shape; the `short` form, where the model has one."""

    def bound(family: str) -> Callable[..., Any]:
        technique = config.technique(family)
        home, name = module(technique.function.__module__), technique.function.__name__
        form = read(home.__name__).shorts[name] if short and "short" in technique.facts else None
        made = eval(ast.unparse(form), vars(home)) if form else getattr(home, name)  # noqa: S307 - the project's own source
        return partial(made, **getattr(config, family).knobs)

    parts = module("trainer.models.parts").Parts(
        bound("normalization"), bound("activation"), bound("dropout"), vocabulary
    )
    made = bound("model")(tuple(shape), outputs, parts)
    assert isinstance(made, Made)
    return made


@cache
def module(name: str) -> Any:
    """A module of the project, executed with what stands in for torch and for the registry."""
    if name == "trainer.lazy":
        return _module(name, lazy=Path)
    if name == "trainer.registry":
        ignored = dict.fromkeys(("technique", "stands_in", "declare_family"), _unchanged)
        return _module(name, **{**vars(registry), **ignored})

    def imported(wanted: str, scope: Any = None, local: Any = None, names: Any = (), level: int = 0) -> Any:
        ours = wanted in ("trainer.lazy", "trainer.registry") or wanted.startswith(BUILDING)
        return module(wanted) if ours else __import__(wanted, scope, local, names, level)

    found = _module(name, __builtins__={**vars(builtins), "__import__": imported})
    exec(compile(read(name).text, name, "exec"), vars(found))  # noqa: S102 - the project's own source
    return found


def _module(name: str, **values: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(values | {"__name__": name})
    return made


def _unchanged(*_: Any, **__: Any) -> Callable[[Any], Any]:
    return lambda function: function


def kinds(made: Any) -> frozenset[str]:
    """The names of all classes that a network is made of, in the layers of the project too."""
    if isinstance(made, Made):
        own = made.name.startswith("trainer.") and read(made.name.rpartition(".")[0]).definitions[made.kind]
        inside = {node.attr for node in ast.walk(own) if isinstance(node, ast.Attribute)} if own else set()
        return frozenset({made.kind}).union(inside, *map(kinds, [*made.args, *made.kwargs.values()]))
    inner = made.values() if isinstance(made, dict) else made if isinstance(made, list | tuple) else ()
    return frozenset().union(*map(kinds, inner))


# -- as source --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """Writes a network as an expression. With `sequential` its modules keep their names; without they need none."""

    place: Callable[[Item | Import], str]
    sequential: Item | None = None

    def __call__(self, made: Any) -> str:
        """The source of a module, or of something that it is made with."""
        match made:
            case Made(kind="Sequential"):
                return self._sequence(made.args[0])
            case Made(kind="ModuleList"):
                return f"{self._function(made.name)}({self._repeated([self(one) for one in made.args[0]])})"
            case Made():
                args = [self(one) for one in made.args]
                args += [f"{key}={self(value)}" for key, value in made.kwargs.items()]
                return f"{self._function(made.name)}({', '.join(args)})"
            case Symbol():
                return made.text
            case Path():
                return self._function(made.name)
            case tuple():
                return f"({', '.join(map(self, made))}{',' * (len(made) == 1)})"
        return literal(made)

    def _function(self, name: str) -> str:
        module, _, function = name.rpartition(".")
        if module == "torch.nn":
            return f"{self.place(Import('torch', 'nn', 'nn'))}.{function}"
        return self.place(Item(module, function))

    def _repeated(self, texts: list[str]) -> str:
        if len(texts) > 1 and len(set(texts)) == 1:
            return f"{texts[0]} for _ in range({len(texts)})"
        return f"[{', '.join(texts)}]"

    def _sequence(self, modules: Mapping[str, Any]) -> str:
        if self.sequential is None:
            return self._unnamed(modules)
        entries = [(name, self(one)) for name, one in modules.items()]
        return f"{self.place(self.sequential)}({{{', '.join(_runs(entries))}}})"

    def _unnamed(self, modules: Mapping[str, Any]) -> str:
        rows = [
            self._row(one)
            for one in modules.values()
            if not (isinstance(one, Made) and one.kind == "Identity")
        ]
        parts = []
        for row, same in groupby(row for row in rows if row):
            count = len(list(same))
            if count < 3:
                parts += [", ".join(row)] * count
            elif len(row) == 1:
                parts.append(f"*({row[0]} for _ in range({count}))")
            else:
                parts.append(f"*(layer for _ in range({count}) for layer in ({', '.join(row)}))")
        if len(parts) == 1 and "," not in parts[0] and len(rows) == 1 and len(rows[0]) == 1:
            return parts[0]
        rows_of_layers = ",\n".join(parts)  # a line each, where one does not hold them all
        return f"{self.place(Import('torch', 'nn', 'nn'))}.Sequential({rows_of_layers})"

    def _row(self, made: Any) -> tuple[str, ...]:
        """The modules of one step through the network: a Sequential within another is written flat."""
        if isinstance(made, Made) and made.kind == "Sequential":
            return tuple(text for one in made.args[0].values() for text in self._row(one))
        return () if isinstance(made, Made) and made.kind == "Identity" else (self(made),)


def _runs(entries: list[tuple[str, str]]) -> list[str]:
    """Entries of a dict display, where `name2: x, name3: x, …` becomes a comprehension."""

    def alike(entry: tuple[str, str]) -> tuple[str, str]:
        return re.sub(r"\d+$", "", entry[0]), entry[1]

    found = []
    for (name, text), same in groupby(entries, alike):
        names = [entry[0] for entry in same]
        numbers = [int(one.removeprefix(name) or 0) for one in names]
        if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            spread = f"range({numbers[0]}, {numbers[-1] + 1})"
            found.append(f'**{{f"{name}{{number}}": {text} for number in {spread}}}')
        else:
            found += [f"{literal(one)}: {text}" for one in names]
    return found
