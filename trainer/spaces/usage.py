"""Whether more may be added: the one place that compares what is used with the limits, and says so in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from trainer.formatting import format_bytes
from trainer.settings import MEGABYTE
from trainer.spaces.limits import Limits, SpaceLimits, Used, Wanted


class _Holder(NamedTuple):
    """Whose limit it is: behind "3 runs …" and before "at most 5 at a time", who keeps files, and what helps."""

    of: str
    may: str
    files: str
    remedy: str


RAISE = "an owner of the space can raise the limit on the Spaces page."
_MEMBER = _Holder(
    "of yours in this space",
    "each member may have",
    "Your runs and files in this space",
    f"some of yours have ended, or stop some; {RAISE}",
)
_OTHER = _Holder(
    "of this member",
    "each member may have",
    "This member's runs and files in this space",
    f"some of theirs have ended; {RAISE}",
)
_ALONE = _Holder(
    "of yours",
    "you may have",
    "Your private runs and files",
    "some have ended, or stop some.",
)
_SPACE = _Holder(
    "of this space",
    "the space may have",
    "The runs and files of this space",
    f"some have ended; {RAISE}",
)


def usage_refusal(
    limits: Limits, held: SpaceLimits, used: Used, wanted: Wanted, *, shared: bool
) -> str | None:
    """Returns why there is no room, as a sentence with what is taken, the limit, whose it is and what to do; None where there
    is. `limits` are the installation's, `held` those of the space, which may be `shared` with others."""
    holders = [_MEMBER if wanted.by_owner else _OTHER, _SPACE] if shared else [_ALONE]
    return next(_problems(limits, held, used, wanted, holders), None)


def time_refusal(seconds: float, limits: Mapping[str, int] | None) -> str | None:
    """Returns why a run that has trained for so long may not go on, as a sentence; None where it may."""
    if limits is None or seconds < (most := limits["run_seconds"]):
        return None
    return (
        f"This run has trained for {seconds:,.0f} s, and a run may train for {most:,} s here. Start one that takes fewer "
        "steps; in a shared space, an owner can raise the limit on the Spaces page."
    )


def _problems(
    limits: Limits, held: SpaceLimits, used: Used, wanted: Wanted, holders: list[_Holder]
) -> Iterator[str]:
    if wanted.runs and not wanted.moves:
        yield from _visitor(limits, used, wanted)
    yield from _live_runs(held, used, wanted, holders)
    if wanted.runs and not wanted.moves:
        yield from _strangers(limits, used, wanted)
    yield from _disk_space(held, used, wanted, holders)
    if wanted.kept:
        yield from _files(limits, used, wanted)


def _visitor(limits: Limits, used: Used, wanted: Wanted) -> Iterator[str]:
    if used.visitor + wanted.runs > limits.of_one:
        whose = "of yours" if wanted.by_owner else "of this visitor"
        remedy = "Wait until some have ended, or stop some."
        yield _live(used.visitor, whose, f"at most {limits.of_one:,} may be at a time", wanted.runs, remedy)


def _live_runs(held: SpaceLimits, used: Used, wanted: Wanted, holders: list[_Holder]) -> Iterator[str]:
    counts = (
        (used.live_each, held.live_runs_each, used.queued_each, held.queued_runs_each),
        (used.live, held.live_runs, used.queued, held.queued_runs),
    )
    for holder, (live, most, queued, most_queued) in zip(holders, counts, strict=False):
        if wanted.runs and live + wanted.runs > most:
            allowed = f"{holder.may} {most:,} at a time"
            yield _live(live, holder.of, allowed, wanted.runs, f"Wait until {holder.remedy}")
        if wanted.queued and queued + wanted.queued > most_queued:
            wait = "waits" if queued == 1 else "wait"
            yield (
                f"{_runs(queued)} {holder.of} {wait} in the queue, and {holder.may} {most_queued:,} waiting"
                f"{_too_many(wanted.queued)}. Wait until {holder.remedy}"
            )


def _disk_space(held: SpaceLimits, used: Used, wanted: Wanted, holders: list[_Holder]) -> Iterator[str]:
    """A run's size is not known before: it may start as long as anything is left."""
    more = max(wanted.bytes, int(wanted.runs > 0))
    sizes = ((used.bytes_each, held.megabytes_each), (used.bytes, held.megabytes))
    for holder, (taken, most) in zip(holders, sizes, strict=False):
        if more and taken + more > most * MEGABYTE:
            may = holder.may.replace("have", "keep")
            remedy = "Delete what is no longer needed" + (f"; {RAISE}" if holder is not _ALONE else ".")
            yield _bytes(holder.files, taken, more, may, most, remedy)


def _files(limits: Limits, used: Used, wanted: Wanted) -> Iterator[str]:
    own, whose = used.visitor_bytes, "Your files and imported runs"
    if own + wanted.kept > limits.files_mb * MEGABYTE:
        remedy = "Delete one that you no longer need."
        yield _bytes(whose, own, wanted.kept, "you may keep", limits.files_mb, remedy)
    shared, whose = used.address_bytes, "The files and imported runs from your network address"
    if shared + wanted.kept > limits.address_mb * MEGABYTE:
        remedy = "Everybody behind the same router or proxy shares it. Delete one that is no longer needed."
        yield _bytes(whose, shared, wanted.kept, "one address may keep", limits.address_mb, remedy)


def _strangers(limits: Limits, used: Used, wanted: Wanted) -> Iterator[str]:
    if used.address + wanted.runs > limits.of_address:
        yield _live(
            used.address,
            "from your network address",
            f"at most {limits.of_address:,} from one address may be at a time",
            wanted.runs,
            "Everybody behind the same router or proxy shares it. Try again when some have ended.",
        )
    if used.everybody + wanted.runs > limits.together:
        allowed = f"at most {limits.together:,} may be at a time"
        yield _live(
            used.everybody, "of all visitors", allowed, wanted.runs, "Try again when some have ended."
        )


def _live(count: int, whose: str, allowed: str, more: int, remedy: str) -> str:
    are = "is" if count == 1 else "are"
    return f"{_runs(count)} {whose} {are} queued or in training, and {allowed}{_too_many(more)}. {remedy}"


def _too_many(more: int) -> str:
    return f", so {more:,} more do not fit" if more > 1 else ""


def _bytes(whose: str, taken: int, more: int, may: str, most: int, remedy: str) -> str:
    this = f" and this would take {format_bytes(more)}" if more > 1 else ""
    return f"{whose} take {format_bytes(taken)}{this}; {may} {format_bytes(most * MEGABYTE)}. {remedy}"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
