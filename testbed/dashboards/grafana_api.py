"""Installs the dashboards in a running Grafana, through its HTTP API.

Source: Grafana, "HTTP API": "Other" (health), "Data source", "Folder" and "Dashboard". Held against a small server
made from these pages; no real Grafana was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.errors import InstallError, InstallUsageError
from testbed.dashboards.grafana import grafana
from testbed.dashboards.http_api import Answer, Api
from testbed.dashboards.panels import Dashboard
from testbed.dashboards.provisioning import SOURCE_NAME, data_source
from testbed.validation import nearest

_OK = 200
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


@dataclass(frozen=True, slots=True)
class Installed:
    """One dashboard as the server has it: its title and address."""

    title: str
    url: str


def check(api: Api) -> str:
    """The version of the Grafana there. Raises InstallError where it is another server or does not take the token."""
    health = api.get("/api/health")
    if health.status != _OK or health["database"] is None:
        raise InstallError(
            f"{api.url}: answers, but not as Grafana does (status {health.status} to /api/health). Give Grafana's "
            "own "
            "address, with its sub-path where it has one."
        )
    organisation = api.get("/api/org")
    if organisation.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise _refused(api, organisation, "to read its organisation")
    if organisation.status != _OK:
        raise _failed(api, organisation, "/api/org")
    return str(health["version"] or "unknown")


def place(api: Api, folder: str) -> str:
    """The uid of a folder, by its uid or title. Raises InstallUsageError where there is none."""
    answer = api.get("/api/folders", limit="1000")
    if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise _refused(api, answer, "to list folders")
    if answer.status != _OK or not isinstance(answer.document, list):
        raise _failed(api, answer, "/api/folders")
    folders = [one for one in answer.document if isinstance(one, dict)]
    for key in ("uid", "title"):
        found = [one for one in folders if one.get(key) == folder]
        if found:
            return str(found[0].get("uid"))
    known = [str(one.get("title")) for one in folders]
    hint = nearest(folder, known) if known else "It has no folders."
    raise InstallUsageError(f"{api.url}: has no folder {folder}. {hint} Make it there first, or leave --folder out.")


def install_source(api: Api, url: str, token: str) -> str:
    """Make the data source, or bring it up to date; tells which. Raises InstallError where that is refused."""
    wanted = data_source(url, f"Token {token}" if token else "")
    found = api.get(f"/api/datasources/name/{quote(SOURCE_NAME, safe='')}")
    if found.status == _NOT_FOUND:
        made = api.post("/api/datasources", wanted)
        if made.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise _refused(api, made, "to make a data source")
        if made.status != _OK:
            raise _failed(api, made, "a new data source")
        return "made"
    if found.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise _refused(api, found, "to look up data sources")
    if found.status != _OK:
        raise _failed(api, found, f"data source {SOURCE_NAME}")
    if found["type"] != "influxdb":
        raise InstallError(
            f"{api.url}: its data source {SOURCE_NAME} is of type {found['type']}. Rename that one, then install "
            "again."
        )
    changed = api.put(f"/api/datasources/uid/{quote(str(found['uid']), safe='')}", wanted)
    if changed.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise _refused(api, changed, "to change a data source")
    if changed.status != _OK:
        raise _failed(api, changed, f"data source {SOURCE_NAME}")
    return "brought up to date"


def install(api: Api, folder_uid: str, dashboards: Sequence[Dashboard] = DASHBOARDS) -> list[Installed]:
    """Make or replace every dashboard, and read it back. Raises InstallError where one is refused or not kept."""
    return [_installed(api, folder_uid, dashboard) for dashboard in dashboards]


def _installed(api: Api, folder_uid: str, dashboard: Dashboard) -> Installed:
    document: dict[str, Any] = {"id": None, **grafana(dashboard)}
    sent = {"dashboard": document, "overwrite": True, "message": "fedprobe dashboards install"}
    if folder_uid:
        sent["folderUid"] = folder_uid
    answer = api.post("/api/dashboards/db", sent)
    if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise _refused(api, answer, "to save a dashboard")
    if answer.status != _OK:
        raise _failed(api, answer, f"dashboard {dashboard.title!r}")
    kept = api.get(f"/api/dashboards/uid/{dashboard.uid}")["dashboard"]
    panels = kept.get("panels", []) if isinstance(kept, dict) else []
    if len(panels) != len(dashboard.panels):
        raise InstallError(
            f"{api.url}: took dashboard {dashboard.title!r}, but shows {len(panels)} of its {len(dashboard.panels)} "
            "panels. Import the file that `fedprobe dashboards export` writes by hand, and report this."
        )
    path = answer["url"] or f"/d/{dashboard.uid}"
    return Installed(dashboard.title, f"{api.url.rstrip('/')}{path}")


def _refused(api: Api, answer: Answer, what: str) -> InstallError:
    if answer.status == _UNAUTHORIZED:
        return InstallError(
            f"{api.url}: does not take the token ({answer.said}). Make a new one there: Administration, Users and "
            "access, Service accounts."
        )
    return InstallError(
        f"{api.url}: the token's account may not do it: {what} ({answer.said}). Give its service account the role "
        "Editor, or Admin where a data source is to be made."
    )


def _failed(api: Api, answer: Answer, what: str) -> InstallError:
    return InstallError(f"{api.url}: {what}: refused with status {answer.status}: {answer.said}.")
