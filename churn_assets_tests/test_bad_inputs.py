"""docs/bad_inputs.md, case by case and format by format: outcome, reason, conservation, and the one sentence of a refusal."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bad_inputs.elsewhere import PROVEN
from bad_inputs.files import ACCEPTED, REFUSED, SECRET, Accepted, Refused
from bad_inputs.rows import GOOD, ROW_CASES, RowCase
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored
from churn_assets.contracts import Contract, contracts
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import read_file
from churn_assets.settings import Settings, SourceName, SourceSettings, UsersSettings
from churn_assets.transforms import CleaningRules, clean_events, clean_users, cleaning_rules
from delivered import FORMATS, raw_frame, written
from e_learning import PRODUCT
from frames import records
from worlds import command, day, days, deliver, deployment_of, differing, hashes, query, run_plainly, write_settings

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "bad_inputs.md"
THEIRS = TESTS.parents[1] / "shared" / "BAD_INPUTS.md"
LANDED = date(2026, 1, 5)
DECLARED = dict(re.findall(r"^\| (\d+) \| .*? \| (.*) \|$", PAGE.read_text("utf-8"), re.M))
"""Outcome by number."""


# --- every case has a proof ---


def test_the_page_numbers_its_cases() -> None:
    assert [int(number) for number in DECLARED] == list(range(1, len(DECLARED) + 1))
    if THEIRS.exists():
        assert re.findall(r"^\| (\d+) \|", THEIRS.read_text("utf-8"), re.M) == list(DECLARED)[:56]


def test_the_log_of_reported_faults_names_cases_of_the_page() -> None:
    named = re.findall(r"^\| ([\d, ]+) \|", (PAGE.parent / "reported.md").read_text("utf-8"), re.M)
    numbers = [int(number) for one in named for number in one.split(",")]
    assert numbers == sorted(set(numbers)) and len(numbers) >= 30 and set(map(str, numbers)) <= DECLARED.keys()


def test_every_case_has_a_proof() -> None:
    proven = {one.number for one in (*ROW_CASES, *REFUSED, *ACCEPTED)} | set(PROVEN)
    assert sorted(proven) == [int(number) for number in DECLARED]


@pytest.mark.parametrize("named", sorted({name for names in PROVEN.values() for name in names}))
def test_a_proof_that_is_elsewhere_is_there(named: str) -> None:
    file, name = named.split("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("number", [*map(int, DECLARED)])
def test_the_page_gives_the_reasons_and_outcomes_that_are_proven(number: int) -> None:
    outcome = DECLARED[str(number)]
    fates = {fate for one in ROW_CASES if one.number == number for fate in one.fates}
    assert set(re.findall(r"`([a-z_]+)`", outcome)) >= fates - {"accepted", "duplicate", "bad_signup_date"}
    has_rows_here = number not in PROVEN and number not in {one.number for one in ACCEPTED}
    assert ("quarantined" in outcome) == bool(fates - {"accepted", "duplicate"}) or not has_rows_here
    assert ("refused" in outcome) or number not in {one.number for one in REFUSED}
    repaired = any(one.repairs for one in ROW_CASES if one.number == number)
    assert not repaired or "repaired" in outcome


# --- rows ---


def _marks(one: RowCase | Refused | Accepted, suffix: str) -> list[pytest.MarkDecorator]:
    """How a file is packed says nothing new of its rows."""
    return [pytest.mark.long] if isinstance(one, RowCase) and suffix.endswith(".gz") else []


def of_formats(cases: Iterable[RowCase | Refused | Accepted]) -> list[Any]:
    """Each case with each format in which it can occur."""
    return [
        pytest.param(one, suffix, id=f"{one.number:02}-{place}-{suffix}", marks=_marks(one, suffix))
        for place, one in enumerate(cases)
        for suffix in getattr(one, "formats", FORMATS)
    ]


@cache
def deployed(
    source: SourceName, declared: tuple[tuple[str, str], ...]
) -> tuple[SourceSettings, Contract, CleaningRules]:
    settings = Settings(sources={source: dict(declared)})  # type: ignore[arg-type]
    return settings.source(source), contracts(settings)[f"raw_{source}"], cleaning_rules(settings, source)


@pytest.mark.parametrize(("one", "suffix"), of_formats(ROW_CASES))
def test_a_row_between_two_good_ones(tmp_path: Path, one: RowCase, suffix: str) -> None:
    source: SourceName = one.source  # type: ignore[assignment]
    key = "event_id" if source == "events" else "user_id"
    good = GOOD[source] | one.good
    rows = [good, *({**good, key: "5", **row} for row in one.rows), {**good, key: "9"}]
    fates = ["accepted", *one.fates, "accepted"]

    settings, contract, rules = deployed(source, tuple(one.declared.items()))
    landing = tmp_path / "landing"
    path = landing / source / f"date={LANDED}" / f"a.{suffix}"
    path.parent.mkdir(parents=True)
    path.write_bytes(written(rows, suffix))
    landed = read_file(path, source=source, product=PRODUCT, settings=settings, landing_dir=landing)
    clean = clean_events if source == "events" else clean_users
    cleaned = clean(raw_frame(contract, landed, LANDED), first_day=LANDED, last_day=LANDED, rules=rules)

    place = f"{source}/date={LANDED}/a.{suffix}"
    accepted = {row["source_row"]: row for row in records(cleaned.accepted)}
    rejected = {row["source_row"]: row for row in records(cleaned.quarantined)}
    assert sorted(accepted) == [n for n, fate in enumerate(fates, 1) if fate == "accepted"]
    assert {n: row["reason"] for n, row in rejected.items()} == {
        n: fate for n, fate in enumerate(fates, 1) if fate not in ("accepted", "duplicate")
    }
    for number, row in rejected.items():
        assert row["source_file"] == place
        kept = {name: row[name] or None for name in good}
        assert kept == {name: value or None for name, value in rows[number - 1].items()}, "kept whole"
    [counts] = records(cleaned.reconciliation)
    assert (counts["rows_read"], counts["rows_accepted"]) == (len(rows), len(accepted))
    assert (counts["rows_quarantined"], counts["rows_duplicate"]) == (len(rejected), fates.count("duplicate"))
    assert json.loads(counts["repairs"]) == one.repairs
    if one.kept:
        kept = accepted[1 + 1 + one.fates.index("accepted")]
        shown = {name: value.isoformat() if isinstance(value, date) else value for name, value in kept.items()}
        assert {name: shown[name] for name in one.kept} == one.kept


# --- files ---


def users_file(folder: Path, content: bytes, suffix: str) -> Path:
    path = folder / "landing" / "users" / f"date={LANDED}" / f"a.{suffix}"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("one", "suffix"), of_formats(REFUSED))
def test_a_file_that_cannot_be_read_for_certain_is_refused_whole(tmp_path: Path, one: Refused, suffix: str) -> None:
    path = users_file(tmp_path, one.content(suffix), suffix)
    with pytest.raises(RefusedFile) as raised:
        settings = UsersSettings(**one.declared)
        read_file(path, source="users", product=PRODUCT, settings=settings, landing_dir=tmp_path / "landing")
    said = str(raised.value)
    assert said.startswith(f"landing/users/date={LANDED}/a.{suffix} ") and one.says in said
    assert said.endswith(".") and said.isprintable() and SECRET not in said


@pytest.mark.parametrize(("one", "suffix"), of_formats(ACCEPTED))
def test_a_file_that_only_looks_odd_is_read(tmp_path: Path, one: Accepted, suffix: str) -> None:
    path = users_file(tmp_path, one.content(suffix), suffix)
    settings = UsersSettings(**one.declared)
    landed = read_file(path, source="users", product=PRODUCT, settings=settings, landing_dir=tmp_path / "landing")
    assert landed.table["user_id"].to_pylist() == list(one.users)
    malformed = ["malformed_row" if user is None else None for user in one.users]
    assert landed.table["read_error"].to_pylist() == malformed
    assert landed.table["source_row"].to_pylist() == list(range(1, len(one.users) + 1))
    assert landed.repairs == one.repairs


@pytest.mark.long
@pytest.mark.parametrize(
    ("one", "suffix"),
    [(next(one for one in REFUSED if one.number == number), suffix) for number, suffix in
     ((2, "csv"), (9, "jsonl"), (13, "parquet"), (20, "jsonl.gz"))],
    ids=lambda value: value if isinstance(value, str) else f"{value.number:02}",
)  # fmt: skip
def test_the_command_says_it_in_one_sentence_and_publishes_nothing(tmp_path: Path, one: Refused, suffix: str) -> None:
    data = tmp_path / "data"
    path = users_file(data, one.content(suffix), suffix)
    deliver(data, "events", LANDED, "event_id,user_id,event_time,event_type\n")
    write_settings(data, start_date=LANDED, end_date=LANDED)
    done = command("churn-assets", "--data", data, "backfill", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    [said] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert path.name in said and one.says in said and SECRET not in done.stdout + done.stderr
    assert not (data / "warehouse.duckdb").exists() or not {key for key in hashes(data) if "users" in key[0]}


# --- a day and a world ---

USERS = "user_id,signup_date,plan,is_paid,country,marketing_source\n1,2026-01-01,free,false,DE,ads\n"
EVENTS = "event_id,user_id,event_time,event_type,course_id,watch_minutes,quiz_score,amount\n"


def tiny(data: Path, events: str, users: str = USERS) -> None:
    deliver(data, "users", day(1), users)
    deliver(data, "events", day(1), EVENTS + events)
    write_settings(data, end_date=day(1))


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day with which nothing is wrong."""
    data = tmp_path_factory.mktemp("in_order") / "data"
    tiny(data, "1,1,2026-01-01T01:00:00,login,,0,,\n")
    run_plainly(data)
    return data


