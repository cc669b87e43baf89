"""How a technique is declared and found.

A technique is one function. Its keyword-only arguments are its knobs, its docstring's first line is its help:

    @technique("schedule", label="Cosine annealing")
    def cosine(at: Moment, lr: float, *, final_lr: Annotated[float, knob("Final rate", "…", ge=0)] = 0.0) -> float:
        \"\"\"Falls from the full rate to the final one along half a cosine.\"\"\"

The sidebar, validation, share link, command line, reference page and contract test all read that declaration. Further keywords
are facts. Every technique has a `formula` (LaTeX) and says `when` to use it. Optional are its `source`, with a `link` where it
has no arXiv number; a common `misconception`; knob values for its worked `example`; the kinds of data that it `accepts`; what a
model declares of its network (see trainer/models); what a `short` script says in its place; and facts that only its own family
reads.

`short` is a lambda or a function that does the same in torch's own words, such as

    short=lambda optimizer, size, gamma: lr_scheduler.StepLR(optimizer, step_size=size, gamma=gamma)

It takes the knobs, and of what trainer/export/script/short_program.py passes to its family what it needs, by name. A technique
without it needs none: its own source then stands in the script.
Nothing here imports torch: the web process reads the registry and never trains.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo

MAX_TEXT = 2_000  # characters of a value; a long list of columns needs 1,300
PACKAGES = ("trainer.techniques", "trainer.models", "trainer.data")
F = TypeVar("F", bound=Callable[..., Any])


def knob(
    label: str,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    step: float | None = None,
    unit: str = "",
    log: bool = False,
    pattern: str | None = None,
    labels: Mapping[str, str] | None = None,
    group: str = "",
    place: str = "",
    hot: bool = False,
) -> Any:
    """Describes a knob inside `Annotated`: its label, one line of help, its bounds, and how a control moves it.

    `step` is the control's increment, `log` asks for a logarithmic one, `labels` names the members of a `Literal`.
    `group` is the sidebar section of a knob that belongs to no family; any other knob appears in its family's.
    `place` names the place in a network where the knob acts; the sidebar hides it for models that do not declare that place.
    A knob of type `int | None` may be empty. `hot` says that the knob may change while a run trains.
    """
    extra: dict[str, Any] = {
        "unit": unit,
        "log": log,
        "step": step,
        "labels": dict(labels or {}),
        "group": group,
        "place": place,
        "hot": hot,
    }
    bounds: dict[str, Any] = {"ge": ge, "gt": gt, "le": le, "lt": lt, "pattern": pattern}
    return Field(title=label, description=help, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class Knob:
    """One value that a person may set; the sidebar draws it and the configuration checks it."""

    name: str
    label: str
    help: str
    kind: Literal["float", "int", "bool", "choice", "text"]
    default: Any
    annotation: Any
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    step: float | None = None
    unit: str = ""
    log: bool = False
    choices: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    group: str = ""
    hot: bool = False

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Validates a value for this knob, including text from a link or the command line."""
        return TypeAdapter(self.annotation, config=ConfigDict(allow_inf_nan=False, str_max_length=MAX_TEXT))

    @property
    def bounds(self) -> str:
        """Returns the allowed values in words, for help texts and errors."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind == "bool":
            return "true or false"
        low = (
            f"≥ {_plain(self.ge)}"
            if self.ge is not None
            else f"> {_plain(self.gt)}"
            if self.gt is not None
            else ""
        )
        high = (
            f"≤ {_plain(self.le)}"
            if self.le is not None
            else f"< {_plain(self.lt)}"
            if self.lt is not None
            else ""
        )
        return " and ".join(part for part in (low, high) if part)


def _plain(bound: float) -> str:
    """Returns a bound as text, without a trailing ".0"."""
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


@dataclass(frozen=True)
class Technique:
    """A registered function and what its declaration says. `facts` are the decorator's extra keywords."""

    family: str
    name: str
    label: str
    help: str
    function: Callable[..., Any]
    knobs: Mapping[str, Knob]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """A group of techniques of which a configuration chooses one, such as the schedules."""

    name: str
    label: str
    help: str
    group: str
    default: str
    hot: bool = False
    """Whether the choice and all its knobs may change while a run trains."""
    techniques: dict[str, Technique] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Technique:
        return self.techniques[name]


