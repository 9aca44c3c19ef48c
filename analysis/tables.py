"""The tables of the page: headline times, ratios, definitions, stragglers, clocks, trials, and the words used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import formats, paper
from analysis.convergence import app_stop
from analysis.document import KIND_NOTES
from analysis.estimators import Estimate
from analysis.measured import Measured
from analysis.model import ClockFit, LinkRates, TrialTimes
from analysis.rows import RATIOS, TIMES, definition_words
from analysis.samples import DIRECTIONS, interface_of, interface_order, is_usable, natural
from analysis.summary import Summary, every_trial
from instrument.phases import PHASES

HEADLINES = ("uplink_active", "downlink_active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row's cells, the first of which names it; `look` is a class of the page's style."""

    cells: Sequence[str]
    look: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table, `note` above and `after` below it. `numbers` are the places of columns set flush right.

    `front` tables precede the figures.
    """

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    after: str = ""
    numbers: Sequence[int] = ()
    front: bool = False


def tables(summary: Summary) -> list[Table]:
    """Every table that has rows, in the order of the page."""
    measured = summary.measured
    made = [
        times_table(measured),
        ratios_table(measured),
        definitions_table(measured),
        stragglers_table(measured),
        clocks_table(every_trial(summary)),
        declared_table(every_trial(summary)),
        trials_table(every_trial(summary)),
        glossary_table(),
    ]
    return [table for table in made if table.rows]


def times_table(measured: Measured) -> Table:
    """Mean, interval and n of what matters, by interface, then the rounds and the physical bound."""
    names = measured.interfaces
    rows = []
    for label, phase in TIMES:
        of = [measured.phases[name].get(phase) for name in names]
        if any(of):
            look = "headline" if phase in HEADLINES else ""
            rows.append(Row(cells=[label, *_means(of)], look=look))
    rounds = [measured.rounds.get(name) for name in names]
    if any(rounds):
        rows += [
            Row(cells=["round, t_r", *_means([of.t_r if of else None for of in rounds])], look="rule"),
            Row(cells=["round, wall", *_means([of.wall if of else None for of in rounds])]),
        ]
    for place, side in enumerate(DIRECTIONS):
        spreads = [measured.over_bound.get(name, {}).get(side) for name in names]
        if any(spreads):
            cells = [formats.factor(of.mean if of else None) for of in spreads]
            rows.append(Row(cells=[f"{side}, active over its bound", *cells], look="rule" if place == 0 else ""))
    uplinks = [measured.phases[name].get("uplink") for name in names]
    counts = [
        f"{of.n if of else 0} / {made.complete if made else 0}" for of, made in zip(uplinks, rounds, strict=True)
    ]
    rows.append(Row(cells=["n, uplinks / rounds", *counts], look="rule soft"))
    return Table(
        name="times",
        title="Times by network",
        note="Seconds, mean ± half the 95 % interval. Active is the time with bytes under way, the headline "
        f"for comparing networks; whole is what a user waits for. Intervals are {measured.kind}: "
        f"{KIND_NOTES[measured.kind]}. The bound is ideal sharing of the link's declared rates.",
        head=["", *names],
        rows=rows if names else [],
        numbers=range(1, len(names) + 1),
        front=True,
    )


def ratios_table(measured: Measured) -> Table:
    """Every ratio under the name of its definition, then what physics and the paper say of the same pair."""
    pairs = list(dict.fromkeys(pair for of in measured.ratios.values() for pair in of))
    rows = []
    for label, phase in RATIOS:
        besides = measured.ratios.get(phase, {})
        if besides:
            cells = [formats.factor_with_interval(besides[pair].ratio if pair in besides else None) for pair in pairs]
            rows.append(Row(cells=[label, *cells], look="headline" if phase in HEADLINES else ""))
    for place, side in enumerate(DIRECTIONS):
        besides = measured.ratios.get(f"{side}_active", {})
        bounds = [besides[pair].bound_ratio if pair in besides else None for pair in pairs]
        if any(bounds):
            cells = [f"{side} bounds", *[formats.factor(bound) for bound in bounds]]
            rows.append(Row(cells=cells, look="rule soft" if place == 0 else "soft"))
    published = [formats.factor(paper.UPLINK_RATIOS.get(pair)) for pair in pairs]
    rows.append(Row(cells=["the paper's uplink", *published], look="soft"))
    shares = [claim for claim in paper.claims(measured) if claim.unit == "share"]
    words = "".join(
        f" {claim.claim[0].upper()}{claim.claim[1:]}: paper {formats.percent(claim.paper)}, here "
        + ", ".join(f"{formats.percent(share)} ({name})" for name, share in claim.ours.items())
        + "."
        for claim in shares
    )
    return Table(
        name="ratios",
        title="Network over network",
        note="Ratios of means with their 95 % intervals, each under its definition; below them what the physical "
        "bounds of the same transfers predict, and what the paper reports.",
        after=f"The paper is {paper.SOURCE}. {paper.CAVEAT}{words}",
        head=["definition", *pairs],
        rows=rows if pairs else [],
        numbers=range(1, len(pairs) + 1),
        front=True,
    )


def definitions_table(measured: Measured) -> Table:
    """What each definition of the same transfers would have given."""
    names = list(measured.definitions)
    pairs = list(measured.definition_ratios)
    every = dict.fromkeys(definition for of in measured.definitions.values() for definition in of)
    rows = [
        Row(
            cells=[
                definition_words(definition),
                *[_mean(measured.definitions[name].get(definition)) for name in names],
                *[formats.factor(_ratio_of(measured, pair, definition)) for pair in pairs],
            ],
            look="headline" if definition in HEADLINES else "",
        )
        for side in DIRECTIONS
        for definition in every
        if definition.startswith(side) and definition != f"{side}_two_ended_whole"
    ]
    return Table(
        name="definitions",
        title="The same run by other definitions",
        note="Mean seconds, and the ratios that each definition gives. The transfers are the same; only where the "
        "clock is read differs. A ratio without its definition means nothing.",
        head=["definition", *[f"{name}, s" for name in names], *pairs],
        rows=rows,
        numbers=range(1, 1 + len(names) + len(pairs)),
    )


def stragglers_table(measured: Measured) -> Table:
    """Who was waited for, and by how much the slowest exceeds the median client."""
    rows = []
    for name, of in measured.stragglers.items():
        node, share = of.most
        counts = ", ".join(f"{key} {number}" for key, number in of.counts.items())
        cells = [name, node, formats.percent(share), formats.factor(of.stretch), counts]
        rows.append(Row(cells=cells))
    return Table(
        name="stragglers",
        title="Stragglers",
        note="The straggler of a round is the client whose reply reaches the server last.",
        head=["network", "most often", "share of rounds", "slowest over median client", "rounds by client"],
        rows=rows,
        numbers=(2, 3),
    )


def clocks_table(trials: Sequence[TrialTimes]) -> Table:
    """How each host's clock was mapped onto the server's, and how wrong that may be: its worst trial."""
    by_host: dict[str, list[ClockFit]] = defaultdict(list)
    for trial in trials:
        for clock in trial.clocks:
            by_host[clock.host].append(clock)
    rows = [
        Row(
            cells=[
                host,
                formats.listed(sorted({clock.source for clock in clocks})),
                f"{len(clocks)}",
                f"{min(clock.exchanges for clock in clocks)}",
                f"{max((clock.drift_ppm for clock in clocks), key=abs):.2f}",
                formats.duration(max(clock.error_s for clock in clocks)),
            ]
        )
        for host, clocks in sorted(by_host.items(), key=lambda item: natural(item[0]))
    ]
    return Table(
        name="clocks",
        title="Clocks",
        note="Every host's clock was mapped onto the server's monotonic clock, trial by trial. The largest error of "
        "its trials bounds every two-ended time of that host; offsets are in summary.json.",
        head=["host", "source", "trials", "exchanges a trial, least", "drift at most, ppm", "error at most"],
        rows=rows,
        numbers=(2, 3, 4, 5),
    )


def declared_table(trials: Sequence[TrialTimes]) -> Table:
    """The rates that each network was declared to have, and in how many trials."""
    found: dict[tuple[str, LinkRates], int] = defaultdict(int)
    for trial in trials:
        if trial.facts.link is not None:
            found[interface_of(trial), trial.facts.link] += 1
    rows = [
        Row(
            cells=[
                name,
                formats.bit_rate(link.client_up_bit_per_s),
                formats.bit_rate(link.client_down_bit_per_s),
                formats.bit_rate(link.cell_up_bit_per_s),
                formats.bit_rate(link.cell_down_bit_per_s) + (" both ways together" if link.half_duplex else ""),
                f"{number}",
            ]
        )
        for (name, link), number in sorted(found.items(), key=lambda item: interface_order(item[0][0]))
    ]
    return Table(
        name="declared",
        title="The links as declared",
        note="Rates on the wire, of each client and of the cell that its clients share. Bounds are made of them.",
        head=["network", "client, up", "client, down", "cell, up", "cell, down", "trials"],
        rows=rows,
        numbers=(1, 2, 3, 4, 5),
    )


def trials_table(trials: Sequence[TrialTimes]) -> Table:
    """Every trial that was given, with its checks, whether compared or not."""
    rows = [Row(cells=_trial_cells(trial), look="" if is_usable(trial) else "soft") for trial in trials]
    return Table(
        name="trials",
        title="Trials",
        note="Trials that are invalid or warm-ups are shown and not compared.",
        head=["trial", "network", "outcome", "rounds", "messages", "records", "wall, s", "checks"],
        rows=rows,
        numbers=(3, 4, 5, 6),
    )


def glossary_table() -> Table:
    """The phases, in the order of a message's way, with the paper's symbols and whose clock reads them."""
    return Table(
        name="glossary",
        title="Phases",
        note="Uplink and downlink have an active part, the union over objects of the time with bytes under way, and "
        "a stall, the rest. t_r is the largest client's downlink + train + test + validate + uplink of a round; wall "
        "runs from the first configure to the last aggregate.",
        head=["phase", "symbol", "from → to", "clock"],
        rows=[Row(cells=[of.name, of.symbol, of.spans, of.clock]) for of in PHASES.values()],
    )


def _trial_cells(trial: TrialTimes) -> list[str]:
    facts = trial.facts
    complete, stop = sum(made.complete for made in trial.rounds), app_stop(trial)
    outcome = "warm-up" if facts.warmup else facts.outcome
    return [
        facts.name,
        interface_of(trial),
        f"{outcome}\n{facts.reason}" if facts.reason else outcome,
        f"{complete} of {facts.rounds or len(trial.rounds)}" + (f"\nstopped: {stop.reason}" if stop else ""),
        f"{len(trial.messages)}",
        f"{trial.records:,}",
        formats.seconds(sum(made.wall_s for made in trial.rounds)),
        _checks(trial),
    ]


def _checks(trial: TrialTimes) -> str:
    checks = trial.facts.checks
    failed = [str(check.get("name", "unnamed")) for check in checks if check.get("ok") is False]
    if failed:
        return f"FAILED: {formats.listed(failed)}"
    return f"{len(checks)} held" if checks else formats.NOTHING


def _means(values: Sequence[Estimate | None]) -> list[str]:
    return [formats.mean_and_half_width(value) for value in values]


def _mean(value: Estimate | None) -> str:
    return formats.seconds(None if value is None else value.mean)


def _ratio_of(measured: Measured, pair: str, definition: str) -> float | None:
    found = measured.definition_ratios[pair].get(definition)
    return None if found is None else found.ratio
