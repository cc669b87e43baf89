"""What is measured at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.metrics.charts import GRADIENT_NORM, LEARNING_RATE, LOSS, Chart
from trainer.metrics.context import Step
from trainer.metrics.registry import metric

if TYPE_CHECKING:
    from trainer.metrics.context import Number


@metric("step", label="Step", always=True, axis=True, aggregation="last")
def step(step: Step) -> Number:
    """Optimizer steps so far."""
    return step.number


@metric("step", label="Time", always=True, unit="s", axis=True, clock=True, share=0.5, aggregation="last")
def seconds(step: Step) -> Number:
    """Seconds of training so far, without pauses."""
    return step.seconds


@metric(
    "step",
    label="Batch loss",
    always=True,
    chart=LOSS,
    part="train",
    smoothed=True,
    share=4,
    aggregation="mean",
)
def loss(step: Step) -> Number:
    """Loss of the batch, before the step."""
    return step.loss


@metric("step", label="Learning rate", always=True, chart=LEARNING_RATE, share=2)
def lr(step: Step) -> Number:
    """The schedule, as it was followed."""
    return step.lr


@metric("step", label="Gradient norm", always=True, chart=GRADIENT_NORM, smoothed=True, share=4)
def grad_norm(step: Step) -> Number:
    """How large the gradient is at each step, before clipping."""
    return step.grad_norm


@metric("step", label="Clipped")
def clipped(step: Step) -> Number:
    """1 where the gradient was clipped, 0 where not."""
    return step.clipped


@metric("step", label="Loss scale")
def loss_scale(step: Step) -> Number:
    """What the loss was multiplied by, so that small gradients survive float16."""
    return step.loss_scale


@metric(
    "step",
    label="Update-to-weight ratio",
    chart=Chart(log=True),
    smoothed=True,
    every=10,
    watches_update=True,
)
def update_ratio(step: Step) -> Number:
    """How far a step moves the weights, relative to their size; often about 0.001.

    Global L2 norms. Every tenth step tells enough: copying the weights at each would slow down a small network.
    """
    return step.update_norm / step.weight_norm


@metric(
    "step",
    label="Samples per second",
    unit="samples/s",
    chart=Chart(ticks="~s"),
    smoothed=True,
    clock=True,
    aggregation="mean",
)
def samples_per_second(step: Step) -> Number:
    """How fast training goes, with the pauses of slow motion."""
    return step.samples / step.elapsed
