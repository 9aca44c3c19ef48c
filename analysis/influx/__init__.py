"""A stored run as points of InfluxDB: what is measured (schema), the points themselves, and their text form. Pure."""
