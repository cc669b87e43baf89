"""Functions of one number: schedules, early stopping, activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.examples import Case, Values, example, plot, says, table
from trainer.lazy import lazy
from trainer.techniques.schedules import Moment, rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

EPOCHS, PER_EPOCH, RATE = 100, 10, 0.01
SHOWN = (0, 1, 5, 10, 25, 29, 30, 50, 59, 60, 75, 99)
STALLS = 20  # the epoch from which the made-up validation loss no longer falls


@example("schedule", torch=False)
def schedule(case: Case) -> Values:
    """The rate over a run of 100 epochs of 10 steps from 0.01, at the first step of each epoch and at the very last."""
    steps = [*range(0, EPOCHS * PER_EPOCH, PER_EPOCH), EPOCHS * PER_EPOCH - 1]
    found = [rates(case(moment(step), RATE)) for step in steps]
    epochs = [step / PER_EPOCH for step in steps]
    lines = {"learning rate": (epochs, [rate.lr for rate in found])}
    parts = [
        plot("Learning rate", "epoch", "learning rate", lines) | {"log": "probe" in case.technique.facts}
    ]
    if found[0].momentum is not None:
        momenta = {"momentum": (epochs, [float(rate.momentum or 0) for rate in found])}
        parts.append(plot("Momentum", "epoch", "momentum", momenta))
    rows = [[epoch, found[epoch].lr] for epoch in SHOWN] + [["last step", found[-1].lr]]
    parts.append(table("At the first step of an epoch", ["epoch", "learning rate"], rows))
    reacts = case.technique.facts["per"] == "validation"
    why = f" The validation loss falls until epoch {STALLS} and then stands still." if reacts else ""
    return says(f"A run of {EPOCHS} epochs of {PER_EPOCH} steps from rate {RATE}.{why}", *parts)


def moment(step: int) -> Moment:
    """Where the example's run is at a step."""
    epoch = step // PER_EPOCH
    return Moment(step, epoch, EPOCHS * PER_EPOCH, EPOCHS, losses(epoch))


def losses(epochs: int) -> list[float]:
    """A validation loss that halves every ten epochs and stalls."""
    return [0.5 ** (min(epoch, STALLS) / 10) for epoch in range(epochs)]


@example("early_stopping", torch=False)
def early_stopping(case: Case) -> Values:
    """A validation loss with its lowest point at epoch 12, and what is left of the patience after each epoch."""
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
    return says(
        ended
        if len(rows) < len(curve)
        else f"All {len(curve)} epochs are trained; the last weights are kept.",
        plot("Validation loss", "epoch", "loss", {"validation loss": (epochs, curve[: len(rows)])}),
        table("Epoch by epoch", ["epoch", "validation loss", "best epoch", "patience left"], rows[-12:]),
    )


@example("activation")
def activation(case: Case) -> Values:
    """The function and its derivative, which autograd takes from the module itself."""
    x = (torch.arange(-80, 81, dtype=torch.float64) / 20).requires_grad_()
    y = case()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    xs, ys, slopes = (values.tolist() for values in (x.detach(), y.detach(), slope))
    places = [xs.index(value) for value in (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)]
    return says(
        f"Its derivative is between {min(slopes):.3g} and {max(slopes):.3g} here: that is what each layer multiplies a "
        "gradient by on its way back.",
        plot("Function and derivative", "x", "", {"f(x)": (xs, ys), "f′(x)": (xs, slopes)}),
        table("Values", ["x", "f(x)", "f′(x)"], [[xs[place], ys[place], slopes[place]] for place in places]),
    )
