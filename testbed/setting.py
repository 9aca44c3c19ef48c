"""What the trials of a run share while one testbed stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.deployment import Deployment
from testbed.emulation.profiles import Profiles
from testbed.faults.conduct import with_stepped_clocks
from testbed.interrupts import Interrupts
from testbed.inventory import Inventory
from testbed.plan import PlannedTrial
from testbed.progress import RunProgress
from testbed.run_folder import ATTEMPT
from testbed.shell import Shell
from testbed.sink.live import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The app, the testbed, and logins to its hosts by their names; `run` marks the run's processes on hosts.

    `before_timed`: what ends all else that the controller does, before a trial is checked and timed. `live`: what
    gets the server host's records while a trial runs, to write points of them.
    """

    app: Path
    inventory: Inventory
    profiles: Profiles | None
    sessions: Mapping[str, Shell]
    interrupts: Interrupts
    progress: RunProgress
    run: str = ""
    before_timed: Callable[[], None] = lambda: None
    live: Live | None = None

    def deployment(self, planned: PlannedTrial, attempt: int) -> Deployment:
        """A trial's processes there. Hosts keep the files of each attempt apart."""
        trial = planned.name if attempt == 1 else f"{planned.name}{ATTEMPT}{attempt}"
        inventory = with_stepped_clocks(self.inventory, planned.campaign, trial)
        return Deployment(
            inventory=inventory,
            sessions=self.sessions,
            campaign=planned.campaign,
            trial=trial,
            interface=planned.interface,
            nodes=inventory.nodes[: planned.campaign.clients],
            run=self.run,
            polling=planned.polling,
            networks=planned.networks,
        )