def test_12_several_files_of_several_formats_are_one_day(tmp_path: Path) -> None:
    data = tmp_path / "data"
    tiny(data, "100,1,2026-01-01T01:00:00,login,,,,\n")
    good = GOOD["events"] | {"event_time": "2026-01-01T10:00:00"}
    for number, suffix in enumerate(FORMATS, 1):
        path = data / "landing/events" / f"date={day(1)}" / f"more.{suffix}"
        path.write_bytes(written([good | {"event_id": str(number)}, good | {"event_id": "100"}], suffix))
    run_plainly(data)
    accepted = query(data, "SELECT event_id FROM churn.clean_events ORDER BY 1")
    assert accepted == [(1,), (2,), (3,), (4,), (5,), (100,)]
    counted = (
        "SELECT count(*), sum(rows_read), sum(rows_accepted), sum(rows_quarantined) FROM churn.events_reconciliation"
    )
    assert query(data, counted) == [(6, 11, 6, 5)], "event 100 came six times, five of them with another payload"


def test_16_a_file_delivered_again_under_another_name_changes_no_content(
    computed: Path, expected: dict[Any, str]
) -> None:
    """Its name sorts first, so that of each pair another row is the first landed."""
    folder = computed / "landing/events" / f"date={day(8)}"
    shutil.copy(folder / "events.csv", folder / "again.csv")
    run_plainly(computed)
    changed = {table for table, _ in differing(hashes(computed), expected)}
    assert changed == {"raw_events", "events_files", "events_reconciliation"}
    counts = (
        f"SELECT sum(rows_duplicate), sum(rows_read) FROM churn.events_reconciliation WHERE landing_date = '{day(8)}'"
    )
    [(duplicates, read)] = query(computed, counts)
    assert duplicates * 2 == read > 0
    run_plainly(computed)
    assert {table for table, _ in differing(hashes(computed), expected)} == changed


