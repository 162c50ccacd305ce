"""clean_users: one outcome per landed row, held against the plain-Python oracle and against BAD_INPUTS.md by number."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frames
import oracles
from churn_assets.transforms import Cleaned, CleaningRules, clean_users
from e_learning import PRODUCT
from frames import Row, assert_same_parts, counts_by_file, place, raw_users, records, stacked
from sizes import examples

JAN_5, JAN_6, JAN_7 = (date(2026, 1, n) for n in (5, 6, 7))
PLANS = ("free", "trial", "pro")
SELLING = dataclasses.replace(
    PRODUCT,
    attributes=tuple(a.model_copy(update={"values": PLANS}) if a.name == "plan" else a for a in PRODUCT.attributes),
)
PROPERTY = settings(max_examples=examples(35), deadline=None, derandomize=True)

# --- small, nasty worlds ---

WORLD_DAYS = 4
FIRST = date(2026, 3, 28)
"""The day before Berlin skips an hour."""
NASTY: dict[str, list[str | None]] = {
    "user_id": [None, "", "0", "-1", "12.7", "x", "9223372036854775808", "1\x00", "1.0", " 1 ", "01"],
    "signup_date": [None, "", "2026-02-30", "1969-12-31", "28/03/2026", "2026-03-29 02:30", "2026-03-27"],
    "plan": [None, "", "PRO", " Free", "gold", "N/A", "unknown", "p\x00"],
    "is_paid": [None, "", "yes", "TRUE", "0", "maybe", "2"],
    "country": [None, "", "de", " De", "na", "NA", "n/a", "UNKNOWN", "e\u0301", "\u0390", "\u00df"],
    "marketing_source": [None, "", "ADS", "Unknown", "none", "\u0130", "\U0001f600", "=1+1"],
}
GOOD: list[Row] = [
    {"plan": "free", "is_paid": "false", "country": "DE", "marketing_source": "ads"},
    {"plan": "pro", "is_paid": "true", "country": "US", "marketing_source": "seo"},
]
SIGNUPS = ["2026-03-28", "2026-03-29T23:30:00", "2026-03-27T23:30:00Z", "2026-03-28T01:00:00+05:30", "2026-04-02"]
World = tuple[list[Row], CleaningRules]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Rows landed on the world's days, in no order, and the deployment's rules."""
    zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
    rules = CleaningRules(
        user_id_type=draw(st.sampled_from(["integer", "integer", "string"])),
        source_zone=draw(zones),
        business_zone=draw(zones),
        product=SELLING,
        values=draw(st.sampled_from([{}, {"plan": {"gold": "pro"}}])),
    )
    known = [row | {"signup_date": draw(st.sampled_from(SIGNUPS))} for row in GOOD]
    rows = []
    for number in range(draw(st.integers(0, 12))):
        row = draw(st.sampled_from(known)) | {"user_id": draw(st.sampled_from("12"))}
        if draw(st.integers(0, 2)) == 0:
            column = draw(st.sampled_from(sorted(NASTY)))
            row[column] = draw(st.sampled_from(NASTY[column]))
        if draw(st.integers(0, 20)) == 0:
            row = dict.fromkeys(row) | {"read_error": "malformed_row", "extra": '{"line": "1,2"}'}
        landing = FIRST + timedelta(days=draw(st.integers(0, WORLD_DAYS - 1)))
        name = draw(st.sampled_from(["a.csv", "b.csv"]))
        row |= {"landing_date": landing, "source_file": f"users/date={landing}/{name}", "source_row": number + 1}
        rows.append(row)
    return draw(st.permutations(rows)), rules


DAYS = [FIRST + timedelta(days=n) for n in range(WORLD_DAYS)]


def of_world(rows: list[Row], rules: CleaningRules) -> pd.DataFrame:
    return frames.frame("raw_users", rows, id_type=rules.user_id_type)


def parts(raw: pd.DataFrame, first: date, last: date, rules: CleaningRules) -> list[pd.DataFrame]:
    """Accepted, quarantined and reconciliation, in their contracts' types."""
    cleaned = clean_users(raw, first_day=first, last_day=last, rules=rules)
    return frames.typed_parts("users", cleaned, id_type=rules.user_id_type)


