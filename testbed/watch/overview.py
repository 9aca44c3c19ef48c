"""A run as of one moment, of its plan, its trials' documents and what its controller saw last. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from testbed.watch.live_document import ClientNow, Live, RoundSeen, ScoreSeen, TrialNow
from testbed.watch.scenario import scenario_of

Standing = Literal["starting", "running", "waiting", "reporting", "finished", "gone"]
SILENT_S = 75.0  # Flower's nodes are heard of every 30 s at the least, and given up after a minute
QUIET_S = 15.0  # of a controller that writes every second


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What a trial.json says, as far as the view shows it. `attempt_of`: it was set aside and repeated."""

    name: str
    state: str
    outcome: str
    reason: str
    interface: str
    rounds: int
    attempt_of: bool = False
    wall_s: float | None = None
    begun: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that is shown. Moments are of the controller's wall clock, `now` too."""

    campaign: str
    standing: Standing
    now: float
    quiet_s: float
    trials: int
    done: int
    invalid: int
    repeated: int
    rounds: int
    rounds_done: int
    remaining_s: float | None
    remaining_by: str
    doing: str
    waits_until: float | None
    trial: TrialNow | None
    clients: Sequence[ClientNow]
    last_rounds: Sequence[RoundSeen]
    scores: Sequence[ScoreSeen]
    warnings: Sequence[str]
    said: Sequence[str]
    resumed: bool
    followed: bool


def overview(
    plan: Mapping[str, Any] | None,
    trials: Sequence[TrialFacts],
    live: Live | None,
    *,
    now: float,
    controlled: bool,
) -> Overview:
    """What is to be shown. `controlled`: a process has the run folder; `now` is the controller's time."""
    planned = list(plan["trials"]) if plan else []
    by_name = {one.name: one for one in trials}
    done = [one for trial in planned if (one := by_name.get(trial["name"])) and one.state == "done"]
    standing = _standing(planned, done, live, controlled=controlled)
    seen = live.trial if live and standing in {"running", "waiting"} else None
    remaining_s, remaining_by = _remaining(planned, by_name, live, now) if controlled else (None, "")
    return Overview(
        campaign=str(plan["campaign"]) if plan else "",
        standing=standing,
        now=now,
        quiet_s=now - live.written if live else 0.0,
        trials=len(planned),
        done=len(done),
        invalid=sum(one.outcome == "invalid" for one in done),
        repeated=sum(one.attempt_of for one in trials),
        rounds=sum(_rounds_of(trial, by_name) for trial in planned),
        rounds_done=sum(one.rounds for one in done) + (seen.done if seen and not _is_done(seen, by_name) else 0),
        remaining_s=remaining_s,
        remaining_by=remaining_by,
        doing=live.doing if live and controlled else "",
        waits_until=live.waits_until if live and standing == "waiting" else None,
        trial=seen,
        clients=_stragglers_first(live.clients) if live and seen else (),
        last_rounds=sorted(live.rounds, key=lambda one: one.interface) if live else (),
        scores=sorted(live.scores, key=lambda one: one.scenario) if live else (),
        warnings=_warnings(trials, live, seen, now, standing),
        said=[line.text for line in live.said] if live else (),
        resumed=bool(live and live.resumed),
        followed=live is not None,
    )


def _rounds_of(trial: Mapping[str, Any], by_name: Mapping[str, TrialFacts]) -> int:
    """How many a trial is to have; where the plan does not tell, as many as its trial.json says."""
    if trial["rounds"] is not None:
        return int(trial["rounds"])
    return by_name[trial["name"]].rounds if trial["name"] in by_name else 0


def _standing(
    planned: Sequence[Mapping[str, Any]], done: Sequence[TrialFacts], live: Live | None, *, controlled: bool
) -> Standing:
    whole = bool(planned) and len(done) == len(planned)
    if not controlled:
        return "finished" if whole else "gone"
    if not planned or live is None:
        return "starting"
    if live.ended:
        return "reporting"
    return "waiting" if live.waits_until is not None else "running"


