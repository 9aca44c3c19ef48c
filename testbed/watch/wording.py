"""Numbers and states of the live view in words. Pure."""

from __future__ import annotations

from datetime import datetime

from testbed.watch.overview import Overview

NO_NAME = "a run"


def length(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(seconds: float) -> str:
    """The same where there is little room: `48s`, `3m`, `2h`."""
    whole = max(round(seconds), 0)
    if whole < 100:
        return f"{whole}s"
    return f"{whole // 60}m" if whole < 6000 else f"{whole // 3600}h"


def clock(moment_s: float) -> str:
    """A time of day, here."""
    return f"{datetime.fromtimestamp(moment_s).astimezone():%H:%M:%S}"


def standing(view: Overview) -> str:
    """What the run does, in a few words."""
    match view.standing:
        case "starting":
            return "starting"
        case "waiting" if view.waits_until is not None:
            return f"waits until {clock(view.waits_until)}"
        case "reporting":
            return "writes its report"
        case "finished":
            return "finished"
        case "gone":
            return "its controller is gone"
    return "running, resumed" if view.resumed else "running"


def progress(view: Overview) -> str:
    """How far the plan is."""
    if not view.trials:
        return "no plan yet"
    words = f"{view.done}/{view.trials} trials, {view.rounds_done}/{view.rounds} rounds"
    extra = [f"{view.invalid} invalid"] * bool(view.invalid) + [f"{view.repeated} repeated"] * bool(view.repeated)
    return ", ".join([words, *extra])


def remaining(view: Overview) -> str:
    """How long it still takes, and by what; empty where nothing is known."""
    if view.remaining_s is None:
        return ""
    about = round(view.remaining_s, -1) if view.remaining_s < 600 else round(view.remaining_s / 60) * 60
    return f"about {length(about).removesuffix(' 00 s')} left ({view.remaining_by})"


def trial(view: Overview) -> list[str]:
    """The running trial: its state and deadline, its round."""
    one = view.trial
    if one is None:
        return []
    attempt = f", attempt {one.attempt}" if one.attempt > 1 else ""
    found = [f"{one.name}{attempt}"]
    if one.state:
        since = f" for {length(view.now - one.since)}" if one.since is not None else ""
        found.append(f"{one.state}{since}{_deadline(one.deadline, view.now)}")
    if one.state == "running":
        found.append(_round(view))
    return found


def _deadline(deadline: float | None, now: float) -> str:
    if deadline is None:
        return ""
    left = deadline - now
    return f", limit in {length(left)}" if left >= 0 else f", {length(-left)} over its limit"


def _round(view: Overview) -> str:
    one = view.trial
    assert one is not None
    if not one.round:
        return f"no message sent yet, {one.rounds} rounds to come"
    errors = f", {one.errors} of them errors" if one.errors else ""
    return f"round {one.round} of {one.rounds}: {one.kind}, {one.replied} of {one.sent} replies collected{errors}"


def resume_hint(folder: str) -> str:
    """What to do about a run whose controller is gone."""
    return f"To finish it: fedprobe run --resume {folder}"