@PROPERTY
@given(worlds())
def test_every_row_gets_the_outcome_the_specification_gives_it(world: World) -> None:
    rows, rules = world
    cleaned = clean_users(of_world(rows, rules), first_day=DAYS[0], last_day=DAYS[-1], rules=rules)
    published = frames.admitted_parts("users", cleaned, DAYS[0], DAYS[-1], id_type=rules.user_id_type)
    accepted, quarantined, reconciliation = published
    verdicts = [verdict for day in DAYS for verdict in oracles.clean_users(rows, day, rules)]

    expected = {place(v.row): v.clean for v in verdicts if v.outcome == "accepted"}
    assert {place(row): {name: row[name] for name in expected[place(row)]} for row in records(accepted)} == expected
    assert {place(row): row["reason"] for row in records(quarantined)} == {
        place(v.row): v.reason for v in verdicts if v.outcome == "quarantined"
    }
    assert counts_by_file(reconciliation) == oracles.reconciliation(verdicts)
    assert reconciliation["rows_read"].sum() == len(rows)
    frames.assert_kept_whole(quarantined, rows)


@PROPERTY
@given(worlds(), st.sampled_from(DAYS))
def test_a_day_is_the_same_alone_or_in_a_range_and_whatever_else_was_loaded(world: World, day: date) -> None:
    rows, rules = world
    raw = of_world(rows, rules)
    alone = parts(frames.landed_between(raw, day - timedelta(days=1), day), day, day, rules)
    assert_same_parts(alone, parts(raw, day, day, rules))
    whole = parts(raw, DAYS[0], DAYS[-1], rules)
    assert_same_parts(alone, [frames.landed_between(part, day, day) for part in whole])


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_a_row_does_not_depend_on_other_users_nor_on_the_order_of_rows(world: World, random: Any) -> None:
    rows, rules = world
    whole = parts(of_world(rows, rules), DAYS[0], DAYS[-1], rules)
    shuffled = of_world(random.sample(rows, len(rows)), rules)
    assert_same_parts(whole, parts(shuffled, DAYS[0], DAYS[-1], rules))

    def is_user_1(row: Row) -> bool:
        return oracles.an_id(row["user_id"], rules.user_id_type)[0] in (1, "1")

    split = [[row for row in rows if is_user_1(row) == chosen] for chosen in (True, False)]
    of_each = [parts(of_world(some, rules), DAYS[0], DAYS[-1], rules) for some in split]
    for n in (0, 1):
        frames.same_rows(whole[n], stacked([of_one[n] for of_one in of_each]), frames.PLACE)


