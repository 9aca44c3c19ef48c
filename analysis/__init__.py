"""Turns records into phases, numbers with intervals, verdicts and the report."""
