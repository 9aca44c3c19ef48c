"""All dashboards, in the order of a reader's questions."""

from __future__ import annotations

from testbed.dashboards.health import HEALTH
from testbed.dashboards.hosts import HOSTS
from testbed.dashboards.interfaces import INTERFACES
from testbed.dashboards.one_round import ONE_ROUND
from testbed.dashboards.overview import OVERVIEW
from testbed.dashboards.panels import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, ONE_ROUND, INTERFACES, HOSTS, HEALTH)
