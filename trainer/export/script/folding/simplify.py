"""From the definitions of the lab to those of a script: what one configuration does not vary goes, step by step."""

from __future__ import annotations

import ast

from trainer.export.script.closure import Closure
from trainer.export.script.folding.branches import folded
from trainer.export.script.folding.inlining import inline
from trainer.export.script.folding.parameters import without_idle_parameters
from trainer.export.script.folding.pruning import prune, reachable
from trainer.export.script.folding.usual import without_usual_arguments
from trainer.export.script.folding.whole import Whole
from trainer.export.script.source.modules import Item
from trainer.export.script.source.references import PLACE

STEPS = (without_idle_parameters, inline, prune, without_usual_arguments)


def simplified(closure: Closure) -> dict[Item, str]:
    """The definitions after all steps, again and again until none finds more to do; in the order of their first mention."""
    texts, references = closure.texts, closure.specialize.references
    while True:
        before, texts = texts, reachable(texts, closure)
        for step in STEPS:
            whole = Whole(texts, references, closure.specialize.by_hand)
            step(whole)
            texts = {
                item: folded(text, decide) if item in whole.pending else text
                for item, text in whole.edited().items()
            }
        if texts == before:
            return texts


def decide(node: ast.expr) -> bool | None:
    """Whether a condition holds that is made of constants and of definitions alone."""
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Compare(
            left=left, ops=[ast.Is() | ast.IsNot() as operator], comparators=[ast.Constant(value=None)]
        ):
            if isinstance(left, ast.Constant) or (isinstance(left, ast.Name) and PLACE.fullmatch(left.id)):
                return (getattr(left, "value", left) is None) == isinstance(operator, ast.Is)
        case ast.Compare(left=ast.Constant(), comparators=[ast.Constant()]):
            return bool(eval(ast.unparse(node)))  # noqa: S307 - two constants
    return None
