"""A run as the JSON trace events that the Perfetto UI and chrome://tracing open.

Hosts are processes, groups of lanes are threads, phases are complete events, transfers are flows (published to
downlink, uplink to stored), samples are counters. Moments are whole microseconds: Perfetto drops slices whose ends it
has to round.
Source: Trace Event Format, section "Event Descriptions" of the Chromium project.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from analysis.exports.counters import Series, counters
from analysis.exports.exported import ExportedTrial
from analysis.exports.lanes import Lanes, layers
from analysis.exports.slices import GROUPS, Instant, Slice, Together, key_of, slices
from analysis.samples import natural

MOST_COUNTER_VALUES = 200_000  # in one file: about 30 MB of text
MOST_LANES = 1000  # of one group
SERIES_A_HOST = 9  # processor use, and both directions of four interfaces
FLOWS = (("publish", "downlink"), ("uplink", "store"))
Event = dict[str, Any]
Places = dict[tuple[str, str], tuple[int, int, int]]  # pid, tid and start of the slices that arrows may touch


class TraceMaker:
    """Makes events of one trial after the other; hosts keep their processes and lanes through a file.

    `written` counts events by what they are; `thinned` names the counters whose values are means of several readings.
    """

    def __init__(self, trials: int) -> None:
        self._trials = max(1, trials)
        self._pids: dict[str, int] = {}
        self._servers: set[str] = set()
        self._lanes: dict[tuple[str, str], Lanes[Slice]] = {}
        self._tids: dict[tuple[str, str, int], int] = {}
        self._flows = 0
        self.written: Counter[str] = Counter()
        self.thinned: dict[str, int] = {}

    def events(self, trial: ExportedTrial) -> Iterator[Event]:
        """The events of one trial."""
        self._servers.add(trial.server)
        hosts = [trial.server, *sorted(trial.times.facts.nodes, key=natural)]
        for host in hosts:
            self._pid(host)
        places: Places = {}
        for drawn in sorted(slices(trial), key=_start):
            yield from self._instant(drawn) if isinstance(drawn, Instant) else self._together(drawn, places)
        yield from self._arrows(trial, places)
        most = max(10, MOST_COUNTER_VALUES // (self._trials * len(hosts) * SERIES_A_HOST))
        for series in counters(trial, most):
            yield from self._counter(trial, series)

    def names(self) -> Iterator[Event]:
        """What processes and threads are called and in which order they stand: the last events of a file."""
        order = sorted(self._pids, key=lambda host: (host not in self._servers, natural(host)))
        for place, host in enumerate(order):
            pid = self._pids[host]
            yield _named("process_name", pid, 0, {"name": host})
            yield _named("process_sort_index", pid, 0, {"sort_index": place})
        for (host, group, lane), tid in self._tids.items():
            pid = self._pids[host]
            yield _named("thread_name", pid, tid, {"name": group if lane == 0 else f"{group} ({lane + 1})"})
            yield _named("thread_sort_index", pid, tid, {"sort_index": GROUPS.index(group) * 1000 + lane})

    def _pid(self, host: str) -> int:
        return self._pids.setdefault(host, len(self._pids) + 1)

    def _tid(self, host: str, group: str, lane: int) -> int:
        """A number that no other thread has, in the order in which lanes are to stand: viewers sort by it."""
        number = (self._pid(host) * len(GROUPS) + GROUPS.index(group)) * MOST_LANES + lane
        return self._tids.setdefault((host, group, lane), number)

    def _together(self, drawn: Together, places: Places) -> Iterator[Event]:
        lanes = self._lanes.setdefault((drawn.host, drawn.group), Lanes())
        for layer in layers(drawn.slices):
            pid, tid = self._pid(drawn.host), self._tid(drawn.host, drawn.group, lanes.place(layer))
            for one in layer:
                yield self._slice(pid, tid, one)
                for start, end in one.inner:
                    yield self._slice(pid, tid, replace(one, name="active", start=start, end=end, about={}))
                if one.key is not None and one.end > one.start:
                    places[one.key] = (pid, tid, one.start)

    def _slice(self, pid: int, tid: int, one: Slice) -> Event:
        self.written["slices"] += 1
        where = {"pid": pid, "tid": tid, "ts": one.start, "dur": one.end - one.start}
        made = {"ph": "X", "name": one.name, "cat": one.category, **where}
        return {**made, "args": dict(one.about)} if one.about else made

    def _instant(self, drawn: Instant) -> Iterator[Event]:
        self.written["slices"] += 1  # Perfetto counts them as slices without a length
        tid = self._tid(drawn.host, drawn.group, 0)
        about = dict(drawn.about)
        yield {
            "ph": "i",
            "s": "t",
            "name": drawn.name,
            "cat": "fault",
            "pid": self._pid(drawn.host),
            "tid": tid,
            "ts": drawn.at,
            "args": about,
        }

    def _arrows(self, trial: ExportedTrial, places: Places) -> Iterator[Event]:
        """An arrow for each transfer both of whose ends are drawn."""
        for message in trial.times.messages:
            for source, target in FLOWS:
                keys = key_of(message, source), key_of(message, target)
                begin, end = (None if key is None else places.get(key) for key in keys)
                if begin is None or end is None:
                    continue
                self._flows += 1
                self.written["flows"] += 1
                name = "downlink" if source == "publish" else "uplink"
                yield _arrow("s", begin, name, self._flows)
                yield {**_arrow("f", end, name, self._flows), "bp": "e"}

    def _counter(self, trial: ExportedTrial, series: Series) -> Iterator[Event]:
        if series.merged > 1:
            self.thinned[f"{trial.name} {series.host} {series.name}"] = series.merged
        for at, value in series.points:
            self.written["counters"] += 1
            yield {"ph": "C", "name": series.name, "pid": self._pid(series.host), "ts": at, "args": {"value": value}}


def _start(drawn: Together | Instant) -> int:
    return drawn.at if isinstance(drawn, Instant) else min((one.start for one in drawn.slices), default=0)


def _arrow(kind: str, place: tuple[int, int, int], name: str, number: int) -> Event:
    pid, tid, at = place
    return {"ph": kind, "id": number, "name": name, "cat": "transfer", "pid": pid, "tid": tid, "ts": at}


def _named(what: str, pid: int, tid: int, args: Event) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args}