@PROPERTY
@given(st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_cleaned_text_is_clean_it_comes_out_the_same_when_cleaned_again(texts: list[str]) -> None:
    def cleaned(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
        rows = [{"user_id": str(n), "country": a, "marketing_source": b} for n, (a, b) in enumerate(texts, 1)]
        accepted = clean_users(raw_users(*rows), first_day=JAN_5, last_day=JAN_5, rules=CleaningRules()).accepted
        return list(zip(accepted["country"], accepted["marketing_source"], strict=True))

    once = cleaned([(text, text) for text in texts if "\x00" not in text])
    assert cleaned(once) == once


# --- one row of one kind at a time: BAD_INPUTS.md by number ---


def clean(*rows: Row, day: date = JAN_5, last: date | None = None, **rules: Any) -> Cleaned:
    """Clean rows of a day; they must be accounted for and pass the gate."""
    rules_ = dataclasses.replace(CleaningRules(product=SELLING), **rules)
    raw = (
        frames.frame("raw_users", frames.landed(rows, "users", frames.USER), id_type="string")
        if rules_.user_id_type == "string"
        else raw_users(*rows)
    )
    cleaned = clean_users(raw, first_day=day, last_day=last or day, rules=rules_)
    frames.admitted_parts("users", cleaned, day, last or day, id_type=rules_.user_id_type)
    frames.assert_accounted_for(cleaned)
    return cleaned


def accepted_row(row: Row, **rules: Any) -> tuple[Row, dict[str, int]]:
    """The one accepted row and its repairs."""
    cleaned = clean(row, **rules)
    assert cleaned.quarantined.empty
    return records(cleaned.accepted)[0], json.loads(cleaned.reconciliation["repairs"].iloc[0])


def reasons(*rows: Row, **rules: Any) -> list[str]:
    return clean(*rows, **rules).quarantined["reason"].tolist()


@pytest.mark.parametrize("column", ["user_id", "signup_date", "plan", "is_paid", "country", "marketing_source"])
def test_10_a_nul_byte_is_quarantined_and_its_neighbour_is_not(column: str) -> None:
    cleaned = clean({column: "x\x00y"}, {"user_id": "2"})
    assert cleaned.quarantined["reason"].tolist() == ["nul_byte"]
    assert cleaned.quarantined[column].tolist() == ["x\x00y"]
    assert cleaned.accepted["user_id"].tolist() == [2]


def test_26_a_whole_decimal_id_is_repaired_and_counted() -> None:
    row, repairs = accepted_row({"user_id": "12.0"})
    assert (row["user_id"], repairs) == (12, {"id_written_as_decimal": 1})


@pytest.mark.parametrize("text", ["12.7", "", " ", None, "-1", "0", "x1", "9223372036854775808"])
def test_27_what_is_no_id_is_quarantined(text: str | None) -> None:
    assert reasons({"user_id": text}) == ["bad_user_id"]


@pytest.mark.parametrize("text", ["0007", "6f9619ff-8b86-d011-b42d-00c04fc964ff", " padded ", "12.0"])
def test_28_text_ids_are_kept_exactly(text: str) -> None:
    row, repairs = accepted_row({"user_id": text}, user_id_type="string")
    assert (row["user_id"], repairs) == (text, {})


@pytest.mark.parametrize(
    ("column", "text", "kept"),
    [
        ("plan", "PRO", "pro"),
        ("plan", " pro ", "pro"),
        ("plan", None, "unknown"),
        ("plan", "", "unknown"),
        ("plan", "gold", "unknown"),
        ("plan", "N/A", "unknown"),
        ("country", "de", "DE"),
        ("country", None, "UNKNOWN"),
        ("country", "null", "UNKNOWN"),
        ("country", "unknown", "UNKNOWN"),
        ("country", "na", "NA"),
        ("marketing_source", "ADS", "ads"),
        ("marketing_source", "-", "unknown"),
        ("marketing_source", "Cafe\u0301", "caf\u00e9"),
    ],
)
def test_36_38_an_odd_attribute_is_repaired_and_counted_and_never_costs_the_user(
    column: str, text: str | None, kept: str
) -> None:
    row, repairs = accepted_row({column: text})
    assert (row[column], repairs) == (kept, {column: 1})


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("plan", "trial"),
        ("plan", "unknown"),
        ("country", "NA"),
        ("country", "UNKNOWN"),
        ("marketing_source", "\U0001f600"),
        ("marketing_source", "\u05e9\u05dc\u05d5\u05dd"),
        ("marketing_source", "<b>=1+1</b>"),
        ("marketing_source", "=1+1"),
        ("marketing_source", "@sum"),
    ],
)
def test_38_56_what_is_in_order_is_stored_exactly_and_is_no_repair(column: str, text: str) -> None:
    """NA is Namibia, not "not available"."""
    row, repairs = accepted_row({column: text})
    assert (row[column], repairs) == (text, {})


@pytest.mark.parametrize(
    ("plan", "is_paid", "paid", "repairs"),
    [
        ("free", "true", True, {}),
        ("pro", "0", False, {}),
        ("pro", "YES", True, {}),
        ("pro", None, True, {"is_paid": 1}),
        ("pro", "maybe", True, {"is_paid": 1}),
        ("free", None, False, {"is_paid": 1}),
        ("trial", "", False, {"is_paid": 1}),
        ("gold", "", False, {"is_paid": 1, "plan": 1}),
    ],
)
def test_37_is_paid_is_what_the_source_says_and_only_derived_where_it_says_nothing(
    plan: str, is_paid: str | None, paid: bool, repairs: Row
) -> None:
    row, counted = accepted_row({"plan": plan, "is_paid": is_paid})
    assert (row["is_paid"], counted) == (paid, repairs)