@pytest.mark.parametrize(
    ("number", "check", "events", "users", "named"),
    [
        (3, "raw_events.expectations", "", USERS, "a header alone"),
        (
            *(34, "user_daily.expectations"),
            "100,1,2026-01-01T01:00:00,video_watch,c,900,,\n101,1,2026-01-01T02:00:00,video_watch,c,541,,\n",
            *(USERS, "at most 1440 in a day"),
        ),
        (35, "clean_events.expectations", "100,1,2026-01-01T01:00:00,telepathy,,,,\n", USERS, "telepathy"),
        (37, "clean_users.expectations", "", USERS.replace("free,false", "free,true"), "plan and is_paid agree"),
        (49, "unmatched_events.expectations", "100,9,2026-01-01T01:00:00,login,,,,\n", USERS, "finds its user-day"),
    ],
    ids=lambda value: f"{value:02}" if isinstance(value, int) else "",
)
def test_what_is_accepted_with_a_warning_raises_it(
    tmp_path: Path, in_order: Path, number: int, check: str, events: str, users: str, named: str
) -> None:
    assert "warning" in DECLARED[str(number)]
    tiny(tmp_path / "data", events, users)
    run_plainly(tmp_path / "data")
    for data, passes in ((tmp_path / "data", False), (in_order, True)):
        deployment = deployment_of(data)
        [one] = [one for one in all_checks(deployment.settings) if f"{one.table}.{one.name}" == check]
        with deployment.warehouse.reading() as connection:
            stored = Stored(connection, deployment.contracts, deployment.settings)
            verdict = verdicts(one, stored, days(1))[day(1)]
        assert verdict.passed is passes and not one.blocking
        assert passes or named in str(verdict.figures)
        assert query(data, "SELECT count(*) FROM churn.quarantined_events") == [(0,)]


