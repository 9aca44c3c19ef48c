"""The campaign file: what is to be measured, checked before anything is started."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from instrument.polling import Polling
from testbed.design.factor_tables import gathered, with_listed_factors
from testbed.design.factors import of_a_trial
from testbed.errors import UsageError
from testbed.faults.tables import NONE, FaultName, FaultStep, Steps, require_known
from testbed.inventory import NetworkName
from testbed.sink.table import InfluxTable
from testbed.validation import explained, stated
from testbed.validity_limits import ValidityLimits

RunConfigValue = bool | int | float | str
BUNDLED_APP = "fl_app"
FLOWER_ROLES = Literal["flower-superlink", "flower-supernode", "flower-superexec", "flwr-serverapp", "flwr-clientapp"]


class CampaignError(UsageError):
    """A campaign file is missing, malformed or asks for something that cannot be."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Factors(_Strict):
    """What is varied: every combination is one cell of the design.

    `others` has the levels of every other factor by the dotted name of the setting that it varies; a campaign file
    names it as it names `interface`, and `testbed.design.factors` says which names there are.
    """

    interface: tuple[NetworkName, ...] = Field(min_length=1)
    polling: tuple[Polling, ...] = Field(default=("stock",), min_length=1)
    fault: tuple[str, ...] = Field(default=(NONE,), min_length=1)
    others: dict[str, tuple[Any, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, written: Any) -> Any:
        return gathered(written) if isinstance(written, Mapping) else written

    @field_validator("interface", "polling", "fault")
    @classmethod
    def _once_each(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("names a level twice")
        return values

    @property
    def levels(self) -> dict[str, tuple[Any, ...]]:
        """The levels of all factors by name, those of a trial alone first; of faults only where there is one."""
        own = {name: getattr(self, name) for name in of_a_trial()}
        if self.fault == (NONE,):
            del own["fault"]
        return {**own, **self.others}


class Design(_Strict):
    """Which cells of the design are run, in which order and blocks, and for how long at most.

    `generators`: of a fraction, by the name of a factor with two levels, the factors whose product it follows.
    `exclude`: parts of combinations that are not run. `hours`: when the blocks begin, on the controller's clock, one
    after another. `warmup_rounds`: so many first rounds of every trial are marked and left out of estimates.
    `effect` is the ratio that is worth detecting, `variability` the standard deviation of the logarithm of a trial's
    mean between repetitions; None: nobody said.
    """

    kind: Literal["full", "fraction", "list"] = "full"
    generators: dict[str, tuple[str, ...]] = {}
    exclude: tuple[dict[str, Any], ...] = ()
    order: Literal["random", "fixed"] = "random"
    block: Literal["repetition", "time of day"] = "repetition"
    hours: tuple[Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")], ...] = ()
    warmup_rounds: Annotated[int, Field(ge=0)] = 0
    cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    budget_h: Annotated[float, Field(gt=0)] | None = None
    effect: Annotated[float, Field(gt=0)] | None = None
    variability: Annotated[float, Field(gt=0)] | None = None

    @field_validator("effect")
    @classmethod
    def _is_one(cls, value: float | None) -> float | None:
        if value == 1.0:
            raise ValueError("is a ratio, and 1 is no effect")
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Design:
        if bool(self.hours) != (self.block == "time of day"):
            raise stated(
                'design.hours and design.block = "time of day" go together: blocks that begin at stated hours. '
                'Write both, such as hours = ["02:00", "14:00"], or neither.'
            )
        if bool(self.generators) != (self.kind == "fraction"):
            raise stated(
                'design.generators and design.kind = "fraction" go together: they say which fraction. Write both, '
                "or neither."
            )
        return self


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
    `keep_on_nodes`: a trial's files stay on its hosts too; false: they are deleted there when they are safe here.
    """

    collectors: tuple[str, ...] = ("host", "process", "interfaces", "chrony", "other_programs", "throttling")
    interval_ms: Annotated[int, Field(ge=100, le=60_000)] = 1000
    capture: bool = False
    baseline: bool = False
    baseline_s: Annotated[int, Field(ge=2, le=60)] = 5
    keep_on_nodes: bool = True


class Convergence(_Strict):
    """When training has come to its end: at a target, or when more rounds bring no more.

    The report judges every trial by it, whatever the app does. The bundled app also ends the run there, unless
    `workload.settings` says otherwise. `metric` is the accuracy's name among those that the app's strategy returns.
    """

    metric: Annotated[str, Field(min_length=1)] = "accuracy"
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    patience: Annotated[int, Field(ge=0)] = 0
    min_delta: Annotated[float, Field(ge=0, le=1)] = 0.01

    @model_validator(mode="after")
    def _asks_for_something(self) -> Convergence:
        if self.target_accuracy is None and not self.patience:
            raise ValueError("names neither target_accuracy nor patience")
        return self

    def run_config(self) -> dict[str, RunConfigValue]:
        """The same for the bundled app, which looks at its accuracy alone."""
        if self.metric != "accuracy":
            return {}
        target = self.target_accuracy or 0.0
        return {"target-accuracy": target, "patience": self.patience, "min-delta": self.min_delta}


class Limits(_Strict):
    """How long a part of a trial may take before the trial is given up, in seconds, and how often it is repeated.

    `trial_s` is for all of a trial until its processes are stopped; None: its parts' limits are enough. `prepare_s`
    is for making the hosts ready, `start_s` for the start of Flower, `keep_s` for verifying and for storing.
    `repeats`: how often a trial that turned out invalid is run again; interrupted ones do not count.
    """

    trial_s: Annotated[float, Field(gt=0)] | None = None
    prepare_s: Annotated[float, Field(gt=0)] = 60.0
    start_s: Annotated[float, Field(gt=0)] = 60.0
    round_s: Annotated[float, Field(gt=0)] = 180.0
    fetch_s: Annotated[float, Field(gt=0)] = 1800.0
    keep_s: Annotated[float, Field(gt=0)] = 120.0
    repeats: Annotated[int, Field(ge=0, le=100)] = 1


class Campaign(_Strict):
    """A campaign. `rounds` and `clients` are also given to the app, as num-server-rounds and num-clients.

    `trial`: the combinations of a design that lists them, each with a level of every factor.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    seed: int = 0
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    clients: Annotated[int, Field(ge=1, le=250)]
    repetitions: Annotated[int, Field(ge=1, le=1000)] = 1
    factors: Factors
    design: Design = Design()
    trial: tuple[dict[str, Any], ...] = ()
    workload: Workload = Workload()
    testbed: Testbed = Testbed()
    collect: Collect = Collect()
    convergence: Convergence | None = None
    limits: Limits = Limits()
    validity: ValidityLimits = ValidityLimits()
    priorities: dict[FLOWER_ROLES, Annotated[int, Field(ge=-20, le=19)]] = {}
    fault: dict[FaultName, Steps] = {}
    influxdb: InfluxTable | None = None

    @property
    def fault_name(self) -> str:
        """The fault of a planned trial's campaign, which has one level of it."""
        return self.factors.fault[0]

    @property
    def fault_steps(self) -> tuple[FaultStep, ...]:
        """The steps of that fault; none where its level is "none"."""
        return self.fault.get(self.fault_name, ())

    @model_validator(mode="after")
    def _has_its_faults(self) -> Campaign:
        require_known(self.factors.fault, self.fault)
        return self

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, written: Any) -> Any:
        return with_listed_factors(written) if isinstance(written, Mapping) else written

    @model_validator(mode="after")
    def _has_rounds_to_measure(self) -> Campaign:
        if self.design.warmup_rounds >= self.rounds:
            raise stated(
                f"design.warmup_rounds = {self.design.warmup_rounds} of rounds = {self.rounds}: none is left to "
                "measure. Ask for more rounds, or for fewer of warm-up."
            )
        return self

    @model_validator(mode="after")
    def _learns_what_is_to_converge(self) -> Campaign:
        workload = self.workload
        if self.convergence and workload.app == BUNDLED_APP and workload.settings.get("workload") == "payload":
            raise ValueError("[convergence] beside the payload workload, which learns nothing: leave one of them out")
        return self

    def run_config(self) -> dict[str, RunConfigValue]:
        """What `flwr run` is given: the workload's settings, with the campaign's rounds and clients.

        The bundled app is also told when to stop, where its settings do not tell it.
        """
        told = self.convergence.run_config() if self.convergence and self.workload.app == BUNDLED_APP else {}
        return {**told, **self.workload.settings, "num-server-rounds": self.rounds, "num-clients": self.clients}


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
