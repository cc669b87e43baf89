"""Failures of the learning rate: too high, too low, and the plateau of a constant rate."""

from __future__ import annotations

import numpy as np

from trainer.config import with_rate
from trainer.diagnosis.evidence import Evidence, jitter
from trainer.diagnosis.fit import strong_decay, widened
from trainer.diagnosis.gradients import harmful_death, largest_spike
from trainer.diagnosis.registry import EvidenceItem, Found, rule
from trainer.diagnosis.setup import overflowed, wrong_start

MIN_BLAMED_RATE = 1e-6  # a lower rate is never too high
MIN_RATE_EXCESS = 8  # times the usual rate; below, a loss that does not fall has other causes
CLEAR_RATE_EXCESS = 16  # nobody's careful choice
MAX_RATE_EXCESS = 60  # beyond, the rate is the cause whatever else is seen
LARGE_UPDATE = 6e-3  # of the weights in one step; a thousandth is usual


def lower(run: Evidence) -> float:
    """Returns a tenth of the run's rate, or the optimizer's usual rate if that is lower."""
    return min(run.config.learning_rate / 10, run.usual_rate)


CONSEQUENCES = (
    "dead_relu",
    "plateau",
    "overfit",
    "underfit",
    "batch_norm_tiny_batch",
    "dropout_before_batch_norm",
    "vanishing",
    "fp16_overflow",
)


@rule("Learning rate too high", severity=3, hides=CONSEQUENCES, parts=True)
def lr_too_high(run: Evidence) -> Found | None:
    """Each step overshoots: the loss rises instead of falling, jumps, stays high or becomes infinite, or units die. A tenth of
    the rate is the usual first remedy; warmup helps when only the first steps are too large."""
    if overflowed(run) and rate_excess(run) < MIN_RATE_EXCESS:
        return None  # float16 ended before the loss rose
    if run.config.learning_rate < MIN_BLAMED_RATE:
        return None
    if not run.since and (wrong_start(run) or largest_spike(run) is not None):
        return None
    symptom = diverged(run)
    if symptom is None and run.long_enough and not run.since and not held_back(run):
        symptom = fell_back(run) or blew_up(run) or units_died(run) or stuck(run) or restless(run)
    if symptom is None:
        return None
    seen, item = symptom
    rate = run.config.learning_rate
    return Found(
        f"{seen}, with a learning rate of {rate:g}.",
        f"Steps of this size jump over the minimum instead of descending into it, so a rate of {lower(run):.2g} is worth trying.",
        with_rate(run.config, lower(run)),
        (
            item,
            EvidenceItem("config/learning_rate", f"{rate:g}; {run.usual_rate:g} is usual for this optimizer"),
        ),
    )


def held_back(run: Evidence) -> bool:
    """Returns whether, at a usual rate, weight decay or dropout is so strong that the loss may rise or jump because of it."""
    heavy = strong_decay(run.config) or max(run.config.dropout.knobs.values()) > 0.6
    return heavy and rate_excess(run) < MIN_RATE_EXCESS