def _is_done(seen: TrialNow, by_name: Mapping[str, TrialFacts]) -> bool:
    return seen.name in by_name and by_name[seen.name].state == "done"


def _stragglers_first(clients: Sequence[ClientNow]) -> list[ClientNow]:
    """Those whose message has come least far, the longest there first; names count where both are the same."""
    from testbed.watch.server_view import PHASES

    order = {phase: place for place, phase in enumerate(PHASES)}
    return sorted(clients, key=lambda one: (order[one.phase], one.since or 0.0, len(one.node), one.node))


def _remaining(
    planned: Sequence[Mapping[str, Any]], by_name: Mapping[str, TrialFacts], live: Live | None, now: float
) -> tuple[float | None, str]:
    """Seconds to the plan's end, and what that rests on; None: nothing is known of how long trials take."""
    if live is None or not live.plan:
        return None, ""
    expected = {one.name: one for one in live.plan}
    took: dict[str, list[float]] = {}
    pairs: list[tuple[float, float]] = []
    for one in by_name.values():
        if one.state == "done" and one.outcome == "ok" and one.wall_s and one.name in expected:
            took.setdefault(scenario_of(one.name), []).append(one.wall_s)
            pairs.append((one.wall_s, expected[one.name].estimate_s))
    ratio = sum(wall for wall, _ in pairs) / sum(estimate for _, estimate in pairs) if pairs else 1.0
    end = now
    for place, trial in enumerate(planned):
        name = trial["name"]
        own = by_name.get(name)
        if (own and own.state == "done") or name not in expected:
            continue
        like = took.get(scenario_of(name))
        whole_s = statistics.fmean(like) if like else ratio * expected[name].estimate_s
        if live.trial and live.trial.name == name and live.trial.state and own and own.begun:
            end += max(whole_s - (now - datetime.fromisoformat(own.begun).timestamp()), 0.0)
            continue
        first_of_block = place == 0 or planned[place - 1]["block"] != trial["block"]
        end += expected[name].pause_s
        if trial.get("earliest") and first_of_block:
            end = live.waits_until if live.waits_until and end <= live.waits_until else _next(trial["earliest"], end)
        end += whole_s
    words = f"by {len(pairs)} trial{'' if len(pairs) == 1 else 's'}" if pairs else "a rough bound"
    return end - now, words


def _next(hour: str, after: float) -> float:
    """The next such time of day, on the local clock of who looks."""
    moment = datetime.fromtimestamp(after).astimezone()
    at = moment.replace(hour=int(hour[:2]), minute=int(hour[3:5]), second=0, microsecond=0)
    return (at if at >= moment else at + timedelta(days=1)).timestamp()


def _warnings(
    trials: Sequence[TrialFacts], live: Live | None, seen: TrialNow | None, now: float, standing: Standing
) -> list[str]:
    """The most urgent first: what is wrong now, then trials, the newest first."""
    found: list[str] = []
    if live is not None and standing not in {"finished", "gone"} and now - live.written > QUIET_S:
        found.append(f"the controller has written nothing for {now - live.written:.0f} s: its disk may be full")
    if live is not None and seen is not None:
        away = [one.node for one in live.clients if one.heard is not None and now - one.heard > SILENT_S]
        if away and seen.state == "running":
            found.append(f"hosts away: nothing heard for {SILENT_S:.0f} s of {', '.join(away)}")
        if seen.errors:
            found.append(f"{seen.errors} of {seen.sent} replies of round {seen.round} are errors")
    if standing == "gone":
        found += [f"{one.name}: left while {one.state}" for one in trials if one.state not in {"", "planned", "done"}]
    for one in reversed(trials):
        if one.attempt_of:
            found.append(f"{one.name}: invalid, repeated: {one.reason}")
        elif one.state == "done" and one.outcome == "invalid":
            found.append(f"{one.name}: invalid: {one.reason}")
        elif one.state == "fetching" and one.reason and not (seen and seen.name == one.name):
            found.append(f"{one.name}: {one.reason}")
    if live is not None and seen is not None:
        found += live.faults
    return found
