"""Is a trial valid? Its records held against the campaign's limits; every reason has its number and the limit. Pure.

What the records of a trial do not hold is not judged: a campaign without the collector `other_programs` says nothing
of other load. Reasons from outside the records (a host that went away, a step that took too long) are the runner's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_

from analysis.faults import killed_by_faults
from analysis.formats import count, duration, listed, percent
from analysis.load import Records
from analysis.samples import natural
from analysis.timeline import TimelineError, axis_of
from instrument.records import Capture, Sample
from testbed.paths import NodePath, Payload
from testbed.paths import reason as way_of_bytes
from testbed.validity import Invalid
from testbed.validity_limits import ValidityLimits

SHORTEST_S = 2.0  # of samples: processor time is counted in ticks of 10 ms
THROTTLED_NOW, SINCE_START = 0xF, 0xF0000
FLAGS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")  # bits 0 to 3, and 16 to 19
MACHINE = "this machine"
SERVER_ROLES = ("flower-superlink", "flwr-serverapp")
NODE_ROLES = ("flower-supernode", "flwr-clientapp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a trial is judged by: its records, its hosts, the ways of its bytes, and the limits.

    `machine` are samples of the machine that all hosts of an emulated testbed share.
    """

    records: Records
    server: str
    nodes: Sequence[str]
    ways: Sequence[NodePath]
    payloads: Mapping[str, Payload]
    limits: ValidityLimits
    machine: Sequence[Sample] = ()


def conditions(trial: Judged) -> list[Invalid]:
    """What was wrong with the machines and networks, whether the trial came to its end or not."""
    rules = (another_interface, version_mismatch, throttled, other_load)
    return [found for rule in rules for found in rule(trial)]


def wholeness(trial: Judged) -> list[Invalid]:
    """What a trial that came to its end lacks; of one that did not these are consequences and no reasons."""
    rules = (records_missing, capture_dropped, clock_error)
    return [found for rule in rules for found in rule(trial)]


def another_interface(trial: Judged) -> Iterator[Invalid]:
    """Bytes of a node went by a network that is not the trial's."""
    words = way_of_bytes(trial.ways, trial.payloads)
    if words:
        yield Invalid("another interface", words)


def version_mismatch(trial: Judged) -> Iterator[Invalid]:
    """Hosts with different versions of what must be the same, by what every process said of itself."""
    for name in trial.limits.same_versions:
        hosts: dict[str, set[str]] = defaultdict(set)
        for segment in trial.records.segments:
            if name in segment.header.versions:
                hosts[segment.header.versions[name]].add(segment.header.host)
        if len(hosts) > 1:
            parts = [f"{version} on {listed(_sorted(of))}" for version, of in sorted(hosts.items())]
            yield Invalid("version mismatch", f"{name} is {', '.join(parts)} ({len(hosts)} versions, allowed: 1)")
    others = [file for file in trial.records.unreadable if file.other_schema]
    if others:
        where = listed(_sorted({file.host or "an unknown host" for file in others}))
        yield Invalid(
            "version mismatch",
            f"another fedprobe wrote {count(len(others), 'file')} (allowed: 0) of {where}: {others[0].reason}",
        )


def throttled(trial: Judged) -> Iterator[Invalid]:
    """A host whose processor was slowed down by heat or undervoltage, in more readings than allowed."""
    for host, samples in _samples(trial, "throttling").items():
        flags = _new_flags(samples)
        rises = _rises([one.values["system_cpu_throttle_events"] for one in samples if _counts_events(one)])
        slowed = sum(map(bool, flags)) + len(rises)
        if slowed > trial.limits.throttled_samples:
            met = reduce(or_, flags, 0)
            words = [name for bit, name in enumerate(FLAGS) if met >> bit & 1]
            words += [f"{count(int(sum(rises)), 'thermal event')} of its processors"] if rises else []
            temperatures = [one.values["system_temperature_celsius"] for one in samples if _has_temperature(one)]
            at_most = f", {max(temperatures):.0f} °C at most" if temperatures else ""
            yield Invalid(
                "throttled",
                f"{host} was slowed down: {listed(words)}, in {slowed} of {len(samples)} readings "
                f"(allowed: {trial.limits.throttled_samples}){at_most}",
            )


def _new_flags(samples: Sequence[Sample]) -> list[int]:
    """For each reading of a Pi's flags bits 0 to 3: what slows it now, or did since the reading before."""
    read = [int(one.values["system_throttled_flags"]) for one in samples if "system_throttled_flags" in one.values]
    before = [read[0], *read[:-1]] if read else []
    return [
        flags & THROTTLED_NOW | (flags & ~earlier & SINCE_START) >> 16
        for earlier, flags in zip(before, read, strict=True)
    ]


def _rises(counts: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(counts) if later > earlier]


def _counts_events(sample: Sample) -> bool:
    return "system_cpu_throttle_events" in sample.values


def _has_temperature(sample: Sample) -> bool:
    return "system_temperature_celsius" in sample.values


@dataclass(frozen=True, slots=True)
class _Load:
    """What other programs took of a host: share of all its processors over so many seconds, and the greatest."""

    host: str
    share: float
    processors: int
    length_s: float
    most: str


def other_load(trial: Judged) -> Iterator[Invalid]:
    """Programs that are not the campaign's took more of a host's processors than allowed; the worst host is told."""
    limit = trial.limits.other_load_cpu
    loads = [load for host, samples in _samples(trial, "other_programs").items() for load in _loads(host, samples)]
    over = [load for load in loads if load.share > limit]
    if over:
        worst = max(over, key=lambda load: load.share)
        others = f"; {count(len(over) - 1, 'more host')} over the limit" if len(over) > 1 else ""
        yield Invalid(
            "other load",
            f"programs that are not the campaign's took {percent(worst.share)} of the "
            f"{count(worst.processors, 'processor')} of {worst.host} over {duration(worst.length_s)} "
            f"(allowed: {percent(limit)}){worst.most}{others}",
        )