def test_53_without_a_single_user_it_says_so_and_publishes_no_user_day(tmp_path: Path) -> None:
    data = tmp_path / "data"
    tiny(data, "100,1,2026-01-01T01:00:00,login,,,,\n", users="user_id,signup_date\n")
    with pytest.raises(ChurnError, match="clean_users has no row on any day of 2026-01-01;"):
        run_plainly(data)
    assert not hashes(data)
    deliver(data, "users", day(1), USERS)
    run_plainly(data)
    assert query(data, "SELECT count(*) FROM churn.user_daily") == [(1,)]


@pytest.mark.parametrize(
    ("last", "landed_days", "fails"), [(3, 2, False), (3, 3, True), (None, 6, False), (None, 7, True)]
)
def test_53_days_before_the_first_user_are_as_they_should_be(
    tmp_path: Path, last: int | None, landed_days: int, fails: bool
) -> None:
    """A calendar of three days, or one without an end, which may begin with six."""
    data = tmp_path / "data"
    for number in range(1, landed_days + 1):
        deliver(data, "users", day(number), "user_id,signup_date\n")
        deliver(data, "events", day(number), EVENTS)
    (data / "churn.toml").write_text(f"start_date = {day(1)}\n" + (f"end_date = {day(last)}\n" if last else ""))
    tables = {"raw_users", "raw_events", "clean_users", "user_day_grid"}
    if not fails:
        run_plainly(data, days(1, landed_days), tables=tables)
        assert ("user_day_grid", day(landed_days)) in hashes(data)
        return
    with pytest.raises(ChurnError, match="nobody to describe"):
        run_plainly(data, days(1, landed_days), tables=tables)


def test_55_a_file_whose_name_is_sql_is_a_file_like_any_other(tmp_path: Path) -> None:
    data = tmp_path / "data"
    tiny(data, "1,1,2026-01-01T01:00:00,login,,,,\n")
    names = [
        "a'; DROP SCHEMA churn CASCADE; --.csv",
        'q"q.csv',
        "line\nbreak.csv",
        "<script>.csv",
        "\u00fc \U0001f600.csv",
    ]
    for number, name in enumerate(names, 2):
        deliver(data, "events", day(1), f"{EVENTS}{number},1,2026-01-01T01:00:00,login,,,,\n", name=name)
    run_plainly(data)
    stored = query(data, "SELECT source_file FROM churn.clean_events WHERE event_id > 1 ORDER BY event_id")
    assert stored == [(f"events/date={day(1)}/{name}",) for name in names]
    [counted] = query(data, "SELECT count(*), sum(rows_read), sum(rows_accepted) FROM churn.events_reconciliation")
    assert counted == (6, 6, 6)


