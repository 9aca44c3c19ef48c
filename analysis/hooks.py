"""Which hooks did not take hold, in which processes: by their records, and by their absence.

Every hooked module is imported with its process's entry point. Where a process that ended in order has no record of
one, that module's name is gone from Flower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from analysis.load import Records, SegmentRecords
from analysis.model import MissingHook
from instrument.flower.names import PLACES
from instrument.records import Hook

NEVER_IMPORTED = "never imported"


def missing_hooks(records: Records) -> list[MissingHook]:
    """One for each host, role, module and reason, with the number of processes that it is true of."""
    found = Counter(
        (segment.header.host, segment.header.role, name, reason)
        for segment in records.segments
        for name, reason in _missing(segment)
    )
    return [
        MissingHook(host=host, role=role, name=name, reason=reason, processes=processes)
        for (host, role, name, reason), processes in sorted(found.items())
    ]


def _missing(segment: SegmentRecords) -> Iterator[tuple[str, str]]:
    told = {hook.name: hook for hook in segment.of(Hook)}
    for name in PLACES.get(segment.header.role, {}):
        hook = told.get(name)
        if hook is None and not segment.cut:
            yield name, NEVER_IMPORTED
        elif hook is not None and not hook.found:
            yield name, hook.error or "no reason"
