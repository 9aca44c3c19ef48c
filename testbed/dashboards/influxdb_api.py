"""Installs the template in a running InfluxDB 2, through its HTTP API.

A stack remembers what the template made, so that a second installation changes it and makes nothing twice.
Source: InfluxData, "InfluxDB v2 API": /health, /api/v2/orgs, /api/v2/stacks, /api/v2/templates/apply. Held against a
small server made from these pages; no real InfluxDB 2 was there.
"""

from __future__ import annotations

from typing import Any

from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.errors import InstallError, InstallUsageError
from testbed.dashboards.http_api import Answer, Api
from testbed.dashboards.influxdb_template import template

STACK = "fedprobe"
_OK, _CREATED = 200, 201
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


def check(api: Api) -> str:
    """The version of the InfluxDB 2 there. Raises InstallError where it is another server."""
    health = api.get("/health")
    version = str(health["version"] or "").removeprefix("v")
    if health["name"] != "influxdb":
        raise InstallError(
            f"{api.url}: answers, but not as InfluxDB 2 does (status {health.status} to /health). Templates are of "
            "InfluxDB 2 alone; Grafana shows the dashboards with InfluxDB 1, 2 and 3."
        )
    if not version.startswith("2."):
        raise InstallError(
            f"{api.url}: is InfluxDB {version or 'of an unknown version'}, and templates are of InfluxDB 2 alone. "
            "Grafana shows the dashboards with InfluxDB 1, 2 and 3."
        )
    return version


def install(api: Api, organisation: str) -> list[str]:
    """Apply the template to an organisation; the names of its dashboards as the server tells them.

    Raises InstallError where that is refused or not all of it was taken, InstallUsageError for an organisation that
    is not there.
    """
    org_id = _organisation(api, organisation)
    objects = template(DASHBOARDS)
    sent = {
        "orgID": org_id,
        "stackID": _stack(api, org_id),
        "templates": [{"contents": objects}],
    }
    answer = api.post("/api/v2/templates/apply", sent)
    _check(api, answer, "to apply a template")
    if answer["errors"]:
        raise InstallError(f"{api.url}: did not take the template: {answer['errors'][0]}.")
    taken = (answer["summary"] or {}).get("dashboards") or []
    if len(taken) != len(DASHBOARDS):
        raise InstallError(f"{api.url}: took {len(taken)} of {len(DASHBOARDS)} dashboards of the template.")
    return [str(one.get("name")) for one in taken]


def _organisation(api: Api, name: str) -> str:
    answer = api.get("/api/v2/orgs", org=name)
    if answer.status not in {_OK, _NOT_FOUND}:
        _check(api, answer, "to look up organisations")
    found = [one for one in answer["orgs"] or [] if one.get("name") == name]
    if not found:
        raise InstallUsageError(f"{api.url}: the token sees no organisation {name}. State it with --org.")
    return str(found[0]["id"])


def _stack(api: Api, org_id: str) -> str:
    listed = api.get("/api/v2/stacks", orgID=org_id, name=STACK)
    _check(api, listed, "to list stacks")
    known: list[dict[str, Any]] = [one for one in listed["stacks"] or [] if one.get("eventType") != "uninstall"]
    if known:
        return str(known[0]["id"])
    made = api.post("/api/v2/stacks", {"orgID": org_id, "name": STACK, "description": "dashboards of fedprobe"})
    _check(api, made, "to make a stack")
    return str(made["id"])


def _check(api: Api, answer: Answer, what: str) -> None:
    if answer.status in {_OK, _CREATED}:
        return
    if answer.status == _UNAUTHORIZED:
        raise InstallError(
            f"{api.url}: does not take the token ({answer.said}). Make a new one there: Load Data, API Tokens."
        )
    if answer.status == _FORBIDDEN:
        raise InstallError(f"{api.url}: the token may not do it: {what} ({answer.said}). It needs all access.")
    raise InstallError(f"{api.url}: refused {what} with status {answer.status}: {answer.said}.")
