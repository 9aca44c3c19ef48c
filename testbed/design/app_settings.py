"""The settings that a campaign gives its app, held against those that the app has: `flwr run` refuses others."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.campaign import CampaignError
from testbed.design.factor_tables import flattened
from testbed.design.factors import APP_SETTINGS
from testbed.plan import PlannedTrial
from testbed.validation import nearest


def app_defaults(app: Path) -> dict[str, Any]:
    """What [tool.flwr.app.config] of an app's pyproject.toml has, by dotted name. Raises CampaignError."""
    file = app / "pyproject.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CampaignError(f"{file}: cannot be used: {error}. Correct the app's project file.") from error
    table: Any = document
    for key in ("tool", "flwr", "app", "config"):
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    return flattened(table) if isinstance(table, Mapping) else {}


def require_app_settings(trial: PlannedTrial, app: Path, campaign_file: Path) -> None:
    """Raises CampaignError for a setting that the trial's app does not know, or of another type than its own."""
    known = app_defaults(app)
    for name, value in trial.campaign.workload.settings.items():
        factor = f"{APP_SETTINGS}.{name}"
        place = f"factors.{factor}" if factor in trial.levels else factor
        if name not in known:
            raise CampaignError(
                f"{campaign_file}: {place}: the app at {app} has no setting {name!r}. "
                f"{nearest(name, known) if known else 'Its pyproject.toml has no [tool.flwr.app.config].'}"
            )
        if not _is_of_type(value, known[name]):
            raise CampaignError(
                f"{campaign_file}: {place} = {value!r} is {_kind(value)}, and the app's own value {known[name]!r} is "
                f"{_kind(known[name])}. Write {_kind(known[name])}."
            )


def _is_of_type(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
    return f"a {type(value).__name__}"
