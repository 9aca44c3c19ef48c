#!/bin/sh
# run once by the influxdb image, after its set-up
set -eu
# the bucket under the name that InfluxQL asks for
influx v1 dbrp create --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --db fedprobe --rp autogen --default
# the dashboards in Flux
influx apply --org "$DOCKER_INFLUXDB_INIT_ORG" --force yes --file /etc/fedprobe/fedprobe.yml
