"""Parameters that every call gives the same value, and those that nobody reads: the value goes where the parameter was."""

from __future__ import annotations

import ast

from trainer.export.script.folding.whole import Whole, is_pure
from trainer.export.script.source.edits import Edit, Text, signature, written
from trainer.export.script.source.modules import Item

Bound = dict[str, ast.expr | None]  # what a call gives each parameter; None for the default


def without_idle_parameters(whole: Whole) -> None:
    """Notes the edits that fill in and leave out what parameters of functions need not say."""
    for item in whole.texts:
        node = whole.node(item)
        if isinstance(node, ast.FunctionDef) and item.name != "main":
            _simplify(whole, item, node)


def _simplify(whole: Whole, item: Item, node: ast.FunctionDef) -> None:
    uses = whole.uses[item]
    calls = [(use.host, use.call) for use in uses if use.call is not None and use.host != item]
    bound = [values for _, call in calls if (values := bind(node.args, call)) is not None]
    if not calls or not len(uses) == len(calls) == len(bound):
        return
    text, gone = whole.text(item), set()
    edits: dict[Item, list[Edit]] = {item: []}
    for name, default in _defaults(node.args).items():
        given = [(host, values[name]) for (host, _), values in zip(calls, bound, strict=True)]
        reads = text.loads.get(name, [])
        if name in text.hidden or text.bound[name] > 1:
            continue
        if not reads and all(value is None or is_pure(value) for _, value in given):
            gone.add(name)
        elif (common := _common(whole, given, default)) is not None:
            gone.add(name)
            edits[item] += [Edit(*text.span(read), common) for read in reads]
    if not gone:
        return
    edits[item].append(Edit(*text.header(node), _signature_without(text.text, gone)))
    for (host, call), values in zip(calls, bound, strict=True):
        edits.setdefault(host, []).append(without_arguments(whole.text(host), call, values, gone))
    whole.edit(edits)


def _positional(arguments: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """Positional parameters with their defaults."""
    missing = len(arguments.args) - len(arguments.defaults)
    return list(zip(arguments.args, [*[None] * missing, *arguments.defaults], strict=True))


def _defaults(arguments: ast.arguments) -> Bound:
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {one.arg: default for one, default in (*_positional(arguments), *keywords)}


def bind(arguments: ast.arguments, call: ast.Call) -> Bound | None:
    """What a call gives each parameter; None where that cannot be told."""
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        return None
    if any(isinstance(one, ast.Starred) for one in call.args) or any(
        one.arg is None for one in call.keywords
    ):
        return None
    found: Bound = dict.fromkeys(_defaults(arguments))
    found |= {one.arg: value for one, value in zip(arguments.args, call.args, strict=False)}
    return found | {one.arg: one.value for one in call.keywords if one.arg}


def _common(whole: Whole, given: list[tuple[Item, ast.expr | None]], default: ast.expr | None) -> str | None:
    """The text of the value that all calls give, if it is the same everywhere."""
    texts = set()
    for host, value in given:
        one = value or default
        if one is None or not whole.is_constant(one):
            return None
        texts.add(written(one) if value is None else whole.text(host).of(one))
    return texts.pop() if len(texts) == 1 else None


def _signature_without(text: str, gone: set[str]) -> str:
    node = ast.parse(text).body[0]  # a tree of its own, which may be changed
    assert isinstance(node, ast.FunctionDef)
    arguments = node.args
    kept = [(one, default) for one, default in _positional(arguments) if one.arg not in gone]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    keywords_kept = [(one, default) for one, default in keywords if one.arg not in gone]
    arguments.args, arguments.defaults = [one for one, _ in kept], [default for _, default in kept if default]
    arguments.kwonlyargs = [one for one, _ in keywords_kept]
    arguments.kw_defaults = [default for _, default in keywords_kept]
    return signature(node, node.col_offset)


def without_arguments(text: Text, call: ast.Call, values: Bound, gone: set[str]) -> Edit:
    """A call that does not pass what is gone. The positional arguments behind it move up, as their parameters do."""
    dropped = {id(values[name]) for name in gone}
    parts = [text.of(one) for one in call.args if id(one) not in dropped]
    parts += [f"{one.arg}={text.of(one.value)}" for one in call.keywords if id(one.value) not in dropped]
    return Edit(*text.span(call), f"{text.of(call.func)}({', '.join(parts)})")
