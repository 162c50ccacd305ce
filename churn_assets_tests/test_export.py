"""Exporting a table: every published row once, typed in Parquet, harmless to a spreadsheet in CSV, a file or none."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from churn_assets.calendar import DayRange
from churn_assets.cli import cli
from churn_assets.warehouse import read_days
from frames import clean_events, raw_events, records
from training_worlds import day, deployment_in, store
from worlds import DAYS, deployment_of, write_settings
from worlds import day as day_of_world


def run(data: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, ["--data", str(data), "export", *map(str, arguments)])


def said(result: Result) -> str:
    assert result.exit_code == 1 and result.output.startswith("Error: ") and result.output.count("\n") == 1
    return result.output


def test_parquet_has_every_row_with_its_types_in_order_of_day_and_key(computed: Path, tmp_path: Path) -> None:
    result = run(computed, "user_daily", "--out", tmp_path / "d.parquet")
    deployment = deployment_of(computed)
    with deployment.warehouse.reading() as connection:
        stored = read_days(connection, deployment.contracts["user_daily"])
    assert f"{len(stored):,} rows of {DAYS} days of user_daily in" in result.output
    written = pd.read_parquet(tmp_path / "d.parquet", dtype_backend="pyarrow")
    assert records(written) == records(stored.sort_values(["as_of_date", "user_id"]))
    types = duckdb.sql(f"DESCRIBE FROM '{tmp_path}/d.parquet'").fetchall()
    assert {row[0]: row[1] for row in types} == {
        column.name: column.kind.duckdb_type for column in deployment.contracts["user_daily"].columns
    }


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_blocks_do_not_show_in_the_file_s_rows(computed: Path, tmp_path: Path, file_format: str) -> None:
    files = []
    for block_rows in (1, 500_000):
        write_settings(computed, block_rows=block_rows)
        files.append(tmp_path / f"{block_rows}.{file_format}")
        assert run(computed, "clean_events", "--out", files[-1]).exit_code == 0
    one, other = (duckdb.sql(f"FROM '{path}'").fetchall() for path in files)
    assert one == other and len(one) > 100


def test_only_the_asked_days(computed: Path, tmp_path: Path) -> None:
    out = tmp_path / "some.csv"
    result = run(computed, "user_daily", "--out", out, "--start", day_of_world(3), "--end", day_of_world(4))
    assert result.exit_code == 0 and "of 2 days of user_daily" in result.output
    days = {row["as_of_date"] for row in csv.DictReader(out.open(encoding="utf-8"))}
    assert days == {str(day_of_world(3)), str(day_of_world(4))}


def test_in_csv_a_text_that_a_spreadsheet_would_compute_is_quoted_and_a_number_is_not(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data")
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "a=1", "", None, 'say "hi", you', "'=1"]
    rows = raw_events(
        *({"event_id": str(n), "course_id": text, "landing_date": day(1)} for n, text in enumerate(texts))
    )
    store(deployment, "raw_events", rows, DayRange(day(1), day(1)))
    out = tmp_path / "raw.csv"
    assert run(tmp_path / "data", "raw_events", "--out", out).exit_code == 0
    with out.open(encoding="utf-8", newline="") as lines:
        written = [row["course_id"] for row in csv.DictReader(lines)]
    formulas = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "'\n=1", "'\uff1d1"]
    assert written == [*formulas, "a=1", "", "", 'say "hi", you', "'=1"]
    kept = tmp_path / "raw.parquet"
    assert run(tmp_path / "data", "raw_events", "--out", kept).exit_code == 0
    assert pd.read_parquet(kept)["course_id"].tolist() == texts


def test_numbers_keep_every_digit_in_csv_and_null_is_empty(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data")
    rows = clean_events({"event_time": datetime(2026, 1, 1, 8), "watch_minutes": 0.1 + 0.2, "quiz_score": 1e-7})
    store(deployment, "clean_events", rows, DayRange(day(1), day(1)))
    out = tmp_path / "events.csv"
    assert run(tmp_path / "data", "clean_events", "--out", out).exit_code == 0
    (row,) = csv.DictReader(out.open(encoding="utf-8"))
    assert float(row["watch_minutes"]) == 0.1 + 0.2 and float(row["quiz_score"]) == 1e-7 and row["amount"] == ""


def test_without_out_the_file_is_named_after_the_table(
    computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(computed, "growth_daily").exit_code == run(computed, "growth_daily", "--format", "csv").exit_code == 0
    assert (tmp_path / "growth_daily.parquet").exists() and (tmp_path / "growth_daily.csv").exists()


def test_an_export_replaces_the_one_before(computed: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.csv"
    out.write_text("what was there before\n" * 10_000)
    assert run(computed, "growth_daily", "--out", out).exit_code == 0
    assert len(out.read_text().splitlines()) == DAYS + 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["g.csv"]


def test_an_unknown_table_is_refused_with_those_there_are(computed: Path) -> None:
    assert (
        "no table 'users'; there are " in said(run(computed, "users")) and "user_daily" in run(computed, "users").output
    )


def test_days_on_which_nothing_is_published_are_refused_and_leave_no_file(computed: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.csv"
    assert "is not published on 2027-01-01" in said(run(computed, "user_daily", "--out", out, "--start", "2027-01-01"))
    assert not out.exists()


@pytest.mark.parametrize("name", ["data.txt", "warehouse.duckdb", "nothing"])
def test_a_file_whose_name_does_not_say_its_format_is_refused(computed: Path, name: str) -> None:
    before = (computed / "warehouse.duckdb").read_bytes()
    assert "must end with .parquet or .csv" in said(run(computed, "user_daily", "--out", computed / name))
    assert (computed / "warehouse.duckdb").read_bytes() == before


def test_a_format_that_the_name_contradicts_is_refused(computed: Path, tmp_path: Path) -> None:
    asked = run(computed, "user_daily", "--out", tmp_path / "a.parquet", "--format", "csv")
    assert "must end with .csv" in said(asked) and not (tmp_path / "a.parquet").exists()


def test_a_place_that_cannot_be_written_is_named(computed: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for out in (tmp_path / "missing" / "a.csv", tmp_path / "missing" / "a.parquet", tmp_path / "folder.csv"):
        assert f"{out} cannot be written (" in said(run(computed, "user_daily", "--out", out))


def test_before_anything_is_published_it_says_how_to_begin(tmp_path: Path) -> None:
    deployment_in(tmp_path / "data")
    assert "churn-assets backfill" in said(run(tmp_path / "data", "user_daily"))