@pytest.mark.parametrize(
    "text", [None, "", "05/01/2026", "2026-1-5", "2026-02-30", "2026-02-29", "1969-12-31", "1767571200", "today"]
)
def test_39_41_42_a_signup_date_that_is_none_is_quarantined(text: str | None) -> None:
    assert reasons({"signup_date": text}, {"user_id": "2"}) == ["bad_signup_date"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", "1970-01-01"),
        ("2024-02-29", "2024-02-29"),
        (" 2026-01-05 ", "2026-01-05"),
        ("2026-01-05T23:30:00", "2026-01-05"),  # 22:30 UTC
        ("2026-01-05T00:30:00", "2026-01-04"),  # 23:30 UTC the day before
        ("2026-01-05T00:30:00Z", "2026-01-05"),
    ],
)
def test_40_a_bare_signup_date_is_that_day_and_a_timestamp_the_business_day_of_its_instant(text: str, day: str) -> None:
    row, _ = accepted_row({"signup_date": text}, source_zone="Europe/Berlin", business_zone="UTC")
    assert row["signup_date"].isoformat() == day


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_40_a_bare_date_in_a_declared_pattern_is_that_day_in_whatever_zone(zone: str) -> None:
    row, _ = accepted_row({"signup_date": "05/01/2026"}, timestamp_format="%d/%m/%Y", source_zone=zone)
    assert row["signup_date"] == JAN_5


@pytest.mark.parametrize("text", ["now", "today", "NaT", "2026-01-05"])
def test_39_a_declared_pattern_never_reads_the_clock(text: str) -> None:
    assert reasons({"signup_date": text}, timestamp_format="%d/%m/%Y") == ["bad_signup_date"]


def test_50_of_a_user_twice_in_a_day_the_first_is_kept_copies_counted_and_others_quarantined() -> None:
    cleaned = clean({}, {"plan": "FREE"}, {"plan": "pro"}, {"user_id": "2"})
    assert cleaned.accepted["source_row"].tolist() == [1, 4]
    assert cleaned.reconciliation["rows_duplicate"].tolist() == [1]  # FREE is free
    assert cleaned.quarantined[["source_row", "reason"]].to_numpy().tolist() == [[3, "conflict"]]


def test_50_the_first_is_by_file_name_and_row_number_not_by_place_in_the_frame() -> None:
    cleaned = clean({"source_file": "users/b.csv"}, {"source_file": "users/a.csv", "plan": "pro"})
    assert cleaned.accepted["plan"].tolist() == ["pro"]


def test_51_52_a_snapshot_row_equal_to_the_day_befores_is_unchanged_and_not_stored() -> None:
    """5th: free. 6th: free again, unchanged. 7th: pro, a new version."""
    rows = ({}, {"landing_date": JAN_6}, {"landing_date": JAN_7, "plan": "pro"})
    cleaned = clean(*rows, last=JAN_7)
    assert cleaned.accepted["plan"].tolist() == ["free", "pro"]
    assert cleaned.reconciliation["rows_unchanged"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"signup_date": "2026-01-04"},
        {"plan": "pro"},
        {"is_paid": "true"},
        {"country": "US"},
        {"marketing_source": "seo"},
    ],
)
def test_51_a_row_that_differs_in_any_attribute_from_the_day_befores_is_a_version(change: Row) -> None:
    assert len(clean({}, {"landing_date": JAN_6, **change}, last=JAN_6).accepted) == 2
    assert reasons({}, change) == ["conflict"]


def test_52_after_a_day_without_the_user_an_equal_row_is_stored_again() -> None:
    """History is finite: the 7th looks at the 6th only."""
    assert len(clean({}, {"landing_date": JAN_7}, last=JAN_7).accepted) == 2


def test_51_unchanged_is_judged_against_what_was_kept_of_the_day_before() -> None:
    """5th: free kept, pro quarantined as a conflict. 6th: pro differs from what was kept, so it is a version."""
    cleaned = clean({}, {"plan": "pro"}, {"plan": "pro", "landing_date": JAN_6}, last=JAN_6)
    assert cleaned.accepted["plan"].tolist() == ["free", "pro"]
    assert cleaned.quarantined["reason"].tolist() == ["conflict"]


def test_a_malformed_row_is_quarantined_as_such() -> None:
    nothing = dict.fromkeys(frames.USER)
    assert reasons({**nothing, "read_error": "malformed_row", "extra": '{"line": "1,2"}'}) == ["malformed_row"]


def test_what_is_outside_the_contract_never_leaves_extra() -> None:
    cleaned = clean({"extra": '{"engagement_score": "0.9"}'})
    assert "extra" not in cleaned.accepted and "engagement_score" not in cleaned.accepted


def test_no_rows_give_no_rows_in_the_contracts_types() -> None:
    cleaned = clean()
    assert [len(part) for part in (cleaned.accepted, cleaned.quarantined, cleaned.reconciliation)] == [0, 0, 0]
