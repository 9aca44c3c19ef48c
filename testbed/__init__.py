"""Conducts a measurement: hosts, SSH, the emulated testbed, campaigns and the command line."""
