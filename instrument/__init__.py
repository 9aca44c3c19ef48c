"""Probes that time the phases of federated learning: records, clock, probe, spool. Imports no library."""
