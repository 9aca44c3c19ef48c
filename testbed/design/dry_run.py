"""What `fedprobe run --dry-run` tells: the plan, its time, what the budget lets in, its power, and every command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.formats import count
from instrument.redaction import HIDDEN, RECORDED_VARIABLES
from testbed.baseline.plan import Plan
from testbed.design import detectable
from testbed.design.cells import fraction
from testbed.design.commands_of_trial import commands_of
from testbed.design.detectable import Variability
from testbed.design.names import words
from testbed.design.schedule import Slot
from testbed.emulation.foreseen import foreseen
from testbed.inventory import Inventory
from testbed.plan import PlannedTrial, plan_document, varied_in
from testbed.prepared import Prepared

UNKNOWN = (
    "smallest detectable effect: unknown. State design.variability in the campaign file, or name a run with "
    "repetitions: --from RUN_DIR"
)


def document(prepared: Prepared, variability: Variability | None) -> dict[str, Any]:
    """All of it as one JSON document, with the commands of every trial."""
    campaign = prepared.campaign
    chosen = fraction(campaign)
    return {
        **plan_document(campaign, prepared.trials),
        "fraction": None if chosen is None else {"resolution": chosen.resolution, "aliases": chosen.lines()},
        "estimate": {
            "total_s": total_s(prepared.slots),
            "size_bytes": sum(prepared.estimates[trial.name].size_bytes for trial in prepared.trials),
            "sources": dict(_sources(prepared)),
            "trials": {
                slot.trial.name: {
                    "begins_s": slot.begins_s,
                    "seconds": prepared.estimates[slot.trial.name].seconds,
                    "source": prepared.estimates[slot.trial.name].source,
                }
                for slot in prepared.slots
            },
        },
        "budget": {"hours": campaign.design.budget_h, "designed": prepared.designed, "let_in": len(prepared.trials)},
        "detectable": _power_document(prepared, variability),
        "testbeds": [
            {"key": one.key, "clients": one.clients, "networks": list(one.networks)}
            for one in prepared.testbeds.values()
        ],
        "commands": {trial.name: dict(commands(prepared, trial)) for trial in prepared.trials},
    }


def _power_document(prepared: Prepared, variability: Variability | None) -> dict[str, Any] | None:
    if variability is None:
        return None
    effect = prepared.campaign.design.effect
    found = detectable.detectable(prepared.trials, variability, effect=effect)
    return detectable.as_document(variability, found, effect=effect, repetitions=repetitions(prepared))


def repetitions(prepared: Prepared) -> int:
    """How often the budget lets each cell be run."""
    return max(trial.repetition for trial in prepared.trials)


def total_s(slots: Sequence[Slot]) -> float:
    """Seconds from the start of the campaign, or of its first block where that has an hour, to its end."""
    return slots[-1].ends_s


def head_lines(prepared: Prepared) -> list[str]:
    """What is planned, how long it takes and why one thinks so, and what does not fit."""
    campaign = prepared.campaign
    order = f"order drawn from seed {campaign.seed}" if campaign.design.order == "random" else "order as in the file"
    rounds = _span([trial.campaign.rounds for trial in prepared.trials])
    clients = _span([trial.campaign.clients for trial in prepared.trials])
    found = [f"{campaign.name}: {len(prepared.trials)} trials of {rounds} rounds, {clients} clients, {order}"]
    if (chosen := fraction(campaign)) is not None:
        found += chosen.lines()
    if campaign.design.warmup_rounds:
        found.append(_warm_up_line(campaign.design.warmup_rounds))
    if campaign.collect.baseline:
        asked = next(iter(prepared.testbeds.values()))
        found.append(Plan(load_s=campaign.collect.baseline_s).words(asked.clients * len(asked.networks)))
    return [*found, _time_line(prepared), *_budget_lines(prepared)]


def _warm_up_line(rounds: int) -> str:
    return f"of each trial the first {'round is' if rounds == 1 else f'{rounds} rounds are'} warm-up"


def _span(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _time_line(prepared: Prepared) -> str:
    sources = "; ".join(f"{source} ({number})" for source, number in _sources(prepared).items())
    builds = len(prepared.together())
    rebuilt = f", the testbed is built {builds} times" if builds > 1 else ""
    size_bytes = sum(prepared.estimates[trial.name].size_bytes for trial in prepared.trials)
    return f"about {lasts(total_s(prepared.slots))} in all and {size_bytes / 1e6:,.0f} MB{rebuilt}; from {sources}"


def _sources(prepared: Prepared) -> Counter[str]:
    return Counter(prepared.estimates[trial.name].source for trial in prepared.trials)


def _budget_lines(prepared: Prepared) -> list[str]:
    budget_h = prepared.campaign.design.budget_h
    if budget_h is None:
        return []
    blocks = repetitions(prepared)
    left_out = prepared.designed - len(prepared.trials)
    fits = "all of it fits" if not left_out else f"{blocks} whole blocks fit, {count(left_out, 'trial')} left out"
    return [f"budget {budget_h:g} h: {fits}"]


def lasts(seconds: float) -> str:
    """A length for a reader: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def rows(prepared: Prepared) -> list[tuple[str, str, str, str, str]]:
    """Block, trial, levels, when it begins and how long it takes; a block's name stands at its first trial."""
    varied = varied_in(prepared.campaign)
    found = []
    last_block = 0
    for slot in prepared.slots:
        trial = slot.trial
        block = f"{trial.block}{f' at {trial.earliest}' if trial.earliest else ''}"
        found.append(
            (
                block if trial.block != last_block else "",
                trial.name,
                words(trial.levels, varied),
                f"+{lasts(slot.begins_s)}",
                lasts(prepared.estimates[trial.name].seconds),
            )
        )
        last_block = trial.block
    return found


