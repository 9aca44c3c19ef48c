"""All tables, and the description of their columns: the one source of CSV, Parquet and docs/exports.md."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.exports.of_hosts import FAULTS, SAMPLES
from analysis.exports.of_messages import DEFINITIONS, MESSAGES, PHASES_OF_MESSAGES, STRETCHES, TRANSFERS
from analysis.exports.of_rounds import CHARGES, ROUNDS, SCORES
from analysis.exports.of_trials import CLOCKS, NOTICES, TRIALS

TABLES = (
    TRIALS,
    ROUNDS,
    CHARGES,
    MESSAGES,
    PHASES_OF_MESSAGES,
    TRANSFERS,
    STRETCHES,
    DEFINITIONS,
    SCORES,
    SAMPLES,
    CLOCKS,
    FAULTS,
    NOTICES,
)
DESCRIPTION = ("table", "column", "type", "unit", "meaning")


def described() -> Iterator[tuple[str, str, str, str, str]]:
    """Every column of every table: its table, name, SQL type, unit and meaning."""
    for table in TABLES:
        for column in table.columns:
            yield table.name, column.name, column.type, column.unit, column.meaning
