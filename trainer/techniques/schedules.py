"""Learning-rate schedules: pure functions of where training is.

A schedule receives the moment and the base learning rate and returns the rate for that step. Because it is pure, the same
function trains, draws the planned curve before anything runs, and resumes exactly. `per="epoch"` schedules change the rate
between epochs, `per="step"` ones at every step, and `per="validation"` ones react to the validation losses so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
    from torch.optim import lr_scheduler
else:
    lr_scheduler = lazy("torch.optim.lr_scheduler")


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training is: `step` counts optimizer steps and `epoch` passes over the data, both from 0."""

    step: int
    epoch: int
    total_steps: int
    total_epochs: int
    validation_losses: Sequence[float] = ()


class Rates(NamedTuple):
    """A learning rate, and the momentum where the schedule changes that too."""

    lr: float
    momentum: float | None = None


Gamma = Annotated[float, knob("γ", "The rate is multiplied by this.", gt=0, le=1, step=0.05)]
FinalRate = Annotated[float, knob("Final rate", "The rate at the end of the curve.", ge=0, le=10, log=True)]
Per = Annotated[Literal["epoch", "step"], knob("Update", "Changes the rate between epochs or at every step.")]

declare_family(
    "schedule",
    label="Scheduler",
    help="How the learning rate changes during training.",
    group="techniques",
    default="constant",
    hot=True,
)


@technique(
    "schedule",
    label="Constant",
    per="epoch",
    formula=r"\eta_t = \eta",
    when="The baseline; often good enough with Adam on small problems.",
)
def constant(at: Moment, lr: float) -> float:
    """The same rate from the first step to the last."""
    return lr


@technique(
    "schedule",
    label="Step decay",
    per="epoch",
    formula=r"\eta_e = \eta\, \gamma^{\lfloor e / \mathrm{size} \rfloor}",
    when="Long runs of convolutional networks; the drops are easy to see in the curves and to report.",
    short=lambda optimizer, size, gamma: lr_scheduler.StepLR(optimizer, step_size=size, gamma=gamma),
    example={"size": 30},
)
def step(
    at: Moment,
    lr: float,
    *,
    size: Annotated[int, knob("Interval", "Epochs between two drops.", ge=1, le=10000, unit="epochs")] = 30,
    gamma: Gamma = 0.1,
) -> float:
    """Drops by a factor at a fixed interval of epochs (StepLR)."""
    return lr * gamma ** (at.epoch // size)


@technique(
    "schedule",
    label="Multi-step decay",
    per="epoch",
    formula=r"\eta_e = \eta\, \gamma^{\,|\{m \le e\}|}",
    when="As step decay, when earlier runs show where the loss stalls.",
    short=lambda optimizer, milestones, gamma: lr_scheduler.MultiStepLR(
        optimizer, [int(epoch) for epoch in milestones.split(",")], gamma=gamma
    ),
)
def multi_step(
    at: Moment,
    lr: float,
    *,
    milestones: Annotated[
        str,
        knob(
            "Milestones",
            "Epochs of the drops, such as 30, 80.",
            pattern=r"^\s*[0-9]{1,6}(\s*,\s*[0-9]{1,6})*\s*$",
        ),
    ] = "30, 80",
    gamma: Gamma = 0.1,
) -> float:
    """Drops by a factor at chosen epochs (MultiStepLR)."""
    return lr * gamma ** sum(at.epoch >= int(milestone) for milestone in milestones.split(","))


@technique(
    "schedule",
    label="Exponential decay",
    per="epoch",
    formula=r"\eta_e = \eta\, \gamma^{e}",
    when="A smooth fall whose speed does not depend on the length of the run.",
    short=lambda optimizer, gamma: lr_scheduler.ExponentialLR(optimizer, gamma=gamma),
)
def exponential(at: Moment, lr: float, *, gamma: Gamma = 0.95) -> float:
    """Shrinks by the same factor every epoch (ExponentialLR)."""
    return float(lr * gamma**at.epoch)


@technique(
    "schedule",
    label="Polynomial decay",
    per="epoch",
    formula=r"\eta_e = \eta\, (1 - e / E)^{p}",
    when="A run of known length that should end at rate 0; power 1 is the usual straight line for fine-tuning.",
    short=lambda optimizer, epochs, power: lr_scheduler.PolynomialLR(optimizer, epochs, power=power),
)
def polynomial(
    at: Moment,
    lr: float,
    *,
    power: Annotated[
        float, knob("Power", "1 falls in a straight line, 2 falls faster at first.", gt=0, le=10, step=0.5)
    ] = 1.0,
) -> float:
    """Falls to zero over the run along a power curve (PolynomialLR)."""
    return float(lr * (1 - at.epoch / at.total_epochs) ** power)


@technique(
    "schedule",
    label="Cosine annealing",
    per="epoch",
    source="Loshchilov & Hutter 2016, arXiv:1608.03983",
    formula=r"\eta_e = \eta_{\min} + \tfrac{1}{2} (\eta - \eta_{\min}) \big(1 + \cos(\pi e / E)\big)",
    when="A good default for a run of known length: no drops to choose.",
    short=lambda optimizer, epochs, steps, final_lr, moves: lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=epochs if moves == "epoch" else steps, eta_min=final_lr
    ),
    example={"final_lr": 0.0001},
)
def cosine(at: Moment, lr: float, *, final_lr: FinalRate = 0.0, moves: Per = "epoch") -> float:
    """Falls from the full rate to the final one along half a cosine (CosineAnnealingLR)."""
    done = at.epoch / at.total_epochs if moves == "epoch" else at.step / at.total_steps
    return half_cosine(lr, final_lr, done)


