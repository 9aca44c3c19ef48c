"""The campaign file: what is to be measured, checked before anything is started."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from instrument.polling import Polling
from testbed.errors import UsageError
from testbed.faults.tables import NONE, FaultName, FaultStep, Steps, require_known
from testbed.inventory import NetworkName
from testbed.validation import explained

RunConfigValue = bool | int | float | str
BUNDLED_APP = "fl_app"
FLOWER_ROLES = Literal["flower-superlink", "flower-supernode", "flower-superexec", "flwr-serverapp", "flwr-clientapp"]


class CampaignError(UsageError):
    """A campaign file is missing, malformed or asks for something that cannot be."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Factors(_Strict):
    """What is varied: every combination is one cell of the design."""

    interface: tuple[NetworkName, ...] = Field(min_length=1)
    polling: tuple[Polling, ...] = Field(default=("stock",), min_length=1)
    fault: tuple[str, ...] = Field(default=(NONE,), min_length=1)

    @field_validator("interface", "polling", "fault")
    @classmethod
    def _once_each(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("names a level twice")
        return values


class Workload(_Strict):
    """The Flower app and its run configuration. `app` is "fl_app", the bundled one, or an app's folder."""

    app: str = BUNDLED_APP
    settings: dict[str, RunConfigValue] = {}


class BackgroundKeys(_Strict):
    """A sender that takes its share of a network, as one more client of it."""

    network: NetworkName
    uplink_bit_per_s: Annotated[int, Field(ge=0)] = 0
    downlink_bit_per_s: Annotated[int, Field(ge=0)] = 0


class Testbed(_Strict):
    """Where it runs: the emulated testbed, or the hosts of an inventory file.

    All but `kind` and `inventory` is the emulated testbed's: `profiles` names shipped ones or a file, `pi_cpu` is
    what each node gets of one core, `trace` has one CSV for a network, or the downlink's and the uplink's Mahimahi
    trace. Files are relative to the campaign file.
    """

    kind: Literal["emulated", "inventory"] = "emulated"
    inventory: Path | None = None
    profiles: str | None = None
    pi_cpu: Annotated[float, Field(gt=0)] | None = None
    trace: dict[NetworkName, str | tuple[str, ...]] = {}
    background: BackgroundKeys | None = None

    @property
    def emulated_only(self) -> list[str]:
        """The keys given that mean nothing on real hosts."""
        given = {
            "profiles": self.profiles,
            "pi_cpu": self.pi_cpu,
            "trace": self.trace or None,
            "background": self.background,
        }
        return [f"testbed.{key}" for key, value in given.items() if value is not None]


class Collect(_Strict):
    """What is sampled beside each trial, and how often.

    `baseline`: before the first trial every link is measured alone, `baseline_s` seconds up and as many down.
    """

    collectors: tuple[str, ...] = ("host", "process", "interfaces", "chrony")
    interval_ms: Annotated[int, Field(ge=100, le=60_000)] = 1000
    capture: bool = False
    baseline: bool = False
    baseline_s: Annotated[int, Field(ge=2, le=60)] = 5


class Limits(_Strict):
    """How long a part of a trial may take before the trial is given up, in seconds."""

    start_s: Annotated[float, Field(gt=0)] = 60.0
    round_s: Annotated[float, Field(gt=0)] = 180.0


class Campaign(_Strict):
    """A campaign. `rounds` and `clients` are also given to the app, as num-server-rounds and num-clients."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    seed: int = 0
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    clients: Annotated[int, Field(ge=1, le=250)]
    repetitions: Annotated[int, Field(ge=1, le=1000)] = 1
    factors: Factors
    workload: Workload = Workload()
    testbed: Testbed = Testbed()
    collect: Collect = Collect()
    limits: Limits = Limits()
    priorities: dict[FLOWER_ROLES, Annotated[int, Field(ge=-20, le=19)]] = {}
    fault: dict[FaultName, Steps] = {}

    @model_validator(mode="after")
    def _has_its_faults(self) -> Campaign:
        require_known(self.factors.fault, self.fault)
        return self

    def under(self, fault: str) -> Campaign:
        """This campaign with one fault, of those that the factor names."""
        return self.model_copy(update={"factors": self.factors.model_copy(update={"fault": (fault,)})})

    @property
    def fault_name(self) -> str:
        """The fault of a planned trial's campaign, which has one level of it."""
        return self.factors.fault[0]

    @property
    def fault_steps(self) -> tuple[FaultStep, ...]:
        """The steps of that fault; none where its level is "none"."""
        return self.fault.get(self.fault_name, ())

    def run_config(self) -> dict[str, RunConfigValue]:
        """What `flwr run` is given: the workload's settings, with the campaign's rounds and clients."""
        return {**self.workload.settings, "num-server-rounds": self.rounds, "num-clients": self.clients}


def read_campaign(path: Path) -> Campaign:
    """The campaign in a TOML file. Raises CampaignError, which names each wrong key and the nearest right one."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CampaignError(f"{path}: no such file. Start from examples/quickstart.toml.") from error
    except OSError as error:
        raise CampaignError(f"{path}: cannot be read: {error.strerror}. Name a readable file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CampaignError(f"{path}: not TOML: {error}. Correct that line.") from error
    try:
        return Campaign.model_validate(document)
    except ValidationError as error:
        raise CampaignError(f"{path}: {explained(error, Campaign)}") from error


def app_folder(campaign: Campaign, campaign_file: Path) -> Path:
    """The folder of the campaign's Flower app. Raises CampaignError where there is none."""
    if campaign.workload.app == BUNDLED_APP:
        import fl_app

        return Path(fl_app.__file__).resolve().parent
    folder = Path(campaign.workload.app).expanduser()
    folder = folder if folder.is_absolute() else (campaign_file.resolve().parent / folder)
    if not (folder / "pyproject.toml").is_file():
        raise CampaignError(
            f"{campaign_file}: workload.app = {campaign.workload.app!r}: no Flower app at {folder} "
            '(no pyproject.toml there). Name the folder that `flwr run` takes, or "fl_app".'
        )
    return folder
