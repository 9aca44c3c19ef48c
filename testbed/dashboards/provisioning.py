"""Files with which a stock Grafana or InfluxDB 2 container shows the dashboards at its first start.

No secret stands in them: the compose file takes tokens and passwords from its environment, or from the file `.env`
beside it. Sources: Grafana, "Provision Grafana" (variables of the environment in values) and "InfluxDB: provision the
data source"; Docker Hub, "influxdb" (DOCKER_INFLUXDB_INIT_*, /docker-entrypoint-initdb.d); InfluxData, "influx v1
dbrp create" and "influx apply".
"""

from __future__ import annotations

from typing import Any

GRAFANA_IMAGE = "grafana/grafana:13.2.3"  # the version whose schema the dashboards are held against
INFLUXDB_IMAGE = "influxdb:2.7"
DATABASE = "fedprobe"
ORGANISATION = "fedprobe"
FOLDER = "fedprobe"
SOURCE_NAME = "fedprobe"
_DASHBOARDS_AT = "/etc/fedprobe/dashboards"
_TEMPLATE_AT = "/etc/fedprobe/fedprobe.yml"

Json = dict[str, Any]


def data_source(url: str, authorization: str) -> Json:
    """A data source of Grafana, as its API and its provisioning take it; no authorization where that is empty.

    `authorization` is the value of the header, such as `Token ...`, which InfluxDB 2 and 3 ask for.
    """
    made: Json = {
        "name": SOURCE_NAME,
        "type": "influxdb",
        "access": "proxy",
        "url": url,
        "jsonData": {"dbName": DATABASE, "httpMode": "POST", "version": "InfluxQL"},
    }
    if authorization:
        made["jsonData"]["httpHeaderName1"] = "Authorization"
        made["secureJsonData"] = {"httpHeaderValue1": authorization}
    return made


def data_sources() -> Json:
    """Grafana's provisioning/datasources/fedprobe.yaml."""
    made = data_source("http://influxdb:8086", "Token $INFLUXDB_TOKEN") | {"isDefault": True}
    return {"apiVersion": 1, "datasources": [made]}


def providers() -> Json:
    """Grafana's provisioning/dashboards/fedprobe.yaml."""
    provider = {
        "name": "fedprobe",
        "folder": FOLDER,
        "type": "file",
        "allowUiUpdates": True,
        "options": {"path": _DASHBOARDS_AT},
    }
    return {"apiVersion": 1, "providers": [provider]}


def compose() -> Json:
    """docker-compose.yml: InfluxDB 2 with the bucket, its mapping for InfluxQL and the template; Grafana."""
    influxdb = {
        "image": INFLUXDB_IMAGE,
        "environment": {
            "DOCKER_INFLUXDB_INIT_MODE": "setup",
            "DOCKER_INFLUXDB_INIT_USERNAME": "fedprobe",
            "DOCKER_INFLUXDB_INIT_PASSWORD": _needed("INFLUXDB_PASSWORD"),
            "DOCKER_INFLUXDB_INIT_ORG": ORGANISATION,
            "DOCKER_INFLUXDB_INIT_BUCKET": DATABASE,
            "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN": _needed("INFLUXDB_TOKEN"),
        },
        "ports": ["127.0.0.1:8086:8086"],
        "volumes": [
            "influxdb-data:/var/lib/influxdb2",
            "influxdb-config:/etc/influxdb2",
            "./influxdb/first-start.sh:/docker-entrypoint-initdb.d/first-start.sh:ro",
            f"./influxdb/fedprobe.yml:{_TEMPLATE_AT}:ro",
        ],
        "healthcheck": {
            "test": ["CMD", "influx", "ping"],
            "interval": "5s",
            "timeout": "5s",
            "retries": 24,
        },
    }
    grafana = {
        "image": GRAFANA_IMAGE,
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD": _needed("GRAFANA_PASSWORD"),
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "INFLUXDB_TOKEN": _needed("INFLUXDB_TOKEN"),
        },
        "ports": ["127.0.0.1:3000:3000"],
        "volumes": [
            "grafana-data:/var/lib/grafana",
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            f"./grafana/dashboards:{_DASHBOARDS_AT}:ro",
        ],
        "depends_on": {"influxdb": {"condition": "service_healthy"}},
    }
    return {
        "name": "fedprobe",
        "services": {"influxdb": influxdb, "grafana": grafana},
        "volumes": {"influxdb-data": {}, "influxdb-config": {}, "grafana-data": {}},
    }


def first_start() -> str:
    """The script that the InfluxDB container runs once, after its set-up."""
    return f"""#!/bin/sh
# run once by the influxdb image, after its set-up
set -eu
# the bucket under the name that InfluxQL asks for
influx v1 dbrp create --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \\
    --db {DATABASE} --rp autogen --default
# the dashboards in Flux
influx apply --org "$DOCKER_INFLUXDB_INIT_ORG" --force yes --file {_TEMPLATE_AT}
"""


def _needed(name: str) -> str:
    """A value of the environment, or of the file .env, without which docker compose says what to do."""
    return f"${{{name}:?write it into .env}}"
