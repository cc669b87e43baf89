"""Examples of what happens in a step: loss, clipping, precision, optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.examples import Case, Values, example, plot, result, table
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

GRADIENTS = (0.1, 0.2, -0.3, 0.1)
RATE = 0.1
LOGITS = (2.0, 1.0, 0.0, -1.0)
NAMES = {"exp_avg": "m", "exp_avg_sq": "v", "momentum_buffer": "v", "square_avg": "v"}
VALUES = (0.1, 1.001, 3.14159265, 1e-8, 70_000.0)


@example("optimizer")
def optimizer(case: Case) -> Values:
    """A weight of 1 under four given gradients, with the optimizer's state; then its path down a ravine."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    chosen = case([weight], RATE)
    buffers: list[str] = []
    rows: list[list[Any]] = []
    for number, gradient in enumerate(GRADIENTS, start=1):
        before = _value(weight)
        weight.grad = torch.tensor([gradient])
        chosen.step()
        remembered = {name: float(value) for name, value in chosen.state[weight].items() if name in NAMES}
        corrected = _corrected(remembered, chosen.param_groups[0].get("betas"), number)
        shown = {NAMES[name]: value for name, value in remembered.items()} | corrected
        buffers = list(shown)
        rows.append([number, gradient, *shown.values(), _value(weight) - before, _value(weight)])
    return result(
        f"A weight of 1 at learning rate {RATE}, under given gradients.",
        table("Step by step", ["step", "gradient", *buffers, "change", "weight"], rows),
        plot("Down a ravine: ½ (x² + 25 y²)", "x", "y", {case.technique.label: _ravine(case)}),
    )


def _value(weight: torch.Tensor) -> float:
    return float(weight.detach())


def _corrected(
    remembered: dict[str, float], betas: tuple[float, float] | None, step: int
) -> dict[str, float]:
    """Returns Adam's moments without the bias of their start at zero."""
    if betas is None:
        return {}
    return {
        "m / (1 − β₁ᵗ)": remembered["exp_avg"] / (1 - betas[0] ** step),
        "v / (1 − β₂ᵗ)": remembered["exp_avg_sq"] / (1 - betas[1] ** step),
    }


def _ravine(case: Case, steps: int = 40) -> tuple[list[float], list[float]]:
    """Returns the path from (4, 1) in forty steps, at rate 0.01, or 0.1 for optimizers that scale their own steps."""
    point = torch.nn.Parameter(torch.tensor([4.0, 1.0]))
    usual = case.technique.facts.get("usual_lr", 0.01)
    chosen = case([point], usual if usual >= 0.01 else 0.1)
    path = [point.tolist()]
    for _ in range(steps):
        point.grad = point.detach() * torch.tensor([1.0, 25.0])
        chosen.step()
        path.append(point.tolist())
    return [x for x, _ in path], [y for _, y in path]


@example("clipping")
def clipping(case: Case) -> Values:
    """A gradient of norm 5, one that is small already, and one with a single large element."""
    rows: list[list[Any]] = []
    for given in ((3.0, 4.0), (0.3, 0.4), (0.1, -3.0)):
        gradients = [torch.tensor([value]) for value in given]
        norm = torch.cat(gradients).norm()
        clipped = case(gradients, norm)
        after = torch.cat(gradients)
        state = "–" if clipped is None else "yes" if bool(clipped) else "no"
        rows.append([*given, float(norm), *after.tolist(), float(after.norm()), state])
    columns = ["g₁", "g₂", "norm", "g₁ after", "g₂ after", "norm after", "clipped"]
    return result("Three gradients of two elements each.", table("Before and after", columns, rows))


@example("label_smoothing")
def label_smoothing(case: Case) -> Values:
    """Four classes, of which the first is right. The targets are recovered from the loss as softmax − gradient."""
    logits = torch.tensor([LOGITS], requires_grad=True)
    loss = case(logits, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, logits)
    probabilities = logits.detach().softmax(1)[0]
    targets = probabilities - gradient[0]
    rows = [
        [
            f"class {index}",
            LOGITS[index],
            float(probabilities[index]),
            float(targets[index]),
            float(gradient[0, index]),
        ]
        for index in range(len(LOGITS))
    ]
    return result(
        f"With ε = {case.knobs['amount']:g} the loss is {float(loss.detach()):.4f}. The gradient is softmax − target: it "
        "vanishes before certainty.",
        table("Class 0 is right", ["", "logit", "softmax", "target", "gradient"], rows),
    )


@example("precision")
def precision(case: Case) -> Values:
    """Numbers as the format stores them and, with loss scaling, small gradients and one that overflows."""
    chosen = case("cpu")
    kind = chosen.dtype or torch.float32
    stored = torch.tensor(VALUES).to(kind).float().tolist()
    rows = [
        [_plain(value), _plain(found), "overflow" if found == float("inf") else abs(found - value) / value]
        for value, found in zip(VALUES, stored, strict=True)
    ]
    parts = [table("Numbers in this format", ["number", "stored as", "relative error"], rows)]
    if chosen.scaler.is_enabled():
        parts.append(_scaling(chosen.scaler, kind))
    name = str(kind).removeprefix("torch.")
    return result(f"Matrix products run in {name}; weights and optimizer stay in float32.", *parts)


def _plain(value: float) -> Any:
    return "∞" if value == float("inf") else value


def _scaling(scaler: torch.amp.GradScaler, kind: torch.dtype) -> Values:
    """Returns a table of a weight under gradients of 1e-8, infinity and 1e-8, each rounded to the 16-bit format."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    rows: list[list[Any]] = []
    for gradient in (1e-8, float("inf"), 1e-8):
        scale, before = scaler.get_scale(), _value(weight)
        plain = torch.tensor([gradient]).to(kind).float()
        scaler.scale(torch.zeros(1))  # creates the scale, as scaling a loss does
        weight.grad = (torch.tensor([gradient]) * scaler.get_scale()).to(kind).float()
        scaler.unscale_(optimizer)
        found = float(weight.grad)
        scaler.step(optimizer)
        scaler.update()
        skipped = "skipped" if _value(weight) == before and gradient == float("inf") else "taken"
        rows.append(
            [_plain(gradient), _plain(float(plain)), scale, _plain(found), skipped, scaler.get_scale()]
        )
    columns = ["true gradient", "without scaling", "scale", "with scaling", "step", "next scale"]
    return table("The loss scale at work", columns, rows)
