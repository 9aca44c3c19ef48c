"""`fedprobe selftest`: the instrument's uplink and downlink times held against packets, beside the common methods."""