_families: dict[str, Family] = {}


def declare_family(
    name: str, *, label: str, help: str, group: str, default: str, hot: bool = False
) -> Family:
    """Declares a family. `group` is its sidebar section; `default` is the technique that a new configuration uses; a `hot`
    family may change while a run trains, its choice and all its knobs."""
    return _families.setdefault(name, Family(name, label, help, group, default, hot))


def technique(family: str, *, label: str, name: str | None = None, **facts: Any) -> Callable[[F], F]:
    """Registers the decorated function in `family`, under its own name unless `name` is given.

    Raises ValueError when the name is taken or the docstring is missing: people read it, so it is not optional.
    """

    def register(function: F) -> F:
        known = _families[family].techniques
        key = name or function.__name__.rstrip("_")
        summary = (inspect.getdoc(function) or "").split("\n", 1)[0].strip()
        if not summary:
            raise ValueError(f"{family} technique {key!r} needs a docstring: its first line is its help")
        if key in known and known[key].function.__module__ != function.__module__:
            raise ValueError(f"{family} technique {key!r} is declared twice")
        knobs = MappingProxyType(read_knobs(function))
        known[key] = Technique(family, key, label, summary, function, knobs, MappingProxyType(facts))
        return function

    return register


def stands_in(original: Callable[..., Any]) -> Callable[[F], F]:
    """Marks the function that replaces `original` in an exported script, because `original` needs the lab.

    Both take the same arguments. The `folder` of a data set's function is the lab's data folder; in a script, it is the folder
    `data` beside the script.
    """

    def unchanged(function: F) -> F:
        return function

    return unchanged


def read_knobs(function: Callable[..., Any]) -> dict[str, Knob]:
    """Returns the keyword-only arguments of `function` as knobs. Other annotations stay unevaluated: they may name torch."""
    scope = getattr(function, "__globals__", {})
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            annotation = parameter.annotation
            if isinstance(annotation, str):
                annotation = eval(annotation, scope)  # noqa: S307 - our own source, postponed by `from __future__`
            found[parameter.name] = make_knob(parameter.name, annotation, parameter.default)
    return found


def make_knob(name: str, annotation: Any, default: Any) -> Knob:
    """Returns the knob that an `Annotated[type, knob(…)]` argument or field declares. Raises ValueError for anything else."""
    if get_origin(annotation) is not Annotated or not isinstance(get_args(annotation)[1], FieldInfo):
        raise ValueError(f"knob {name!r} needs Annotated[type, knob(label, help, …)]")
    base, info = get_args(annotation)[:2]
    extra = info.json_schema_extra
    choices = tuple(get_args(base)) if get_origin(base) is Literal else ()
    if NoneType in get_args(base):
        base = get_args(base)[0]
    kinds: dict[Any, Any] = {float: "float", int: "int", bool: "bool", str: "text"}
    bounds = {
        key: getattr(item, key)
        for item in info.metadata
        for key, kind in (("ge", Ge), ("gt", Gt), ("le", Le), ("lt", Lt))
        if isinstance(item, kind)
    }
    return Knob(
        name=name,
        label=info.title or name,
        help=info.description or "",
        kind="choice" if choices else kinds[base],
        default=default,
        annotation=annotation,
        choices=choices,
        **bounds,
        **extra,
    )


@cache
def families() -> Mapping[str, Family]:
    """Returns every family by name, in order of declaration. The first call imports the packages that declare them."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for entry in sorted(pkgutil.iter_modules(module.__path__), key=lambda entry: entry.name):
            importlib.import_module(f"{package}.{entry.name}")
    return MappingProxyType(_families)


def is_used(knob: Knob, model: str) -> bool:
    """Whether the model has a place for the knob."""
    return not knob.place or knob.place in find("model", model).facts["places"]


def find(family: str, name: str) -> Technique:
    """Returns the technique called `name` in `family`. Raises KeyError when there is none."""
    return families()[family][name]
