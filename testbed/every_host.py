"""Does a thing on every host, several at once: a host that fails, or never answers, holds up none of the others.

    outcomes = on_every_host(inventory.hosts, prepare)
    facts = outcomes.required()

A host that hangs is bounded by the time limits of what is done there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from testbed.errors import FedprobeError, HostsFailedError

AT_ONCE = 16


class Named(Protocol):
    """A host, or another thing that messages call by a name."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...


H = TypeVar("H", bound=Named)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[T]):
    """What came of it, by host, both in the order of the hosts."""

    results: Mapping[str, T]
    errors: Mapping[str, Exception]

    def required(self) -> Mapping[str, T]:
        """The results of all hosts. Raises HostsFailedError, with a line for each host that failed."""
        if not self.errors:
            return self.results
        if len(self.errors) == 1 and not self.results:
            raise next(iter(self.errors.values()))
        count = len(self.errors) + len(self.results)
        lines = [_line(name, error) for name, error in self.errors.items()]
        raise HostsFailedError("\n  ".join([f"{len(lines)} of {count} hosts failed:", *lines]))


def on_every_host(hosts: Sequence[H], action: Callable[[H], T], *, at_once: int = AT_ONCE) -> Outcomes[T]:
    """Call `action` with every host, each on a thread, at most `at_once` at a time, and return when all have ended.

    A host's FedprobeError or OSError is its outcome; another exception is a mistake in the program and is raised,
    when those that have begun have ended.
    """
    results: dict[str, T] = {}
    errors: dict[str, Exception] = {}
    with ThreadPoolExecutor(max(1, min(at_once, len(hosts)))) as pool:
        futures = [pool.submit(action, host) for host in hosts]
        try:
            for host, future in zip(hosts, futures, strict=True):
                _note(host.name, future, results, errors)
        except BaseException:  # such as Ctrl-C: those that have not begun need not
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Outcomes(results, errors)


def _note(name: str, future: Future[T], results: dict[str, T], errors: dict[str, Exception]) -> None:
    try:
        results[name] = future.result()
    except (FedprobeError, OSError) as error:
        errors[name] = error


def _line(name: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.startswith(f"{name}:") else f"{name}: {text}"
