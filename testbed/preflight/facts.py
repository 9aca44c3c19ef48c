"""What `python -m collectors.facts` prints on a host, as types; null is a fact that the host cannot tell."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Folder(_Fact):
    """Room where files are made; `problem` says why none could be made there."""

    path: str
    free_bytes: int
    in_memory: bool
    problem: str | None


class Device(_Fact):
    """A network device. `rate_bit_per_s` is its link's: the cable's, or what WiFi sends at."""

    up: bool
    mtu: int
    rate_bit_per_s: int | None
    half_duplex: bool
    addresses: tuple[str, ...]
    offloads: dict[str, bool] | None


class Dial(_Fact):
    """One connection to the server: the device the kernel routes it by, and the address that the server saw."""

    device: str | None
    seen_as: str | None
    problem: str | None


class ClockOffset(_Fact):
    """How far the server's monotonic clock is ahead of the host's, and how wrong that may be."""

    server_ahead_ns: int
    bound_ns: int
    exchanges: int


class Modem(_Fact):
    """A cellular modem's state and the access technologies it uses, in ModemManager's words."""

    state: str
    technologies: tuple[str, ...]


class HostFacts(_Fact):
    """Everything that one host told."""

    versions: dict[str, str]
    mono_ns: int
    wall_ns: int
    clock: ClockOffset | None
    folders: tuple[Folder, ...]
    memory_available_bytes: int
    processors: int | None
    busy_share: float
    governors: tuple[str, ...]
    temperature_celsius: float | None
    throttled: int | None
    congestion_control: str | None
    devices: dict[str, Device | None]
    dials: dict[str, Dial]
    modem: Modem | None


class Looked(_Fact):
    """One host: its facts, or why there are none, and what would change that."""

    host: str
    facts: HostFacts | None = None
    problem: str = ""
    next_step: str = ""
