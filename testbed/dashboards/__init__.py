"""Dashboards for Grafana and InfluxDB 2: one description of every panel, and what is written of it for each.

`query` says what a panel asks, `panels` what it shows; `overview`, `one_round`, `interfaces`, `hosts`, `health` hold
the panels. `influxql` and `flux` write the queries, `grafana` and `influxdb_template` the documents; `shipped`
holds the written files, which `fedprobe dashboards export` copies. `grafana_api` and `influxdb_api` install them.
"""
