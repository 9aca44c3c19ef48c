"""Link profiles: what a link can carry, how late it delivers, what it loses, and where each number is from."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.emulation.addresses import NETWORKS
from testbed.errors import ProfileError

BUILT_IN = Path(__file__).parent.parent / "profiles.toml"
DIRECTIONS = ("downlink", "uplink")

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionProfile:
    """One direction of a link. Rates are of Ethernet frames, of which TCP payload is at most 1448/1514."""

    ceil_bit_per_s: int
    capacity_bit_per_s: int | None  # shared by all clients in this direction; None: nothing is shared
    delay_ns: int  # one way
    jitter_sigma_ns: int  # each packet is late by delay_ns + |N(0, jitter_sigma_ns)|
    loss_ratio: float  # 0..1
    queue_ns: int  # queue depth at the fair share
    queue_min_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """One network. A half-duplex capacity is shared by all clients and both directions; None: there is none."""

    network: str
    half_duplex_capacity_bit_per_s: int | None
    downlink: DirectionProfile
    uplink: DirectionProfile
    origins: Mapping[str, str]  # key of the file, e.g. "uplink.delay_ns" -> source or "assumption…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """The links of a profile file, and the file itself so that a run can keep it."""

    links: Mapping[str, LinkProfile]
    source: Path
    text: str


@dataclass(frozen=True, slots=True)
class _Rule:
    expected: str
    accepts: Callable[[Number], bool]
    optional: bool = False


_RATE = _Rule("a number of bit/s above 0, e.g. 20_000_000", lambda value: value > 0 and value == int(value))
_TIME = _Rule("a whole number of ns, 0 or more", lambda value: value >= 0 and value == int(value))
_COUNT = _Rule("a whole number of packets, 1 or more", lambda value: value >= 1 and value == int(value))
_RATIO = _Rule("a ratio from 0 up to, not including, 1", lambda value: 0 <= value < 1)
_OPTIONAL_RATE = _Rule(_RATE.expected, _RATE.accepts, optional=True)

_DIRECTION_RULES = {
    "ceil_bit_per_s": _RATE,
    "capacity_bit_per_s": _OPTIONAL_RATE,
    "delay_ns": _TIME,
    "jitter_sigma_ns": _TIME,
    "loss_ratio": _RATIO,
    "queue_ns": _TIME,
    "queue_min_packets": _COUNT,
}
_LINK_RULES = {"half_duplex_capacity_bit_per_s": _OPTIONAL_RATE}


def load_profiles(path: Path | None = None) -> Profiles:
    """Read a profile file, the built-in one by default. Raises ProfileError."""
    source = path or BUILT_IN
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise ProfileError(f"{source}: cannot be read: {error.strerror}. Name an existing file.") from error
    return parse_profiles(text, source)


def parse_profiles(text: str, source: Path) -> Profiles:
    """The links of a profile text; `source` is named in errors. Raises ProfileError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{source}: not TOML: {error}. Correct that line.") from error
    _refuse_unknown(source, "", document, NETWORKS)
    links = {name: _link(_Section(source, name, table)) for name, table in document.items()}
    if not links:
        raise ProfileError(f"{source}: describes no network. Add a section, e.g. [5g.uplink].")
    return Profiles(links=links, source=source, text=text)


class _Section:
    """One table of the file, with its place for errors."""

    def __init__(self, source: Path, place: str, table: object) -> None:
        if not isinstance(table, dict):
            raise ProfileError(f"{source}: {place} = {table!r}: expected a section [{place}].")
        self.source = source
        self.place = place
        self.table: dict[str, object] = table

    def section(self, key: str) -> _Section:
        if key not in self.table:
            raise ProfileError(f"{self.source}: section [{self.place}.{key}] is missing. Add it.")
        return _Section(self.source, f"{self.place}.{key}", self.table[key])

    def numbers(self, rules: Mapping[str, _Rule], besides: Iterable[str] = ()) -> dict[str, Number | None]:
        _refuse_unknown(self.source, self.place, self.table, (*rules, *besides))
        return {key: self._number(key, rule) for key, rule in rules.items()}

    def origins(self, rules: Mapping[str, _Rule]) -> dict[str, str]:
        return {key: self._origin(key) for key in rules if key in self.table}

    def _number(self, key: str, rule: _Rule) -> Number | None:
        if key not in self.table and rule.optional:
            return None
        entry = self.table.get(key)
        value = entry.get("value") if isinstance(entry, dict) else entry
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._error(key, value, rule.expected)
        if not rule.accepts(value):
            raise self._error(key, value, rule.expected)
        return value

    def _origin(self, key: str) -> str:
        entry = self.table[key]
        origin = entry.get("origin") if isinstance(entry, dict) else None
        if not isinstance(origin, str) or not origin.strip():
            raise self._error(f"{key}.origin", origin, 'where the number is from, or "assumption"')
        return origin

    def _error(self, key: str, value: object, expected: str) -> ProfileError:
        found = "is missing" if value is None else f"= {value!r}"
        return ProfileError(f"{self.source}: {self.place}.{key} {found}: expected {expected}. Correct the file.")


def _link(section: _Section) -> LinkProfile:
    own = section.numbers(_LINK_RULES, besides=DIRECTIONS)
    parts = {name: section.section(name) for name in DIRECTIONS}
    origins = section.origins(_LINK_RULES)
    for name, part in parts.items():
        origins |= {f"{name}.{key}": origin for key, origin in part.origins(_DIRECTION_RULES).items()}
    capacity = own["half_duplex_capacity_bit_per_s"]
    return LinkProfile(
        network=section.place,
        half_duplex_capacity_bit_per_s=None if capacity is None else int(capacity),
        downlink=_direction(parts["downlink"]),
        uplink=_direction(parts["uplink"]),
        origins=origins,
    )


def _direction(section: _Section) -> DirectionProfile:
    found = section.numbers(_DIRECTION_RULES)
    capacity = found.pop("capacity_bit_per_s")
    loss_ratio = found.pop("loss_ratio")
    whole = {key: int(value) for key, value in found.items() if value is not None}
    return DirectionProfile(
        capacity_bit_per_s=None if capacity is None else int(capacity),
        loss_ratio=float(loss_ratio or 0.0),
        **whole,
    )


def _refuse_unknown(source: Path, place: str, table: Mapping[str, object], known: Iterable[str]) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"Expected one of {', '.join(names)}."
            raise ProfileError(f"{source}: unknown key {f'{place}.{key}'.lstrip('.')}. {meant}")
