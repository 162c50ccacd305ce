"""CSV as other writers write it: quotes escaped by a backslash, no quotes at all, and texts that mean no value."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import read_file
from churn_assets.landing.dump import land_dump
from churn_assets.landing.records import read_records
from churn_assets.settings import Settings
from churn_assets.transforms import CleaningRules, clean_events, clean_users
from e_learning import PRODUCT
from frames import raw_events, raw_users
from sizes import examples

NAMES = ["event_id", "user_id", "event_time", "event_type", "note"]
TEXT = st.text(st.sampled_from('ab"\\,\t\n ;é'), max_size=6)
ROWS = st.lists(st.lists(TEXT, min_size=len(NAMES), max_size=len(NAMES)), max_size=5)
JAN_5 = date(2026, 1, 5)


def deployment(data: Path, **of_events: Any) -> Settings:
    return Settings(sources={"events": of_events}).model_copy(update={"data_dir": data})  # type: ignore[arg-type]


def landed(data: Path, content: str) -> Path:
    path = data / "landing/events/date=2026-01-05/e.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def values(path: Path, own: Settings) -> list[list[str]]:
    """Of each record the raw values, in the order of NAMES."""
    table = read_file(
        path, source="events", product=PRODUCT, settings=own.sources.events, landing_dir=own.landing_dir
    ).table
    columns = [table[name].to_pylist() for name in NAMES[:-1]]
    notes = [json.loads(extra)["note"] for extra in table["extra"].to_pylist()]
    return [list(row) for row in zip(*columns, notes, strict=True)]


def by_backslash(rows: list[list[str]]) -> str:
    """As Spark writes: every field quoted, a backslash before quotes and before itself."""
    lines = [NAMES, *rows]
    return "".join(
        ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in row) + "\n" for row in lines
    )


@settings(max_examples=examples(150), deadline=None)
@given(rows=ROWS)
def test_quotes_escaped_by_a_backslash_are_read_and_cut_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    own = deployment(tmp_path_factory.mktemp("spark"), escape="\\")
    path = landed(own.data_dir, by_backslash(rows))
    assert values(path, own) == rows
    records = read_records(path, "events", own, own.landing_dir)
    for kept in (np.arange(len(rows)) % 2 == 0, np.ones(len(rows), dtype=bool)):
        left = [row for row, is_kept in zip(rows, kept, strict=True) if is_kept]
        assert records.rows.only(kept).decode() == by_backslash(left)


@settings(max_examples=examples(150), deadline=None)
@given(rows=st.lists(st.lists(st.text(st.sampled_from("ab\"\\, ;é'"), max_size=6), min_size=5, max_size=5), max_size=5))
def test_without_quotes_every_character_but_tab_and_line_end_is_a_value(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    own = deployment(tmp_path_factory.mktemp("tsv"), quote="", delimiter="\t")
    lines = ["\t".join(row) + "\n" for row in [NAMES, *rows]]
    path = landed(own.data_dir, "".join(lines))
    assert values(path, own) == rows
    records = read_records(path, "events", own, own.landing_dir)
    assert records.rows.only(np.zeros(len(rows), dtype=bool)).decode() == lines[0]
    assert records.rows.content(0, len(rows)).decode() == "".join(lines)


def test_a_lone_quote_in_a_file_without_quotes(tmp_path: Path) -> None:
    own = deployment(tmp_path, quote="", delimiter="\t")
    path = landed(tmp_path, "\t".join(NAMES) + '\n1\t1\t2026-01-05T10:00:00\tlogin\t15" screen\n')
    assert values(path, own) == [["1", "1", "2026-01-05T10:00:00", "login", '15" screen']]
    with pytest.raises(RefusedFile, match="stray quote on line 2"):
        values(path, deployment(tmp_path, delimiter="\t"))


def test_a_backslash_before_anything_else_is_a_letter(tmp_path: Path) -> None:
    own = deployment(tmp_path, escape="\\")
    path = landed(tmp_path, ",".join(NAMES) + '\n1,1,2026-01-05,login,"a\\nb\\\\n \\N"\n')
    assert values(path, own)[0][-1] == "a\\nb\\n \\N"


@pytest.mark.parametrize("line", ['1,1,x,login,"open\\"\n', '1,1,x,login,a \\"b\\" c\n'])
def test_what_is_still_odd_is_still_refused(tmp_path: Path, line: str) -> None:
    path = landed(tmp_path, ",".join(NAMES) + "\n" + line)
    with pytest.raises(RefusedFile, match="quote"):
        values(path, deployment(tmp_path, escape="\\"))


def test_an_escape_without_quotes_is_refused_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text('[sources.events]\nquote = ""\nescape = "\\\\"\n')
    with pytest.raises(ChurnError, match="escape stands before quotes"):
        Settings.load(tmp_path)


def test_a_dump_in_such_a_dialect_is_landed_as_it_is(tmp_path: Path) -> None:
    own = deployment(tmp_path / "data", escape="\\")
    rows = [[str(n), "7", f"2026-01-0{n}T10:00:00", "login", 'say "x"\nand \\'] for n in (1, 2, 3)]
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "e.csv").write_text(by_backslash(rows))
    (dump / "u.csv").write_text("user_id,signup_date\n7,2026-01-01\n")
    land_dump(dump / "u.csv", dump / "e.csv", own)
    for row in rows:
        path = own.landing_dir / "events" / f"date={row[2][:10]}" / "events.csv"
        assert path.read_text() == by_backslash([row]) and values(path, own) == [row]


# --- texts that mean no value ---

MISSING = ("\\N", "NULL", "-", "9999-12-31")


@pytest.mark.parametrize("text", [*MISSING, " NULL "])
def test_a_declared_text_is_no_value_in_any_column_of_events(text: str) -> None:
    row = {"event_id": "1", "course_id": text, "watch_minutes": text, "event_type": "video_watch"}
    rules = CleaningRules(missing=MISSING)
    bad = [{"event_id": "2", "user_id": text}, {"event_id": text}, {"event_id": "4", "event_time": text}]
    bad += [{"event_id": "5", "event_type": text}]
    cleaned = clean_events(raw_events(row, *bad), first_day=JAN_5, last_day=JAN_5, rules=rules)
    assert cleaned.accepted["event_id"].tolist() == [1] and cleaned.accepted["course_id"].isna().all()
    assert cleaned.accepted["watch_minutes"].tolist() == [0]
    assert sorted(cleaned.quarantined["reason"]) == ["bad_event_id", "bad_event_time", "bad_event_type", "bad_user_id"]
    whole = clean_events(raw_events(row), first_day=JAN_5, last_day=JAN_5, rules=CleaningRules())
    assert whole.quarantined["reason"].tolist() == ["bad_number"], "nothing is assumed"


def test_of_users_too_and_other_texts_are_as_they_were() -> None:
    rules = CleaningRules(missing=MISSING)
    rows = (
        {"user_id": "1", "country": "\\N"},
        {"user_id": "2", "signup_date": "9999-12-31"},
        {"user_id": "3", "country": "DE"},
    )
    cleaned = clean_users(raw_users(*rows), first_day=JAN_5, last_day=JAN_5, rules=rules)
    assert cleaned.quarantined["reason"].tolist() == ["bad_signup_date"]
    assert cleaned.accepted["country"].tolist() == ["UNKNOWN", "DE"]