def _loads(host: str, samples: Sequence[Sample]) -> Iterator[_Load]:
    every = [one for one in samples if one.subject == "all"]
    if len(every) < 2:
        return
    first, last = every[0], every[-1]
    length_s = (last.mono_ns - first.mono_ns) / 1e9
    processors = int(last.values["system_cpu_logical_count"])
    if length_s < SHORTEST_S:
        return
    used_s = last.values["other_cpu_time_s"] - first.values["other_cpu_time_s"]
    by_program = {one.subject: one.values["other_cpu_time_s"] for one in samples if one.subject != "all"}
    most = max(by_program, key=lambda name: by_program[name], default=None)
    words = ""
    if most is not None:
        name, _, pid = most.rpartition(":")
        words = f", most of it {name} (pid {pid}): {percent(by_program[most] / length_s / processors)}"
    yield _Load(host, used_s / length_s / processors, processors, length_s, words)


def records_missing(trial: Judged) -> Iterator[Invalid]:
    """Records that were made and did not arrive, and processes of which there are none."""
    records, limits = trial.records, trial.limits
    silent = _silent(trial)
    if silent:
        yield Invalid("records missing", f"no records of {listed(silent)} ({len(silent)} missing, allowed: 0)")
    damaged = [file for file in records.unreadable if not file.other_schema]
    if damaged:
        yield Invalid(
            "records missing",
            f"{count(len(damaged), 'file')} cannot be read (allowed: 0): {damaged[0].reason.rstrip('.')}",
        )
    killed = killed_by_faults(records)
    cut = [
        f"{one.header.role} {one.header.pid} on {one.header.host}"
        for one in records.segments
        if one.cut and (one.header.host, one.header.pid) not in killed
    ]
    cut += records.empty
    if len(cut) > limits.cut_files:
        yield Invalid(
            "records missing",
            f"{count(len(cut), 'file')} without an end (allowed: {limits.cut_files}), of {listed(cut)}: a process "
            "was killed before it wrote its last records",
        )
    dropped = {
        segment.header.host: segment.end.dropped
        for segment in records.segments
        if segment.end is not None and segment.end.dropped
    }
    lost = sum(segment.end.dropped for segment in records.segments if segment.end is not None)
    if lost > limits.dropped_records:
        yield Invalid(
            "records missing",
            f"{count(lost, 'record')} dropped by a full buffer (allowed: {limits.dropped_records}) on "
            f"{listed(_sorted(dropped))}",
        )


def _silent(trial: Judged) -> list[str]:
    """Roles and hosts that every trial has and that left neither a readable file nor one that is told of."""
    told = {(one.header.host, one.header.role) for one in trial.records.segments}
    told |= {(file.host, file.role) for file in trial.records.unreadable}
    needed = [(trial.server, role) for role in SERVER_ROLES]
    needed += [(node, role) for node in trial.nodes for role in NODE_ROLES]
    return [f"{role} on {host}" for host, role in needed if (host, role) not in told]


def capture_dropped(trial: Judged) -> Iterator[Invalid]:
    """Packets that the captures of a trial lack: any of them may be the first or the last of a transfer."""
    made = [(segment.header.host, capture) for segment, capture in trial.records.of(Capture)]
    lost = [(host, capture) for host, capture in made if capture.dropped]
    dropped = sum(capture.dropped or 0 for _, capture in lost)
    if dropped > trial.limits.dropped_packets:
        kept = sum(capture.packets or 0 for _, capture in lost)
        where = listed(_sorted({f"{host} ({capture.interface})" for host, capture in lost}))
        yield Invalid(
            "capture dropped",
            f"captures lack {dropped:,} of {dropped + kept:,} packets (allowed: {trial.limits.dropped_packets:,}), "
            f"on {where}",
        )
    ended = [f"{host} ({capture.interface})" for host, capture in made if capture.packets is None]
    if ended:
        yield Invalid(
            "capture dropped", f"{count(len(ended), 'capture')} ended early (allowed: 0), on {listed(_sorted(ended))}"
        )


def clock_error(trial: Judged) -> Iterator[Invalid]:
    """Hosts whose clock is known worse than allowed on the server's axis."""
    limit_s = trial.limits.clock_error_ms / 1e3
    try:
        fits = axis_of(trial.records).fits
    except TimelineError:  # no record of the server: that is told as records missing
        return
    over = {fit.host: fit.error_s for fit in fits if fit.error_s > limit_s}
    if over:
        host = max(over, key=lambda name: over[name])
        error_s = over[host]
        known = "not known: no exchange was answered" if math.isinf(error_s) else f"known to ±{duration(error_s)}"
        others = f"; {count(len(over) - 1, 'more host')} over the limit" if len(over) > 1 else ""
        yield Invalid("clock error", f"the clock of {host} is {known} (allowed: ±{duration(limit_s)}){others}")


def _samples(trial: Judged, collector: str) -> dict[str, list[Sample]]:
    """The samples of one collector by host, in order of time, the shared machine's first."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for segment, sample in trial.records.of(Sample):
        found[segment.header.host].append(sample)
    hosts = {host: found[host] for host in _sorted(found)}
    chosen = {
        host: sorted((one for one in samples if one.collector == collector), key=lambda one: one.mono_ns)
        for host, samples in {MACHINE: trial.machine, **hosts}.items()
    }
    return {host: samples for host, samples in chosen.items() if samples}


def _sorted(hosts: Iterable[str]) -> list[str]:
    return sorted(hosts, key=natural)
