"""Link profiles: what a link can carry, how late it delivers, what it loses, and where each number is from.

A file has a section for each network. `extends = "NAME"` at its top takes the sections of a shipped file that it does
not have itself; `like = "NETWORK"` in a section takes every number of that network that the section does not give; a
[NETWORK.cell] stands for the rates that follow from it (`testbed.emulation.radio`).
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.emulation.addresses import NETWORKS, is_network_name
from testbed.emulation.radio import CellProfile, impossible, rate_bit_per_s
from testbed.errors import ProfileError
from testbed.toml_text import toml_text

_FOLDER = Path(__file__).parent.parent
_PREFIX = "profiles-"
DEFAULT = "default"
BUILT_IN = _FOLDER / "profiles.toml"
DIRECTIONS = ("downlink", "uplink")
_EXTENDS, _LIKE, _CELL = "extends", "like", "cell"

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
    """One network. A half-duplex capacity is shared by all clients and both directions; None: there is none.

    `cell` is what the rates were derived from; None: they stand in the file themselves.
    """

    network: str
    half_duplex_capacity_bit_per_s: int | None
    downlink: DirectionProfile
    uplink: DirectionProfile
    origins: Mapping[str, str]  # key of the file, e.g. "uplink.delay_ns" -> source or "assumption…"
    cell: CellProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """The links of a profile file, and a text that says all of them, so that a run can keep it."""

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
_WHOLE = _Rule("a whole number, 1 or more", lambda value: value >= 1 and value == int(value))
_ANY_WHOLE = _Rule("a whole number, 0 or more", lambda value: value >= 0 and value == int(value))
_SHARE = _Rule("a share above 0, at most 1", lambda value: 0 < value <= 1)

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
_CELL_RULES = {
    "bandwidth_mhz": _WHOLE,
    "subcarrier_spacing_khz": _WHOLE,
    "period_symbols": _WHOLE,
    "guard_symbols": _ANY_WHOLE,
    "uplink_symbols": _WHOLE,
    "downlink_layers": _WHOLE,
    "uplink_layers": _WHOLE,
    "downlink_bits": _WHOLE,
    "uplink_bits": _WHOLE,
    "downlink_efficiency": _SHARE,
    "uplink_efficiency": _SHARE,
}


def shipped_names() -> list[str]:
    """The names of the profile files that come with fedprobe."""
    return [DEFAULT, *sorted(path.stem.removeprefix(_PREFIX) for path in _FOLDER.glob(f"{_PREFIX}*.toml"))]


def chosen_profiles(asked: str, folder: Path) -> Profiles:
    """The shipped profiles of that name, or those of a file, whose path is relative to `folder`.

    What ends in .toml or holds a slash is a file. Raises ProfileError.
    """
    if asked.endswith(".toml") or "/" in asked:
        return load_profiles(folder / Path(asked).expanduser())
    return load_profiles(_shipped(asked, f"profiles = {asked!r}"))


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
    written = _toml(text, source)
    sections = _sections(written, source)
    if not sections:
        raise ProfileError(f"{source}: describes no network. Add a section, e.g. [5g.uplink].")
    whole = sections if _is_short(written) else None
    return Profiles(
        links={name: _link(_Section(source, name, table)) for name, table in sections.items()},
        source=source,
        text=toml_text(whole) if whole is not None else text,
    )


def _toml(text: str, source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{source}: not TOML: {error}. Correct that line.") from error


def _is_short(written: Mapping[str, Any]) -> bool:
    return _EXTENDS in written or any(isinstance(one, dict) and _LIKE in one for one in written.values())


def _sections(written: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """The sections of a file with everything that they take from elsewhere."""
    found: dict[str, Any] = {}
    if (base := written.get(_EXTENDS)) is not None:
        shipped = _shipped(str(base), f"{source}: extends = {base!r}")
        found = _sections(_toml(shipped.read_text(encoding="utf-8"), shipped), shipped)
    for name, table in written.items():
        if name != _EXTENDS:
            _require_network_name(name, source)
            found[name] = _with_model(name, table, found, source)
    return found


def _with_model(name: str, table: Any, found: Mapping[str, Any], source: Path) -> Any:
    if not isinstance(table, dict) or _LIKE not in table:
        return table
    model = table[_LIKE]
    if model not in found:
        raise ProfileError(
            f"{source}: {name}.like = {model!r}: no section of that name before it (there are: "
            f"{', '.join(found) or 'none'}). Name one of these, or move it up."
        )
    return _laid_over(found[model], {key: value for key, value in table.items() if key != _LIKE})


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above`, with what only `below` has; a number goes with its origin."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict) and "value" not in value
        merged[key] = _laid_over(old, value) if both and isinstance(old, dict) else value
    return merged


def _shipped(name: str, place: str) -> Path:
    names = shipped_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}; a file's name ends in .toml."
        raise ProfileError(f"{place}: no profiles of that name are shipped. {hint}")
    return BUILT_IN if name == DEFAULT else _FOLDER / f"{_PREFIX}{name}.toml"


def _require_network_name(name: str, source: Path) -> None:
    if not is_network_name(name):
        _refuse_unknown(source, "", {name: None}, NETWORKS, "A further network is one of these with -SUFFIX.")


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

    def with_derived(self, values: Mapping[str, int], origin: str) -> _Section:
        """This section with numbers that follow from others, where it has not its own."""
        derived = {key: {"value": value, "origin": origin} for key, value in values.items()}
        return _Section(self.source, self.place, {**derived, **self.table})

    def numbers(self, rules: Mapping[str, _Rule], besides: Iterable[str] = ()) -> dict[str, Number | None]:
        _refuse_unknown(self.source, self.place, self.table, (*rules, *besides))
        return {key: self._number(key, rule) for key, rule in rules.items()}

    def origins(self, rules: Mapping[str, _Rule]) -> dict[str, str]:
        return {key: self._origin(key) for key in rules if key in self.table}

    def refuse(self, finding: str) -> ProfileError:
        """The error for numbers that are each possible and not together."""
        return ProfileError(f"{self.source}: {self.place}: {finding}. Correct the file.")

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
    own = section.numbers(_LINK_RULES, besides=(*DIRECTIONS, _CELL))
    parts = {name: section.section(name) for name in DIRECTIONS}
    origins = section.origins(_LINK_RULES)
    cell = None
    if _CELL in section.table:
        cell = _cell(section.section(_CELL))
        origins |= {f"{_CELL}.{key}": one for key, one in section.section(_CELL).origins(_CELL_RULES).items()}
        parts = {name: _with_rates(part, cell, name) for name, part in parts.items()}
    for name, part in parts.items():
        origins |= {f"{name}.{key}": origin for key, origin in part.origins(_DIRECTION_RULES).items()}
    capacity = own["half_duplex_capacity_bit_per_s"]
    return LinkProfile(
        network=section.place,
        half_duplex_capacity_bit_per_s=None if capacity is None else int(capacity),
        downlink=_direction(parts["downlink"]),
        uplink=_direction(parts["uplink"]),
        origins=origins,
        cell=cell,
    )


def _cell(section: _Section) -> CellProfile:
    found = {key: value for key, value in section.numbers(_CELL_RULES).items() if value is not None}
    efficiencies = {f"{name}_efficiency": float(found.pop(f"{name}_efficiency")) for name in DIRECTIONS}
    cell = CellProfile(
        downlink_efficiency=efficiencies["downlink_efficiency"],
        uplink_efficiency=efficiencies["uplink_efficiency"],
        **{key: int(value) for key, value in found.items()},
    )
    if (finding := impossible(cell)) is not None:
        raise section.refuse(finding)
    return cell


def _with_rates(part: _Section, cell: CellProfile, direction: str) -> _Section:
    """A direction with the rates of its cell: the capacity is the cell's, the ceiling too where none is given."""
    if "capacity_bit_per_s" in part.table:
        raise part.refuse("capacity_bit_per_s follows from the cell. Give one of the two")
    rate = rate_bit_per_s(cell, direction)
    origin = "derived from the cell: 3GPP TS 38.306, section 4.1.2, times the efficiency"
    return part.with_derived({"capacity_bit_per_s": rate, "ceil_bit_per_s": rate}, origin)


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


def _refuse_unknown(
    source: Path, place: str, table: Mapping[str, object], known: Iterable[str], besides: str = ""
) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"Expected one of {', '.join(names)}."
            raise ProfileError(
                f"{source}: unknown key {f'{place}.{key}'.lstrip('.')}. {meant}{besides and f' {besides}'}"
            )
