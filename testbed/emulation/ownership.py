"""Whose testbed is it, and may it go?

Each testbed has a state folder with `owner.json`, and a link to it in /run/fedprobe, where every clone and every
user on the machine finds it. The folder /run/fedprobe is also the lock, and is gone when the last testbed is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from testbed.emulation import processes
from testbed.errors import OwnershipError

REGISTRY = Path("/run/fedprobe")
STATE_VARIABLE = "FEDPROBE_STATE"
_DEFAULT_STATE = Path("/var/lib/fedprobe")
_OWNER_FILE = "owner.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who made a testbed."""

    testbed_id: str
    pid: int
    start_ticks: int  # of that pid, since the pid alone may be another process by now
    boot_id: str
    prefix: str  # the clone or installation that made it
    command: tuple[str, ...]
    created_utc: str
    held: bool  # made by hand, to outlive its process
    complete: bool  # False while it is being built


@dataclass(frozen=True, slots=True)
class Claim:
    """A testbed in the registry. No owner: the claim itself was cut short."""

    testbed_id: str
    folder: Path
    owner: Owner | None


def this_prefix() -> str:
    """The clone or installation that this code is from."""
    return str(Path(__file__).resolve().parents[2])


def testbeds_folder() -> Path:
    """Where state folders are: below $FEDPROBE_STATE, or /var/lib/fedprobe."""
    return Path(os.environ.get(STATE_VARIABLE) or _DEFAULT_STATE).absolute() / "testbeds"


def new_owner(*, held: bool) -> Owner:
    """This process as the owner of a testbed with a new id."""
    pid = os.getpid()
    return Owner(
        testbed_id=secrets.token_hex(3),
        pid=pid,
        start_ticks=processes.start_ticks(pid) or 0,
        boot_id=processes.boot_id(),
        prefix=this_prefix(),
        command=tuple(sys.argv),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        held=held,
        complete=False,
    )


def lives(owner: Owner) -> bool:
    """Whether the process that made it still runs."""
    return owner.boot_id == processes.boot_id() and processes.start_ticks(owner.pid) == owner.start_ticks


def is_abandoned(owner: Owner | None, *, alive: bool, same_boot: bool) -> bool:
    """Whether nobody can want the testbed any more. Pure."""
    if owner is None or not same_boot:
        return True
    return not alive and not (owner.held and owner.complete)


def is_replaced(owner: Owner, *, by: Owner) -> bool:
    """Whether a new testbed takes the place of this one: a held one that of the same clone. Pure."""
    return owner.held and owner.complete and by.held and owner.prefix == by.prefix


def refusal(owner: Owner | None, *, alive: bool, pid: int) -> str | None:
    """Why a testbed may not be taken down by hand; None: it may. Pure."""
    if owner is None or not alive or owner.pid == pid or (owner.held and owner.complete):
        return None
    return (
        f"testbed {owner.testbed_id} is in use by process {owner.pid} ({' '.join(owner.command)}, "
        f"of {owner.prefix}). "
        f"Wait for it, or end it first: kill {owner.pid}"
    )


def abandoned(owner: Owner | None) -> bool:
    """`is_abandoned`, asked of this machine."""
    same_boot = owner is not None and owner.boot_id == processes.boot_id()
    return is_abandoned(owner, alive=owner is not None and lives(owner), same_boot=same_boot)


def require_removable(owner: Owner | None) -> None:
    """`refusal`, asked of this machine. Raises OwnershipError."""
    alive = owner is not None and lives(owner)
    if reason := refusal(owner, alive=alive, pid=os.getpid()):
        raise OwnershipError(reason)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Nobody else on this machine claims or removes a testbed meanwhile."""
    descriptor = _lock()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            REGISTRY.rmdir()  # only when it is empty; those who wait for it notice
        os.close(descriptor)


def _lock() -> int:
    while True:
        try:
            REGISTRY.mkdir(mode=0o755, exist_ok=True)
            descriptor = os.open(REGISTRY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except PermissionError as error:
            raise OwnershipError(f"{REGISTRY} belongs to root. Run it with sudo.") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), REGISTRY.stat()):
                return descriptor
        os.close(descriptor)


def claim(owner: Owner) -> Path:
    """Make the testbed's state folder and register it; the caller holds the lock."""
    folder = testbeds_folder() / owner.testbed_id
    (REGISTRY / owner.testbed_id).symlink_to(folder)
    folder.mkdir(parents=True, mode=0o755)
    write_owner(folder, owner)
    return folder


def release(testbed_id: str, folder: Path) -> None:
    """Forget a testbed whose folder is gone; the caller holds the lock."""
    (REGISTRY / testbed_id).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
        if folder.parent.parent == _DEFAULT_STATE:
            _DEFAULT_STATE.rmdir()


def complete(folder: Path, owner: Owner) -> None:
    """Mark a testbed as built."""
    write_owner(folder, replace(owner, complete=True))


def write_owner(folder: Path, owner: Owner) -> None:
    """Replace owner.json at once."""
    fresh = folder / f"{_OWNER_FILE}.new"
    fresh.write_text(json.dumps(asdict(owner), indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / _OWNER_FILE)


def read_owner(folder: Path) -> Owner | None:
    """The owner in a state folder; None where the claim was cut short."""
    try:
        found = json.loads((folder / _OWNER_FILE).read_text(encoding="utf-8"))
        return Owner(**{**found, "command": tuple(found["command"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_hidden(folder: Path) -> bool:
    """Whether a state folder is closed to this user, who then cannot tell whose it is."""
    try:
        (folder / _OWNER_FILE).stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def claims() -> list[Claim]:
    """Every testbed on this machine, and what an earlier boot left below this user's state folder."""
    registered = {link.name: link.readlink() for link in _entries(REGISTRY) if link.is_symlink()}
    left = {folder.name: folder for folder in _entries(testbeds_folder()) if (folder / _OWNER_FILE).is_file()}
    folders = {**left, **registered}
    return [Claim(name, folder, read_owner(folder)) for name, folder in sorted(folders.items())]


def _entries(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []
