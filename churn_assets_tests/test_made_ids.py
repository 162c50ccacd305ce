"""event_id_from: ids made of declared columns, the same wherever and however a row is delivered."""

from __future__ import annotations

import json
from datetime import date
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from churn_assets.contracts import contracts
from churn_assets.contracts.base import Kind
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import read_file
from churn_assets.landing.dump import land_dump
from churn_assets.settings import Settings
from churn_assets.transforms import clean_events, cleaning_rules
from delivered import FORMATS, TEXT_FORMATS, raw_frame, written
from sizes import examples

PROPERTY = settings(max_examples=examples(25), deadline=None, derandomize=True)
DAY = date(2026, 1, 5)
PARTS = ["user_id", "event_time", "event_type", "item"]
EVENT = {"user_id": "1", "event_time": "2026-01-05T10:00:00", "event_type": "login", "item": "a"}
numbers = count()


def deployment(**events: Any) -> Settings:
    return Settings(start_date=DAY, sources={"events": {"event_id_from": PARTS, **events}})  # type: ignore[arg-type]


def delivered(folder: Path, content: bytes, suffix: str, of: Settings) -> pd.DataFrame:
    """raw_events of one file landed on DAY."""
    path = folder / "events" / f"date={DAY}" / f"{next(numbers)}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    own, product = of.sources.events, of.declaration
    read = read_file(path, source="events", settings=own, product=product, landing_dir=folder, erased=None)
    return raw_frame(contracts(of)["raw_events"], read, DAY)


def ids_of(
    folder: Path, rows: list[dict[str, str | None]], suffix: str, of: Settings | None = None
) -> list[str | None]:
    found = delivered(folder, written(rows, suffix), suffix, of or deployment())["event_id"]
    return [None if pd.isna(one) else one for one in found]


def oracle(row: dict[str, str | None], *, is_csv: bool) -> str | None:
    """Each text after its length in bytes, null as a dash. CSV has no null but the empty text."""
    values = [(row[name] or "") if is_csv else row[name] for name in PARTS]
    if not any(values):
        return None
    joined = "".join("-" if value is None else f"{len(value.encode())}:{value}" for value in values)
    return blake2b(joined.encode(), digest_size=16).hexdigest()


texts = st.sampled_from(["", "a", "ab", "b", "1:", "-", "1:a", "ü", "2026-01-05T10:00:00", " a"])
rows_of_events = st.lists(
    st.tuples(*[st.none() | texts] * (len(PARTS) + 1)).map(lambda row: dict(zip([*PARTS, "note"], row, strict=True))),
    min_size=1,
    max_size=8,
)


@PROPERTY
@given(rows=rows_of_events, suffix=st.sampled_from(FORMATS), data=st.data())
def test_an_id_says_which_texts_the_named_columns_have_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str | None]], suffix: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "made_ids"
    expected = [oracle(row, is_csv=suffix.startswith("csv")) for row in rows]
    assert ids_of(folder, rows, suffix) == expected

    order = data.draw(st.permutations(range(len(rows))))
    shuffled = [{**rows[n], "note": "another"} for n in order]
    assert ids_of(folder, shuffled, suffix) == [expected[n] for n in order]
    cut = data.draw(st.integers(0, len(rows)))
    parts = [part for part in (rows[:cut], rows[cut:]) if part]
    assert [one for part in parts for one in ids_of(folder, part, suffix)] == expected


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_without_a_named_column_is_refused_by_its_name(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, str | None]] = [{name: value for name, value in EVENT.items() if name != "item"}]
    with pytest.raises(RefusedFile, match=r"lacks 'item', and event_id_from makes the ids of events of it; deliver it"):
        ids_of(tmp_path, rows, suffix)


def test_a_key_that_no_line_of_a_day_has_is_null(tmp_path: Path) -> None:
    without: list[dict[str, str | None]] = [{name: value for name, value in EVENT.items() if name != "item"}]
    assert ids_of(tmp_path, without, "jsonl") == [oracle({**EVENT, "item": None}, is_csv=False)]


def test_a_dump_in_which_no_line_has_the_key_is_refused(tmp_path: Path) -> None:
    users, events = tmp_path / "u.csv", tmp_path / "e.jsonl"
    users.write_text("user_id,signup_date\n1,2026-01-05\n")
    events.write_text(json.dumps({name: value for name, value in EVENT.items() if name != "item"}) + "\n")
    with pytest.raises(ChurnError, match="lacks 'item'"):
        land_dump(users, events, deployment().model_copy(update={"data_dir": tmp_path / "data"}))
    events.write_text(events.read_text() + json.dumps({**EVENT, "event_time": "2026-01-06T00:00:00"}) + "\n")
    landed = land_dump(users, events, deployment().model_copy(update={"data_dir": tmp_path / "data"}))
    assert (landed.days, landed.event_rows) == (2, 2)


def test_an_alias_of_a_named_column_is_that_column(tmp_path: Path) -> None:
    of = deployment(columns={"user_id": ["visitor"]})
    row: dict[str, str | None] = {**EVENT, "visitor": EVENT["user_id"]}
    del row["user_id"]
    assert ids_of(tmp_path, [row], "csv", of) == [oracle(dict(EVENT), is_csv=True)]


@pytest.mark.parametrize("suffix", TEXT_FORMATS)
def test_a_delivered_event_id_is_one_more_column_which_ids_can_be_made_of(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, str | None]] = [{"event_id": "7", **EVENT}, {"event_id": "8", **EVENT}]
    raw = delivered(tmp_path, written(rows, suffix), suffix, deployment())
    assert raw["event_id"].tolist() == [oracle(dict(EVENT), is_csv=False)] * 2
    assert [json.loads(text)["event_id"] for text in raw["extra"]] == ["7", "8"]
    per_user = deployment(event_id_from=["user_id", "event_id"])
    assert len(set(ids_of(tmp_path, rows, suffix, per_user))) == 2


def test_ids_are_texts_whatever_id_type_says() -> None:
    for id_type in ("integer", "string"):
        tables = contracts(deployment(id_type=id_type))
        assert tables["clean_events"].column("event_id").kind is Kind.TEXT
        assert tables["unmatched_events"].column("event_id").kind is Kind.TEXT


def test_copies_are_duplicates_others_with_the_id_conflict_and_a_row_without_any_part_has_no_id(tmp_path: Path) -> None:
    of = deployment(event_id_from=["item"])
    rows: list[dict[str, str | None]] = [dict(EVENT), dict(EVENT), {**EVENT, "event_type": "page_view"}]
    rows += [{**EVENT, "item": None}, {**EVENT, "item": "b"}]
    raw = delivered(tmp_path, written(rows, "jsonl"), "jsonl", of)
    done = clean_events(raw, first_day=DAY, last_day=DAY, rules=cleaning_rules(of, "events"))
    assert done.accepted["source_row"].tolist() == [1, 5]
    assert done.reconciliation["rows_duplicate"].tolist() == [1]
    assert dict(zip(done.quarantined["source_row"], done.quarantined["reason"], strict=True)) == {
        3: "conflict",
        4: "bad_event_id",
    }


def test_a_name_for_event_id_contradicts_making_it() -> None:
    with pytest.raises(ValidationError, match="columns names event_id, which event_id_from makes of others"):
        deployment(columns={"event_id": ["id"]})