@pytest.mark.parametrize(
    "arguments",
    [
        ("backfill", "2026-01-01'; DROP SCHEMA churn CASCADE; --"),
        ("export", "user_daily; DROP SCHEMA churn CASCADE"),
        ("export", 'user_daily" --'),
        ("backfill", "--select", "user_daily'; --"),
    ],
)
def test_55_a_partition_or_table_that_is_sql_is_refused(computed: Path, arguments: tuple[str, ...]) -> None:
    from click.testing import CliRunner

    from churn_assets.cli import cli

    before = hashes(computed)
    done = CliRunner().invoke(cli, ["--data", str(computed), *arguments])
    assert done.exit_code in (1, 2) and "Error: " in done.output and "Traceback" not in done.output
    assert hashes(computed) == before


# --- of settings ---


@pytest.mark.parametrize("suffix", FORMATS)
def test_58_a_file_without_the_column_that_dates_versions_is_refused(tmp_path: Path, suffix: str) -> None:
    dated = Settings(sources={"users": {"valid_from": "updated_at"}})  # type: ignore[arg-type]
    path = users_file(tmp_path, written([GOOD["users"]], suffix), suffix)
    with pytest.raises(RefusedFile, match="lacks required valid_from"):
        read_file(
            path,
            source="users",
            product=dated.declaration,
            settings=dated.sources.users,
            landing_dir=tmp_path / "landing",
        )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("event_id", "bad_event_id"),
        ("user_id", "bad_user_id"),
        ("event_type", "bad_event_type"),
        ("course_id", "bad_value"),
    ],
)
@pytest.mark.parametrize("nested", ['{"$oid": "a"}', '["login"]', "[]", "{}"])
def test_74_an_object_or_a_list_is_no_value(tmp_path: Path, suffix: str, column: str, reason: str, nested: str) -> None:
    data = tmp_path / "data"
    deliver(data, "users", day(1), USERS)
    row = GOOD["events"] | {"event_time": "2026-01-01T10:00:00", column: nested}
    path = deliver(data, "events", day(1), "", name=f"e.{suffix}")
    if suffix == "jsonl":
        path.write_text(json.dumps({**row, column: json.loads(nested)}) + "\n")
    else:
        path.write_bytes(written([row], suffix))
    write_settings(data, end_date=day(1))
    run_plainly(data, tables={"raw_events", "clean_events"})
    assert query(data, "SELECT reason, count(*) FROM churn.quarantined_events GROUP BY 1") == [(reason, 1)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('columns = { planx = ["p"] }', "columns names 'planx', which is no column of users"),
        ('columns = { user_id = [" "] }', "columns gives user_id an empty name"),
        ('columns = { plan = ["tier"], country = ["Tier"] }', "columns gives the name 'Tier' to both plan and country"),
        ('columns = { plan = ["user_id"] }', "columns gives the name 'user_id' to both user_id and plan"),
        ('lacks = ["user_id"]', "lacks names 'user_id', which is no optional column"),
        ('values = { plann = { a = "free" } }', "values names 'plann', which is no column of users"),
        ('values = { plan = { a = "nope" } }', "values makes 'nope' of a plan, which is none of its labels"),
    ],
)
def test_128_what_is_said_of_columns_that_are_not_there_is_refused(tmp_path: Path, settings: str, says: str) -> None:
    (tmp_path / "churn.toml").write_text(f"[sources.users]\n{settings}\n")
    with pytest.raises(ChurnError) as refused:
        Settings.load(tmp_path)
    assert says in str(refused.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("written_as", "signup"),
    [("2026-01-05", "2026-01-05"), ("2026-01-05T00:30:00Z", "2026-01-04"), ("2026-01-05T00:30:00", "2026-01-05")],
)
def test_130_a_signup_day_is_the_day_that_is_written(tmp_path: Path, suffix: str, written_as: str, signup: str) -> None:
    data = tmp_path / "data"
    path = deliver(data, "users", day(5), "", name=f"u.{suffix}")
    path.write_bytes(written([GOOD["users"] | {"signup_date": written_as}], suffix))
    write_settings(data, start_date=day(5), end_date=day(5), timezone='"America/New_York"')
    run_plainly(data, tables={"raw_users", "clean_users"})
    assert query(data, "SELECT signup_date::VARCHAR FROM churn.clean_users") == [(signup,)]
