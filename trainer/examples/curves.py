"""Examples of functions of one number: schedules, early stopping, activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.examples import Case, Values, example, plot, result, table
from trainer.lazy import lazy
from trainer.techniques.schedules import Moment, rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

EPOCHS, PER_EPOCH, RATE = 100, 10, 0.01
LISTED_EPOCHS = (0, 1, 5, 10, 25, 29, 30, 50, 59, 60, 75, 99)
STALLS_AT = 20  # the epoch from which the validation loss of the example no longer falls


@example("schedule", torch=False)
def schedule(case: Case) -> Values:
    """The rate at the first step of each epoch and at the last step, in a run of 100 epochs with 10 steps each."""
    steps = [*range(0, EPOCHS * PER_EPOCH, PER_EPOCH), EPOCHS * PER_EPOCH - 1]
    planned = [rates(case(moment(step), RATE)) for step in steps]
    epochs = [step / PER_EPOCH for step in steps]
    lines = {"learning rate": (epochs, [rate.lr for rate in planned])}
    parts = [
        plot("Learning rate", "epoch", "learning rate", lines) | {"log": "probe" in case.technique.facts}
    ]
    if planned[0].momentum is not None:
        momenta = {"momentum": (epochs, [float(rate.momentum or 0) for rate in planned])}
        parts.append(plot("Momentum", "epoch", "momentum", momenta))
    rows = [[epoch, planned[epoch].lr] for epoch in LISTED_EPOCHS] + [["last step", planned[-1].lr]]
    parts.append(table("At the first step of an epoch", ["epoch", "learning rate"], rows))
    reacts = case.technique.facts["per"] == "validation"
    why = f" The validation loss falls until epoch {STALLS_AT} and then stalls." if reacts else ""
    return result(f"A run of {EPOCHS} epochs with {PER_EPOCH} steps each, at base rate {RATE}.{why}", *parts)


def moment(step: int) -> Moment:
    """Returns where the run of the example is at a step."""
    epoch = step // PER_EPOCH
    return Moment(step, epoch, EPOCHS * PER_EPOCH, EPOCHS, losses(epoch))


def losses(epochs: int) -> list[float]:
    """Returns validation losses that halve every ten epochs and then stall."""
    return [0.5 ** (min(epoch, STALLS_AT) / 10) for epoch in range(epochs)]


@example("early_stopping", torch=False)
def early_stopping(case: Case) -> Values:
    """A validation loss that is lowest at epoch 12, and the patience left after each epoch."""
    curve = [0.3 + 0.004 * (epoch - 12) ** 2 for epoch in range(1, 31)]
    rows: list[list[object]] = []
    for epoch in range(1, len(curve) + 1):
        left = case(curve[:epoch])
        best = min(range(epoch), key=curve.__getitem__) + 1
        rows.append([epoch, curve[epoch - 1], best, "∞" if math.isinf(left) else left])
        if left <= 0:
            break
    epochs = [float(epoch) for epoch in range(1, len(rows) + 1)]
    ended = f"It stops after epoch {len(rows)}, and the weights of epoch {rows[-1][2]} are restored."
    return result(
        ended
        if len(rows) < len(curve)
        else f"All {len(curve)} epochs are trained; the last weights are kept.",
        plot("Validation loss", "epoch", "loss", {"validation loss": (epochs, curve[: len(rows)])}),
        table("Epoch by epoch", ["epoch", "validation loss", "best epoch", "patience left"], rows[-12:]),
    )


@example("activation")
def activation(case: Case) -> Values:
    """The function, and its derivative by autograd."""
    x = (torch.arange(-80, 81, dtype=torch.float64) / 20).requires_grad_()
    y = case()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    xs, ys, slopes = (values.tolist() for values in (x.detach(), y.detach(), slope))
    indices = [xs.index(value) for value in (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)]
    return result(
        f"Its derivative is between {min(slopes):.3g} and {max(slopes):.3g} here; each layer multiplies the gradient by it on "
        "the way back.",
        plot("Function and derivative", "x", "", {"f(x)": (xs, ys), "f′(x)": (xs, slopes)}),
        table("Values", ["x", "f(x)", "f′(x)"], [[xs[index], ys[index], slopes[index]] for index in indices]),
    )
