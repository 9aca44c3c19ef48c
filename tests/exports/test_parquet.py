"""Parquet holds what CSV holds, in files whose columns are alike, whatever a campaign or trial is called."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import duckdb
import pytest
from exported_runs import made_run

from analysis.exports.hive import partition
from analysis.exports.tables import TABLES
from testbed.cli import main


@pytest.fixture(scope="module")
def lake(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    assert main(["export", "parquet", str(run), "--out", str(folder)]) == 0
    assert main(["export", "csv", str(run), "--out", str(folder / "csv")]) == 0
    return folder


def test_each_table_is_that_of_csv(lake: Path) -> None:
    for table in TABLES:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        types = {column.name: column.type for column in table.columns}
        as_csv = f"read_csv('{lake}/csv/{table.name}.csv', header=true, columns={types}, nullstr='', quote='\"')"
        stored = duckdb.sql(
            f"SELECT {names} FROM read_parquet('{lake}/{table.name}/*/*/*.parquet', hive_partitioning=1)"
        )
        assert dict(zip(stored.columns, map(str, stored.types), strict=True)) == types
        empty = ", ".join(
            f"coalesce(\"{column.name}\", '')" if column.type == "VARCHAR" else f'"{column.name}"'
            for column in table.columns
        )
        rows = sorted(map(repr, duckdb.sql(f"SELECT {empty} FROM stored").fetchall()))
        assert rows == sorted(map(repr, duckdb.sql(f"SELECT {empty} FROM {as_csv}").fetchall())), table.name


def test_every_file_of_a_table_has_its_columns_and_types(lake: Path) -> None:
    for table in TABLES:
        files = sorted((lake / table.name).rglob("*.parquet"))
        assert len(files) == 4
        schemas = {
            tuple(duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{file}', hive_partitioning=0)").fetchall())
            for file in files
        }
        assert len(schemas) == 1
        assert {row[1] for row in schemas.pop()} <= {"BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN", "TIMESTAMP"}


@pytest.mark.parametrize("name", ["a b", "100%", "x=y", "nür:1", "a'b", 'q"q', "[1]{2}", "tab\t", "a+b"])
def test_names_survive_as_partitions(tmp_path: Path, name: str) -> None:
    run = made_run(tmp_path / "run", campaign=name, trials=0)
    assert main(["export", "parquet", str(run), "--out", str(tmp_path / "lake")]) == 0
    found = duckdb.sql(f"SELECT DISTINCT campaign FROM read_parquet('{tmp_path}/lake/trials/*/*/*.parquet')")
    assert found.fetchall() == [(name,)]
    assert unquote(partition("campaign", name)) == f"campaign={name}", "pyarrow decodes as URLs do"


def test_campaigns_share_a_folder_and_one_is_replaced_alone(tmp_path: Path) -> None:
    first = made_run(tmp_path / "first", campaign="one", trials=1)
    second = made_run(tmp_path / "second", campaign="two", trials=0)
    lake = str(tmp_path / "lake")
    for run in (first, second, first):
        assert main(["export", "parquet", str(run), "--out", lake]) == 0
    assert main(["export", "parquet", str(first), "--out", lake, "--trial", "000-5g-r1"]) == 0
    counts = duckdb.sql(
        f"SELECT campaign, count(*) FROM read_parquet('{lake}/trials/*/*/*.parquet') GROUP BY 1 ORDER BY 1"
    )
    assert counts.fetchall() == [("one", 1), ("two", 2)]


def test_two_runs_of_one_campaign_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [made_run(tmp_path / name, trials=0) for name in ("first", "second")]
    lake = str(tmp_path / "lake")
    assert main(["export", "parquet", str(runs[0]), "--out", lake]) == 0
    assert main(["export", "parquet", str(runs[1]), "--out", lake]) == 2
    assert "campaign 'made' of another run" in capsys.readouterr().err