def command_lines(prepared: Prepared) -> list[str]:
    """Every command of the first trial, by host."""
    first = prepared.trials[0]
    found = [f"commands of {first.name} (of every trial: --json)"]
    folders = {host.name: host.work_folder for host in _inventory(prepared, first).hosts}
    for host, lines in commands(prepared, first).items():
        found += [f"  {host}: W={folders[host]}", *(f"    {line.replace(folders[host], '$W')}" for line in lines)]
    return found


def commands(prepared: Prepared, trial: PlannedTrial) -> Mapping[str, list[str]]:
    """Every command of a trial, by host."""
    return commands_of(trial, _without_secrets(_inventory(prepared, trial)), prepared.app_of(trial))


def _inventory(prepared: Prepared, trial: PlannedTrial) -> Inventory:
    if prepared.inventory is not None:
        return prepared.inventory
    asked = prepared.testbed_of(trial)
    assert asked.profiles is not None
    return foreseen(
        asked.clients,
        networks=asked.networks,
        profiles=asked.profiles,
        seed=prepared.campaign.seed,
        conditions=asked.conditions,
    )


def _without_secrets(inventory: Inventory) -> Inventory:
    """What an inventory puts into environments may be a password of a proxy."""
    hosts = tuple(
        host.model_copy(
            update={
                "environment": {
                    name: value if name in RECORDED_VARIABLES else HIDDEN for name, value in host.environment.items()
                }
            }
        )
        for host in inventory.hosts
    )
    return inventory.model_copy(update={"hosts": hosts})


def variability(prepared: Prepared, earlier: Variability | None) -> Variability | None:
    """From earlier trials, else as the campaign states it; None: nobody said."""
    if earlier is not None:
        return earlier
    deviation = prepared.campaign.design.variability
    return None if deviation is None else detectable.stated(deviation, "stated by design.variability")


def power_lines(prepared: Prepared, known: Variability | None) -> list[str]:
    """The smallest effect that the plan detects, or what is lacking to tell."""
    if known is None:
        return [UNKNOWN]
    effect = prepared.campaign.design.effect
    found = detectable.detectable(prepared.trials, known, effect=effect)
    return detectable.lines(known, found, effect=effect)
