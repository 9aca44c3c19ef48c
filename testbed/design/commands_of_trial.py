"""Every command that a trial would run on each host, told by the code that runs them, on shells that only note."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed import quick_look
from testbed.deployment import Deployment
from testbed.fetch import fetch
from testbed.inventory import Inventory
from testbed.path_watch import PathWatch
from testbed.pinning import Pins, pins_of
from testbed.plan import PlannedTrial
from testbed.recording_shell import RecordingShell
from testbed.run_folder import TrialFolder


def commands_of(trial: PlannedTrial, inventory: Inventory, app: Path) -> Mapping[str, list[str]]:
    """The lines of each host in their order, the server's first; what is done again and again, such as asking whether
    a process lives, is not among them.
    """
    nodes = inventory.nodes[: trial.campaign.clients]
    shells = {host.name: RecordingShell(host.name) for host in (inventory.server, *nodes)}
    deployment = Deployment(
        inventory=inventory,
        sessions=shells,
        campaign=trial.campaign,
        trial=trial.name,
        interface=trial.interface,
        nodes=nodes,
        polling=trial.polling,
        networks=trial.networks,
    )
    with Pins(shells, pins_of(inventory, [(node, deployment.network(node)) for node in nodes])) as pins:
        _walk(deployment, PathWatch(deployment), pins, app)
    return {name: shell.lines for name, shell in shells.items()}


def _walk(deployment: Deployment, watch: PathWatch, pins: Pins, app: Path) -> None:
    """The steps of `testbed.trial.conduct` in their order."""
    deployment.prepare()
    deployment.put_app(app)
    pins.apply()
    quick_look.unfit(deployment)
    watch.look_before()
    deployment.begin_superlink()
    deployment.start_collectors()
    deployment.wait_superlink()
    deployment.register_supernodes()
    deployment.start_supernodes()
    deployment.submit()
    deployment.exchange_clocks()
    deployment.finish("RUN")
    deployment.stop()
    watch.look_after()
    pins.undo()
    with TemporaryDirectory() as nowhere:
        fetch(deployment, TrialFolder(Path(nowhere)))
