"""What provisioning changed on a host, as the host keeps it: enough to take back exactly that.

The file is WORK_FOLDER/provision.json: {"version": 1, "records": [...]}, in the order of the changes. A record is
written before its change is made, so that one which was cut off is taken back too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.errors import ProvisionError


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MadeFolder(_Record):
    """A folder that was not there. `root`: where only root may make or remove one."""

    kind: Literal["folder"] = "folder"
    path: str
    root: bool


class MadeVenv(_Record):
    """A virtual environment, in the place of a link to another one if `link` says where that led."""

    kind: Literal["venv"] = "venv"
    path: str
    link: str | None


class InstalledPackages(_Record):
    """Debian packages that came, and those that had to go for them."""

    kind: Literal["packages"] = "packages"
    installed: tuple[str, ...]
    removed: tuple[str, ...]


class WroteFile(_Record):
    """A file of root's with this SHA-256; `service` reads it and is restarted, where there is one."""

    kind: Literal["file"] = "file"
    path: str
    sha256: str
    service: str | None = None


class ChangedSetting(_Record):
    """A setting of the kernel's."""

    kind: Literal["setting"] = "setting"
    key: str
    before: str
    after: str


class EnabledService(_Record):
    """A service that did not run."""

    kind: Literal["service"] = "service"
    name: str


Record = MadeFolder | MadeVenv | InstalledPackages | WroteFile | ChangedSetting | EnabledService


class Manifest(_Record):
    """All changes of a host."""

    version: Literal[1] = 1
    records: tuple[Annotated[Record, Field(discriminator="kind")], ...] = ()

    def with_record(self, record: Record) -> Manifest:
        """With one change more. Of a thing that is changed again, what was at first stays known."""
        if record in self.records:
            return self
        for number, known in enumerate(self.records):
            if (merged := _merged(known, record)) is not None:
                return Manifest(records=(*self.records[:number], merged, *self.records[number + 1 :]))
        return Manifest(records=(*self.records, record))

    def without_last(self) -> Manifest:
        """When the last change has been taken back."""
        return Manifest(records=self.records[:-1])


def read_manifest(text: str, host: str) -> Manifest:
    """A host's manifest; empty where it has none. Raises ProvisionError."""
    if not text:
        return Manifest()
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ProvisionError(
            f"{host}: provision.json in its work folder, the record of changes, is none that this fedprobe writes. "
            "Use the version that provisioned the host, or look at the file and remove it."
        ) from error


def _merged(known: Record, fresh: Record) -> Record | None:
    """One record for two changes of the same thing; None: they are of different things."""
    match known, fresh:
        case ((MadeFolder() | MadeVenv()), (MadeFolder() | MadeVenv())):
            return known if known.kind == fresh.kind and known.path == fresh.path else None
        case WroteFile(), WroteFile():
            return fresh if known.path == fresh.path else None
        case ChangedSetting(), ChangedSetting():
            return fresh.model_copy(update={"before": known.before}) if known.key == fresh.key else None
    return None