@technique(
    "schedule",
    label="Cosine with warm restarts",
    per="epoch",
    source="Loshchilov & Hutter 2016, arXiv:1608.03983",
    formula=(
        r"\eta_e = \eta_{\min} + \tfrac{1}{2} (\eta - \eta_{\min}) \big(1 + \cos(\pi\, e_{\mathrm{since}} / "
        r"T_i)\big), \quad T_{i+1} = m\, T_i"
    ),
    when="Runs that may end at any restart, and to escape poor minima.",
    short=lambda optimizer, period, multiplier, final_lr: lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=period, T_mult=multiplier, eta_min=final_lr
    ),
)
def warm_restarts(
    at: Moment,
    lr: float,
    *,
    period: Annotated[
        int, knob("First period", "Epochs until the first restart.", ge=1, le=10000, unit="epochs")
    ] = 10,
    multiplier: Annotated[
        int, knob("Multiplier", "Each period is this many times as long as the last.", ge=1, le=10)
    ] = 2,
    final_lr: FinalRate = 0.0,
) -> float:
    """Falls along half a cosine repeatedly, jumping back to the full rate (CosineAnnealingWarmRestarts)."""
    since, length = at.epoch, period
    while since >= length:
        since, length = since - length, length * multiplier
    return half_cosine(lr, final_lr, since / length)


def warmup_cosine_lr(
    optimizer: torch.optim.Optimizer, lr: float, steps: int, warmup: float, final_lr: float
) -> lr_scheduler.LRScheduler:
    """Rises in a straight line, then falls along half a cosine."""
    rising = round(warmup * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return half_cosine(1, final_lr / lr, (step - rising) / max(1, steps - rising))

    return lr_scheduler.LambdaLR(optimizer, factor)


@technique(
    "schedule",
    label="Linear warmup + cosine",
    per="step",
    source="Goyal et al. 2017, arXiv:1706.02677",
    formula=r"\eta_t = \eta \cdot \begin{cases} (t + 1) / W & t < W \\ \text{cosine} & t \ge W \end{cases}",
    when="Transformers, large batches, and any network that diverges in its first steps.",
    short=warmup_cosine_lr,
    misconception=(
        "“The factor is epoch / warmup.” Then the first epoch has rate 0 and learns nothing. Here the first step already has "
        "a rate above zero."
    ),
)
def warmup_cosine(
    at: Moment,
    lr: float,
    *,
    warmup: Annotated[
        float, knob("Warmup", "Share of the run in which the rate rises.", ge=0, le=0.9, step=0.01)
    ] = 0.05,
    final_lr: FinalRate = 0.0,
) -> float:
    """Rises in a straight line, then falls along half a cosine; the first step already has a rate above zero."""
    rising = round(warmup * at.total_steps)
    if at.step < rising:
        return lr * (at.step + 1) / rising  # without + 1 the first step would have rate 0
    return half_cosine(lr, final_lr, (at.step - rising) / max(1, at.total_steps - rising))


@technique(
    "schedule",
    label="One cycle",
    per="step",
    source="Smith & Topin 2017, arXiv:1708.07120",
    formula=(
        r"\tfrac{\eta}{25} \nearrow \eta \searrow \tfrac{\eta}{25 \cdot 10^4}, \qquad \text{momentum } 0.95 "
        r"\searrow 0.85 \nearrow 0.95"
    ),
    when="Short runs at a high peak rate: take the peak from the LR finder.",
    short=lambda optimizer, lr, steps, rise, start_divisor, end_divisor, low_momentum, high_momentum, rolls: (
        lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=lr,
            total_steps=steps,
            pct_start=rise,
            div_factor=start_divisor,
            final_div_factor=end_divisor,
            base_momentum=low_momentum,
            max_momentum=high_momentum,
            cycle_momentum=rolls,
        )
    ),
    misconception="“It is stepped once per epoch.” It changes at every step; stepped once per epoch, it never leaves its rise.",
)
def one_cycle(
    at: Moment,
    lr: float,
    *,
    rise: Annotated[
        float, knob("Rising share", "Share of the run in which the rate rises.", gt=0, lt=1, step=0.05)
    ] = 0.3,
    start_divisor: Annotated[
        float, knob("Start divisor", "The first rate is the peak divided by this.", gt=1, le=1e6)
    ] = 25.0,
    end_divisor: Annotated[
        float, knob("End divisor", "The last rate is the first divided by this.", ge=1, le=1e9)
    ] = 1e4,
    low_momentum: Annotated[
        float, knob("Minimum momentum", "At the peak, where the rate is largest.", ge=0, lt=1, step=0.01)
    ] = 0.85,
    high_momentum: Annotated[float, knob("Maximum momentum", "At both ends.", ge=0, lt=1, step=0.01)] = 0.95,
) -> Rates:
    """Rises to the peak rate and falls far below the start, while momentum does the opposite (OneCycleLR).

    The base learning rate is the peak. Momentum is β₁ for Adam and AdamW; plain SGD has none to change.
    """
    first = lr / start_divisor
    peak_step = rise * at.total_steps - 1
    if at.step <= peak_step:
        done = at.step / peak_step if peak_step > 0 else 1.0
        return Rates(half_cosine(first, lr, done), half_cosine(high_momentum, low_momentum, done))
    done = (at.step - peak_step) / (at.total_steps - 1 - peak_step)
    return Rates(half_cosine(lr, first / end_divisor, done), half_cosine(low_momentum, high_momentum, done))


@technique(
    "schedule",
    label="Reduce on plateau",
    per="validation",
    formula=r"\eta \leftarrow \gamma\, \eta \quad \text{after more than patience epochs without a better } L^{\mathrm{val}}",
    when="Runs of open length: the rate falls only when progress stalls.",
    short=lambda optimizer, factor, patience, min_lr: lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience, min_lr=min_lr
    ),
    misconception="“It may watch the test loss.” That leaks the test part into training. Here it sees validation only.",
)
def plateau(
    at: Moment,
    lr: float,
    *,
    factor: Annotated[float, knob("Factor", "The rate is multiplied by this.", gt=0, lt=1, step=0.05)] = 0.5,
    patience: Annotated[
        int, knob("Patience", "Epochs without improvement that are tolerated.", ge=0, le=1000, unit="epochs")
    ] = 10,
    min_lr: Annotated[
        float, knob("Minimum rate", "The rate never falls below this.", ge=0, le=1, log=True)
    ] = 0.0,
) -> float:
    """Drops by a factor when the validation loss stops improving (ReduceLROnPlateau, relative threshold 1e-4)."""
    best, waited = math.inf, 0
    for loss in at.validation_losses:
        best, waited = (loss, 0) if loss < best * (1 - 1e-4) else (best, waited + 1)
        if waited > patience:
            reduced = max(lr * factor, min_lr)
            lr, waited = (reduced, 0) if lr - reduced > 1e-8 else (lr, 0)
    return lr


@technique(
    "schedule",
    label="Range test (LR finder)",
    per="step",
    probe=True,
    example={"steps": 1000},
    source="Smith 2015, arXiv:1506.01186",
    formula=r"\eta_t = \eta_0\, (\eta_1 / \eta_0)^{t / (T - 1)}",
    when="Before the first real run on new data: use the LR finder page.",
    short=lambda optimizer, lr, start, end, steps: lr_scheduler.LambdaLR(
        optimizer, lambda step: start * (end / start) ** (step / (steps - 1)) / lr
    ),
)
def range_test(
    at: Moment,
    lr: float,
    *,
    start: Annotated[float, knob("First rate", "Where the test begins.", gt=0, le=1, log=True)] = 1e-7,
    end: Annotated[
        float,
        knob("Last rate", "Where the test ends, unless the loss explodes first.", gt=0, le=100, log=True),
    ] = 1.0,
    steps: Annotated[
        int, knob("Steps", "Length of the test.", ge=20, le=10_000, step=10, unit="steps")
    ] = 100,
) -> float:
    """Grows exponentially from a tiny rate to a huge one, to find the rate at which learning is fastest.

    A run with this schedule ends when the loss reaches four times its best, and answers no other question.
    """
    return float(start * (end / start) ** min(1.0, at.step / (steps - 1)))


def half_cosine(start: float, end: float, done: float) -> float:
    """Returns the point at `done` on half a cosine that goes from `start` at 0 to `end` at 1."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def rates(value: float | Rates) -> Rates:
    """Returns a schedule's value as Rates."""
    return value if isinstance(value, Rates) else Rates(value)


def set_rates(optimizer: torch.optim.Optimizer, rate: Rates) -> None:
    """Sets the learning rate, and the momentum (β₁ for Adam) where the schedule changes it and the optimizer has it."""
    for group in optimizer.param_groups:
        group["lr"] = rate.lr
        if rate.momentum is not None:
            if "betas" in group:
                group["betas"] = (rate.momentum, group["betas"][1])
            elif optimizer.defaults.get(
                "momentum"
            ):  # the default, because the group's own value may pass through 0
                group["momentum"] = rate.momentum