def diverged(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a loss or gradient that is no longer finite."""
    if not run.non_finite:
        return None
    finite, last = run.losses[np.isfinite(run.losses)], run.last_step
    rose = (
        f", after a lowest loss of {finite.min():.3g} and a last of {finite[-1]:.3g}" if len(finite) else ""
    )
    text = f"{finite.min():.3g} → {finite[-1]:.3g} → not finite" if len(finite) else "not finite"
    return f"The loss or its gradient became infinite at step {last}{rose}", EvidenceItem(
        "step/loss", text, 0, last
    )


def fell_back(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a training loss that was much lower and rose again."""
    lowest = int(run.train.argmin()) if np.isfinite(run.train).all() else 0
    low = float(run.train[lowest])
    if run.train_end < 2 * low or run.train_end - low < 0.15 * run.guess_loss or run.learned > 0.8:
        return None
    first, last = run.step_of(lowest), run.last_step
    seen = f"Training loss rose from {low:.3g} at step {first} to {run.train_end:.3g} at step {last}"
    return seen, EvidenceItem("epoch/train_loss", f"{low:.3g} → {run.train_end:.3g}", first, last)


def blew_up(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a loss that jumped far above that of the initial weights and did not recover."""
    peak, step = run.peak
    start = max(run.first_loss, run.guess_loss)
    if peak < 2 * start or run.learned > (0.8 if peak > 20 * start else 0.5):
        return None
    seen = f"The loss jumped from {run.first_loss:.3g} to {peak:.3g} at step {step} and is still {run.train_end:.3g}"
    return seen, EvidenceItem("step/loss", f"{run.first_loss:.3g} → {peak:.3g}", 1, step)


def rate_excess(run: Evidence) -> float:
    """How many times the optimizer's usual rate the run's is."""
    return run.config.learning_rate / run.usual_rate


def units_died(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a layer whose units died at a rate far above the usual one: its first steps killed them."""
    if rate_excess(run) < MIN_RATE_EXCESS or (dead := harmful_death(run)) is None:
        return None
    layer, share, since = dead
    seen = (
        f"In {layer}, {share:.0%} of the units have output zero for every sample since step {since}, and the loss stays at "
        f"{run.train_end:.3g}"
    )
    return seen, EvidenceItem(f"health/act_dead/{layer}", f"{share:.0%} of the units", since, run.last_step)


def stuck(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a loss that stays high at a rate far above the usual one. Below `MAX_RATE_EXCESS`, small steps or a network too
    narrow for the data rule the rate out."""
    excess, ratio = rate_excess(run), update_ratio(run)
    enough = 0.8 if excess >= CLEAR_RATE_EXCESS and large_steps(run) else 0.5
    if excess < MIN_RATE_EXCESS or run.learned > enough:
        return None
    small = ratio is not None and ratio < LARGE_UPDATE
    if excess < MAX_RATE_EXCESS and (small or widened(run)[1]):
        return None
    end, last = run.train_end, run.last_step
    seen = f"Training loss is {end:.3g} after {last} steps, while guessing has a loss of {run.guess_loss:.3g}"
    return seen, EvidenceItem("epoch/train_loss", f"{run.train[0]:.3g} → {end:.3g}", 0, last)


def large_steps(run: Evidence) -> bool:
    """Whether a typical step is known to change the weights by more than `LARGE_UPDATE` of their size."""
    ratio = update_ratio(run)
    return ratio is not None and ratio >= LARGE_UPDATE


def restless(run: Evidence) -> tuple[str, EvidenceItem] | None:
    """Finds a loss that hovers because the rate is far above the usual one and the steps are large: the rate itself is wrong
    then, not only that it stays constant."""
    if (
        rate_excess(run) < CLEAR_RATE_EXCESS
        or not large_steps(run)
        or (levels := hovering(run, least=0.08)) is None
    ):
        return None
    seen = (
        f"In the second half training loss hovered around {levels[1]:.3g} and validation loss jumped by {run.jitter:.0%} from "
        "epoch to epoch"
    )
    text = f"jumps by {run.jitter:.0%} around {run.val_end:.3g}"
    return seen, EvidenceItem("epoch/val_loss", text, run.step_of(len(run.train) // 2), run.last_step)


@rule("Learning rate too low", severity=2, hides=("underfit", "plateau"))
def lr_too_low(run: Evidence) -> Found | None:
    """The loss is almost flat because each step barely changes the weights. As a rule of thumb, an update should be about a
    thousandth of the weights; ten times the rate is the usual first remedy."""
    if not run.long_enough or run.non_finite or run.progress < 0.5 or run.learned > 0.7 or wrong_start(run):
        return None
    rate, ratio = run.config.learning_rate, update_ratio(run)
    if rate >= run.usual_rate and widened(run)[1]:
        return None  # a network this small has little to change
    slow = rate <= run.usual_rate / 8 if ratio is None else ratio < 3e-4
    drop = (run.train[0] - run.train_end) / run.guess_loss
    crawls = ratio is not None and ratio < 1e-4
    if not slow or run.jitter > 0.03 or drop < -0.02 or (flat_at_the_end(run) and not crawls):
        return None
    target = min(10.0, max(10 * rate, run.usual_rate))
    if target <= rate:
        return None
    moved = "" if ratio is None else f", each changing the weights by {ratio:.1g} of their size"
    return Found(
        f"Training loss went only from {run.train[0]:.3g} to {run.train_end:.3g} in {run.last_step} steps{moved}.",
        f"A learning rate of {rate:g} makes slow progress; {target:.2g} would get as far in a fraction of the steps.",
        with_rate(run.config, target),
        (
            EvidenceItem("epoch/train_loss", f"{run.train[0]:.3g} → {run.train_end:.3g}", 0, run.last_step),
            EvidenceItem("config/learning_rate", f"{rate:g}; {run.usual_rate:g} is usual for this optimizer"),
        ),
    )


def flat_at_the_end(run: Evidence) -> bool:
    """Returns whether the loss fell well and then leveled off, which is not slow progress."""
    middle = float(np.median(run.train[len(run.train) // 2 :][: max(1, len(run.train) // 5)]))
    fallen, last = run.train[0] - run.train_end, middle - run.train_end
    return bool(fallen > 0.1 * run.guess_loss and last < 0.05 * fallen)


def update_ratio(run: Evidence) -> float | None:
    """Returns the relative change of the weights in a step: the median over layers and health samples after the first tenth."""
    ratios = [values[len(values) // 10 :] for values in run.layers("update_ratio").values()]
    finite = np.concatenate(ratios) if ratios else np.empty(0)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    return float(np.median(finite)) if len(finite) >= 5 else None


@rule("Plateau", severity=1)
def plateau(run: Evidence) -> Found | None:
    """The loss hovers at one level because steps of constant size keep jumping around the minimum. A schedule that lowers
    the rate lets it converge."""
    config = run.config
    if (levels := hovering(run, least=0.12)) is None:
        return None
    early, late = levels
    first = run.step_of(len(run.train) // 2)
    best = int(run.val.argmin())
    return Found(
        f"Since step {first}, training loss has hovered around {late:.3g} and validation loss has jumped by {run.jitter:.0%} "
        f"from epoch to epoch (best {run.val[best]:.3g} at step {run.step_of(best)}).",
        f"With the rate held at {config.learning_rate:g}, the steps are too large to converge; a schedule that shrinks them "
        "toward the end lets the loss fall below this level.",
        {"schedule": "cosine"},
        (
            EvidenceItem(
                "epoch/val_loss", f"jumps by {run.jitter:.0%} around {run.val_end:.3g}", first, run.last_step
            ),
            EvidenceItem("epoch/train_loss", f"{early:.3g} → {late:.3g}", first, run.last_step),
            EvidenceItem("step/lr", f"constant {config.learning_rate:g}", 0, run.last_step),
        ),
    )


def hovering(run: Evidence, least: float) -> tuple[float, float] | None:
    """Returns the training loss of the third quarter and of the last, if it no longer falls at a constant rate while
    validation loss jumps, at no less than `least` of a guess's."""
    if not run.long_enough or len(run.train) < 8 or run.non_finite or run.config.schedule.name != "constant":
        return None
    half = run.train[len(run.train) // 2 :]
    early, late = (float(np.median(quarter)) for quarter in np.array_split(half, 2))
    level, ratio = run.val_end / run.guess_loss, update_ratio(run)
    if late < (1 - max(0.1, jitter(half))) * early or level < least or run.learned < 0.05:
        return None  # still falling, nearly done, or not started
    if run.jitter < 0.09 or run.jitter * level < least / 6 or (ratio is not None and ratio < 3e-3):
        return None  # too quiet for the rate to be the cause
    return early, late
