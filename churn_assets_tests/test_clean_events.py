"""clean_events: one outcome per landed row, by a plain-Python oracle and by the numbered cases of BAD_INPUTS.md."""

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
from churn_assets.transforms import Cleaned, CleaningRules, clean_events
from frames import EVENT, PLACE, Row, assert_same_parts, counts_by_file, place, raw_events, records, stacked
from sizes import examples

JAN_5 = date(2026, 1, 5)
PROPERTY = settings(max_examples=examples(40), deadline=None, derandomize=True)

# --- small, nasty worlds ---

LATENESS = 2
WORLD_DAYS = 6
DST_DAYS = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1)]
"""On which New York and Berlin change their clocks."""
TIMES = ["00:00:00", "23:59:59.999999", "12:30", "02:30:00", "01:30:00.5", "23:30:00"]
OFFSETS = ["", "", "Z", "+05:30", "-08:00"]
NASTY: dict[str, list[str | None]] = {
    "event_id": [None, "", "0", "-1", "12.7", "abc", "9223372036854775808", "1\x00", "1.0", " 1 ", "01"],
    "user_id": [None, " ", "0", "-3", "1e3", "9223372036854775807", "2.0", "u\x00"],
    "event_time": [None, "", "yesterday", "2026-02-30T10:00:00", "1767225600", "05/01/2026", "2026-03-29 02:30"],
    "event_type": [None, "", "  ", "LOGIN", " Quiz_Attempt ", "page_view", "video", "payment_failed"],
    "course_id": ["", " c1", "e\u0301", "\u00e9", "c\x00", "c1"],
    "watch_minutes": ["", " ", "-0", "-0.5", "nan", "inf", "1,5", "1e13", "1e2", "abc"],
    "quiz_score": ["", "0", "100", "100.5", "-1", "NaN", "50"],
    "amount": ["", "0", "-5", "9.99", "-inf", "1 000"],
}
GOOD: list[Row] = [
    {"event_type": "login", "course_id": None, "watch_minutes": "0", "quiz_score": None, "amount": None},
    {"event_type": "video_watch", "course_id": "c1", "watch_minutes": "12.7", "quiz_score": None, "amount": None},
    {"event_type": "quiz_attempt", "course_id": "c1", "watch_minutes": None, "quiz_score": "80", "amount": None},
    {"event_type": "payment_success", "course_id": None, "watch_minutes": "0", "quiz_score": None, "amount": "9.99"},
    {"event_type": "page_view", "course_id": None, "watch_minutes": "0", "quiz_score": "7", "amount": "-1"},
]


World = tuple[date, list[Row], CleaningRules]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A first landing day, rows landed on it and the days after, and the deployment's rules."""
    first = draw(st.sampled_from(DST_DAYS)) - timedelta(days=2)
    id_type = draw(st.sampled_from(["integer", "integer", "string"]))
    zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
    rules = CleaningRules(
        user_id_type=id_type,
        event_id_type=id_type,
        source_zone=draw(zones),
        business_zone=draw(zones),
        lateness_days=LATENESS,
        values=draw(st.sampled_from([{}, {"event_type": {"video": "video_watch"}}])),
    )
    day_numbers = st.integers(0, WORLD_DAYS - 1)

    @st.composite
    def events(draw: st.DrawFn) -> Row:
        happened = first + timedelta(days=draw(day_numbers))
        ids = {"event_id": draw(st.sampled_from("123")), "user_id": draw(st.sampled_from("12"))}
        at = f"{happened}T{draw(st.sampled_from(TIMES))}{draw(st.sampled_from(OFFSETS))}"
        return {**draw(st.sampled_from(GOOD)), **ids, "event_time": at, "happened": happened}

    known = draw(st.lists(events(), min_size=1, max_size=4))
    rows = []
    for number in range(draw(st.integers(0, 12))):
        row = dict(draw(st.sampled_from(known)))
        landing = row.pop("happened") + timedelta(days=draw(st.sampled_from([0, 0, 1, 2, 2, 3, -1])))
        landing = min(max(landing, first), first + timedelta(days=WORLD_DAYS - 1))
        if draw(st.integers(0, 2)) == 0:
            column = draw(st.sampled_from(sorted(NASTY)))
            row[column] = draw(st.sampled_from(NASTY[column]))
        if draw(st.integers(0, 20)) == 0:
            row = dict.fromkeys(row) | {"read_error": "malformed_row", "extra": '{"line": "1,2"}'}
        name = draw(st.sampled_from(["a.csv", "b.csv"]))
        row |= {"landing_date": landing, "source_file": f"events/date={landing}/{name}", "source_row": number + 1}
        rows.append(row)
    return first, draw(st.permutations(rows)), rules


def of_world(rows: list[Row], rules: CleaningRules) -> pd.DataFrame:
    return frames.frame("raw_events", rows, id_type=rules.event_id_type, lateness_days=rules.lateness_days)


def parts(raw: pd.DataFrame, first: date, last: date, rules: CleaningRules) -> list[pd.DataFrame]:
    """Accepted, quarantined and reconciliation, in their contracts' types."""
    cleaned = clean_events(raw, first_day=first, last_day=last, rules=rules)
    return frames.typed_parts("events", cleaned, id_type=rules.event_id_type, lateness_days=rules.lateness_days)


@PROPERTY
@given(worlds())
def test_every_row_gets_the_outcome_the_specification_gives_it(world: World) -> None:
    first, rows, rules = world
    last = first + timedelta(days=WORLD_DAYS - 1)
    cleaned = clean_events(of_world(rows, rules), first_day=first, last_day=last, rules=rules)
    declared = {"id_type": rules.event_id_type, "lateness_days": LATENESS}
    accepted, quarantined, reconciliation = frames.admitted_parts("events", cleaned, first, last, **declared)
    days = (first + timedelta(days=n) for n in range(WORLD_DAYS))
    verdicts = [verdict for day in days for verdict in oracles.clean_events(rows, day, rules)]

    expected = {place(v.row): v.clean for v in verdicts if v.outcome == "accepted"}
    assert {place(row): {name: row[name] for name in expected[place(row)]} for row in records(accepted)} == expected
    assert {place(row): row["reason"] for row in records(quarantined)} == {
        place(v.row): v.reason for v in verdicts if v.outcome == "quarantined"
    }
    assert counts_by_file(reconciliation) == oracles.reconciliation(verdicts)
    assert reconciliation["rows_read"].sum() == len(rows)
    frames.assert_kept_whole(quarantined, rows)


@PROPERTY
@given(worlds(), st.integers(0, WORLD_DAYS - 1))
def test_a_day_is_the_same_alone_or_in_a_range_and_whatever_else_was_loaded(world: World, day_number: int) -> None:
    first, rows, rules = world
    day = first + timedelta(days=day_number)
    raw = of_world(rows, rules)
    alone = parts(frames.landed_between(raw, day - timedelta(days=LATENESS), day), day, day, rules)
    assert_same_parts(alone, parts(raw, day, day, rules))
    whole = parts(raw, first, first + timedelta(days=WORLD_DAYS - 1), rules)
    assert_same_parts(alone, [frames.landed_between(part, day, day) for part in whole])


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_a_row_does_not_depend_on_other_event_ids_nor_on_the_order_of_rows(world: World, random: Any) -> None:
    first, rows, rules = world
    last = first + timedelta(days=WORLD_DAYS - 1)
    whole = parts(of_world(rows, rules), first, last, rules)
    shuffled = random.sample(rows, len(rows))
    assert_same_parts(whole, parts(of_world(shuffled, rules), first, last, rules))

    def is_event_1(row: Row) -> bool:
        return oracles.an_id(row["event_id"], rules.event_id_type)[0] in (1, "1")

    split = [[row for row in rows if is_event_1(row) == chosen] for chosen in (True, False)]
    of_each = [parts(of_world(some, rules), first, last, rules) for some in split]
    for n in (0, 1):
        frames.same_rows(whole[n], stacked([of_one[n] for of_one in of_each]), PLACE)


# --- one row of one kind at a time: BAD_INPUTS.md by number ---


def clean(*rows: Row, day: date = JAN_5, last: date | None = None, **rules: Any) -> Cleaned:
    """Clean rows of a day; they must be accounted for and pass the gate."""
    rules_ = dataclasses.replace(CleaningRules(), **rules)
    cleaned = clean_events(raw_events(*rows), first_day=day, last_day=last or day, rules=rules_)
    if rules_.event_id_type == rules_.user_id_type == "integer":
        frames.admitted_parts("events", cleaned, day, last or day)
    frames.assert_accounted_for(cleaned)
    return cleaned


def accepted_row(row: Row, **rules: Any) -> tuple[Row, dict[str, int]]:
    """The one accepted row and its repairs; `watch_minutes` is delivered as 0 unless the row says otherwise."""
    cleaned = clean({"watch_minutes": "0", **row}, **rules)
    assert cleaned.quarantined.empty
    return records(cleaned.accepted)[0], json.loads(cleaned.reconciliation["repairs"].iloc[0])


def reasons(*rows: Row, **rules: Any) -> list[str]:
    return clean(*rows, **rules).quarantined["reason"].tolist()


@pytest.mark.parametrize("column", ["event_id", "user_id", "event_time", "event_type", "course_id", "amount"])
def test_10_a_nul_byte_is_quarantined_and_its_neighbour_is_not(column: str) -> None:
    row = {**EVENT, column: f"{EVENT.get(column, '')}\x00"}
    cleaned = clean({**row, "event_id": row["event_id"] if column == "event_id" else "2"}, {"event_id": "3"})
    assert cleaned.quarantined["reason"].tolist() == ["nul_byte"]
    assert cleaned.quarantined[column].tolist() == [row[column]]
    assert cleaned.accepted["event_id"].tolist() == [3]


@pytest.mark.parametrize("nested", ['{"$oid":"507f1f77bcf86cd799439011"}', '["login"]', "[]", '{"id":7}'])
@pytest.mark.parametrize(
    ("column", "reason"),
    [
        *(("event_id", "bad_event_id"), ("user_id", "bad_user_id"), ("event_time", "bad_event_time")),
        *(("event_type", "bad_event_type"), ("course_id", "bad_value"), ("amount", "bad_number")),
    ],
)
def test_an_object_or_a_list_is_no_value_of_a_contract_column(column: str, reason: str, nested: str) -> None:
    text_ids = {"event_id_type": "string", "user_id_type": "string"}
    raw = frames.frame("raw_events", frames.landed(({**EVENT, column: nested},), "events", EVENT), id_type="string")
    rules = dataclasses.replace(CleaningRules(), **text_ids)  # type: ignore[arg-type]
    cleaned = clean_events(raw, first_day=JAN_5, last_day=JAN_5, rules=rules)
    assert cleaned.quarantined["reason"].tolist() == [reason] and cleaned.quarantined[column].tolist() == [nested]


@pytest.mark.parametrize("text", ["[x]", "{", "[1", "{a}", "x"])
def test_a_text_that_only_begins_like_one_is_a_text(text: str) -> None:
    row, _ = accepted_row({"course_id": text})
    assert row["course_id"] == text


def test_06_a_malformed_row_is_quarantined_as_such() -> None:
    nothing = dict.fromkeys(EVENT)
    assert reasons({**nothing, "read_error": "malformed_row", "extra": '{"line": "1,2"}'}) == ["malformed_row"]


@pytest.mark.parametrize("column", ["event_id", "user_id"])
@pytest.mark.parametrize(("text", "repairs"), [("12.0", 1), ("12.", 1), ("12", 0), (" 12 ", 0), ("0012", 0)])
def test_26_a_whole_decimal_id_is_repaired_and_counted(column: str, text: str, repairs: int) -> None:
    row, counted = accepted_row({column: text})
    assert row[column] == 12
    assert counted == ({"id_written_as_decimal": 1} if repairs else {})


@pytest.mark.parametrize("column", ["event_id", "user_id"])
@pytest.mark.parametrize("text", ["12.7", "", " ", None, "-1", "0", "0.0", "x1", "1e3", "9223372036854775808", "1_0"])
def test_27_what_is_no_id_is_quarantined(column: str, text: str | None) -> None:
    assert reasons({column: text}) == [f"bad_{column}"]


def test_27_the_largest_id_is_exact() -> None:
    assert accepted_row({"event_id": "9223372036854775807"})[0]["event_id"] == 2**63 - 1


@pytest.mark.parametrize("text", ["0007", "7", "6f9619ff-8b86-d011-b42d-00c04fc964ff", " padded ", "12.0", "Ünï", "👍"])
def test_28_text_ids_are_kept_exactly(text: str) -> None:
    row, repairs = accepted_row({"event_id": text, "user_id": text}, event_id_type="string", user_id_type="string")
    assert (row["event_id"], row["user_id"], repairs) == (text, text, {})


def test_28_a_blank_text_id_is_quarantined() -> None:
    assert reasons({"event_id": "  "}, {"event_id": "a"}, event_id_type="string") == ["bad_event_id"]


@pytest.mark.parametrize("column", ["watch_minutes", "quiz_score", "amount"])
@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity", "1,5", "1e13", "twelve", "0x10", "1_000"])
def test_29_what_is_no_finite_number_is_quarantined(column: str, text: str) -> None:
    assert reasons({"event_type": "page_view", column: text}) == ["bad_number"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"event_type": "video_watch", "watch_minutes": "-0.1"}, "negative_minutes"),
        ({"event_type": "quiz_attempt", "quiz_score": "-0.1"}, "score_out_of_range"),
        ({"event_type": "quiz_attempt", "quiz_score": "100.1"}, "score_out_of_range"),
        ({"event_type": "payment_success", "amount": "0"}, "payment_not_positive"),
        ({"event_type": "payment_failed", "amount": "-1"}, "payment_not_positive"),
    ],
)
def test_30_numbers_out_of_their_range_are_quarantined(row: Row, reason: str) -> None:
    assert reasons(row) == [reason]


@pytest.mark.parametrize("score", ["0", "100", " 99.5 "])
def test_30_the_ends_of_the_score_range_are_accepted(score: str) -> None:
    assert accepted_row({"event_type": "quiz_attempt", "quiz_score": score})[0]["quiz_score"] == float(score)


def test_30_a_payment_without_amount_is_accepted_with_null() -> None:
    row, repairs = accepted_row({"event_type": "payment_success", "amount": None})
    assert (row["amount"], repairs) == (None, {})


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_31_null_minutes_become_zero_and_are_counted(missing: str | None) -> None:
    row, repairs = accepted_row({"event_type": "video_watch", "watch_minutes": missing})
    assert (row["watch_minutes"], repairs) == (0.0, {"minutes_missing": 1})


def test_32_a_quiz_attempt_without_score_is_quarantined() -> None:
    assert reasons({"event_type": "quiz_attempt"}) == ["quiz_without_score"]


def test_33_a_score_or_amount_on_an_event_that_has_none_becomes_null_and_is_counted() -> None:
    row, repairs = accepted_row({"event_type": "login", "quiz_score": "150", "amount": "-1"})
    assert (row["quiz_score"], row["amount"]) == (None, None)
    assert repairs == {"score_not_applicable": 1, "amount_not_applicable": 1}


def test_35_an_unknown_event_type_is_kept_with_its_score_and_amount() -> None:
    row, repairs = accepted_row({"event_type": "Refund", "quiz_score": "3", "amount": "-9.99"})
    assert (row["event_type"], row["quiz_score"], row["amount"], repairs) == ("Refund", 3.0, -9.99, {})


@pytest.mark.parametrize("missing", [None, "", " \t"])
def test_35_a_missing_event_type_is_quarantined(missing: str | None) -> None:
    assert reasons({"event_type": missing}) == ["bad_event_type"]


def test_36_a_known_event_type_in_another_case_is_that_type_and_counted() -> None:
    row, repairs = accepted_row({"event_type": " Login"})
    assert (row["event_type"], repairs) == ("login", {"text_normalised": 1})


@pytest.mark.parametrize(
    ("text", "kept", "repairs"),
    [
        (" c1 ", "c1", {"text_normalised": 1}),
        ("Cafe\u0301", "Caf\u00e9", {"text_normalised": 1}),
        ("\U0001f600", "\U0001f600", {}),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd", {}),
        ("  ", None, {}),
    ],
)
def test_38_text_is_trimmed_and_composed_and_otherwise_round_trips(text: str, kept: str | None, repairs: Row) -> None:
    row, counted = accepted_row({"course_id": text})
    assert (row["course_id"], counted) == (kept, repairs)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "=1+1", "+1", "-1", "@SUM(A1)", "&lt;b&gt;"])
def test_56_markup_and_formulas_are_stored_exactly(text: str) -> None:
    row, repairs = accepted_row({"course_id": text})
    assert (row["course_id"], repairs) == (text, {})


@pytest.mark.parametrize("text", ["05/01/2026 10:00", "2026-1-5", "20260105", "yesterday", "now", "", None])
def test_39_a_time_in_another_format_than_declared_is_quarantined(text: str | None) -> None:
    assert reasons({"event_time": text}, {"event_id": "2"}) == ["bad_event_time"]


def test_39_only_the_declared_pattern_is_read() -> None:
    read = {"event_time": "05/01/2026 10:00"}
    assert records(clean(read, timestamp_format="%d/%m/%Y %H:%M").accepted)[0]["event_time"].isoformat() == (
        "2026-01-05T10:00:00"
    )
    for text in ("2026-01-05T10:00:00", "31/02/2026 10:00", "now", "today"):
        assert reasons({"event_time": text}, timestamp_format="%d/%m/%Y %H:%M") == ["bad_event_time"]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-05T10:00:00", "2026-01-05T09:00:00"),  # naive: Berlin is UTC+1 in winter
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00"),
        ("2026-01-05T10:00:00+05:30", "2026-01-05T04:30:00"),
        ("2026-01-05 10:00:00.123456", "2026-01-05T09:00:00.123456"),
        ("2026-01-05T10:00:00.123456789", "2026-01-05T09:00:00.123456"),
    ],
)
def test_40_offsets_are_honoured_and_naive_times_read_in_the_declared_zone(text: str, utc: str) -> None:
    row, _ = accepted_row({"event_time": text}, source_zone="Europe/Berlin")
    assert row["event_time"].isoformat() == utc


@pytest.mark.parametrize("text", ["2026-03-29T02:30:00", "2026-10-25T02:30:00"])
def test_40_a_local_time_that_names_no_single_instant_is_quarantined(text: str) -> None:
    """Berlin skips 02:30 on 29 March and has it twice on 25 October."""
    day = date.fromisoformat(text[:10])
    row = {"event_time": text, "landing_date": day}
    assert reasons(row, day=day, source_zone="Europe/Berlin") == ["bad_event_time"]
    assert reasons(row, day=day, source_zone="UTC") == []


@pytest.mark.parametrize("text", ["1767607200", "1767607200000"])
def test_41_an_epoch_is_read_only_where_it_is_declared(text: str) -> None:
    """1767607200 s = 2026-01-05 10:00 UTC."""
    declared = "epoch_s" if len(text) == 10 else "epoch_ms"
    assert reasons({"event_time": text}) == ["bad_event_time"]
    row, _ = accepted_row({"event_time": text}, timestamp_format=declared)
    assert row["event_time"].isoformat() == "2026-01-05T10:00:00"


def test_42_the_29th_of_february_exists_in_leap_years_only() -> None:
    leap, common = date(2028, 2, 29), date(2026, 3, 1)
    assert len(clean({"event_time": "2028-02-29T10:00:00", "landing_date": leap}, day=leap).accepted) == 1
    assert reasons({"event_time": "2026-02-29T10:00:00", "landing_date": common}, day=common) == ["bad_event_time"]


@pytest.mark.parametrize(
    ("event_time", "outcome"),
    [
        ("2026-01-06T00:00:00", ["future"]),
        ("2026-01-05T23:59:59.999999", []),
        ("2026-01-05T00:00:00", []),
        ("2026-01-02T00:00:00", []),  # 5 - 3 = 2: the last day lateness admits
        ("2026-01-01T23:59:59.999999", ["too_late"]),
    ],
)
def test_43_44_45_46_an_event_is_admitted_from_its_day_to_lateness_days_after(
    event_time: str, outcome: list[str]
) -> None:
    cleaned = clean({"event_time": event_time})
    assert cleaned.quarantined["reason"].tolist() == outcome
    event_dates = [row["event_date"].isoformat() for row in records(cleaned.accepted)]
    assert event_dates == ([] if outcome else [event_time[:10]])


@pytest.mark.parametrize(
    ("event_time", "day"),
    [
        ("2026-03-29T21:59:59Z", "2026-03-29"),  # Berlin's 29 March is 23 hours long: 28T23:00Z to 29T22:00Z
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),
        ("2026-03-28T22:59:59Z", "2026-03-28"),
    ],
)
def test_46_the_business_day_follows_the_clock_change(event_time: str, day: str) -> None:
    landing = date(2026, 3, 30)
    row = {"event_time": event_time, "landing_date": landing}
    accepted = clean(row, day=landing, business_zone="Europe/Berlin").accepted
    assert records(accepted)[0]["event_date"].isoformat() == day


JAN_6, JAN_8, JAN_9 = (date(2026, 1, n) for n in (6, 8, 9))
LATE = {"event_id": "1", "landing_date": JAN_8}


def test_47_a_copy_is_counted_once_kept_and_the_first_landed_wins() -> None:
    cleaned = clean({"course_id": "c"}, {"course_id": " c", "source_file": "a/0.csv", "source_row": 9})
    assert records(cleaned.accepted)[0]["source_file"] == "a/0.csv"  # a/0.csv sorts before events/...
    assert cleaned.reconciliation.set_index("source_file")["rows_duplicate"].to_dict() == {
        "a/0.csv": 0,
        "events/date=2026-01-05/a.csv": 1,
    }


def test_47_a_copy_landed_within_lateness_days_is_a_duplicate_of_the_later_day() -> None:
    cleaned = clean({}, LATE, last=JAN_8)
    assert cleaned.reconciliation["rows_accepted"].tolist() == [1, 0]
    assert cleaned.reconciliation["rows_duplicate"].tolist() == [0, 1]


def test_48_the_same_id_with_another_payload_is_a_conflict() -> None:
    assert reasons({}, {"event_type": "video_watch"}) == ["conflict"]
    assert reasons({}, {**LATE, "user_id": "2"}, day=JAN_8) == ["conflict"]


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "2"},
        {"event_time": "2026-01-05T10:00:00.000001"},
        {"event_type": "page_view"},
        {"course_id": "c2"},
        {"watch_minutes": "0.1"},
        {"quiz_score": "81"},
        {"quiz_score": None, "event_type": "page_view"},
        {"amount": "1"},
    ],
)
def test_48_a_difference_in_any_value_is_a_conflict(change: Row) -> None:
    seen = {"event_type": "Custom", "course_id": "c1", "quiz_score": "80"}
    assert reasons(seen, {**seen, **change}) == ["conflict"]


def test_48_an_id_seen_longer_than_lateness_days_ago_is_forgotten() -> None:
    """Landed on the 5th and the 9th: 9 - 3 = 6, so the 9th knows nothing of the 5th."""
    later = {"landing_date": JAN_9, "event_time": "2026-01-09T10:00:00"}
    assert len(clean({}, later, last=JAN_9).accepted) == 2


def test_48_an_unusable_row_is_no_first_copy() -> None:
    cleaned = clean({"watch_minutes": "-1"}, {"watch_minutes": "1"})
    assert cleaned.quarantined["reason"].tolist() == ["negative_minutes"]
    assert cleaned.accepted["watch_minutes"].tolist() == [1.0]


def test_48_within_the_window_the_first_usable_row_decides_even_if_it_was_itself_a_conflict() -> None:
    """5th: login. 8th: video, a conflict with the 5th. 9th: video, whose window [6, 9] begins with the 8th's row."""
    video = {"event_type": "video_watch", "event_time": "2026-01-08T10:00:00"}
    cleaned = clean({}, {**video, "landing_date": JAN_8}, {**video, "landing_date": JAN_9}, last=JAN_9)
    assert cleaned.quarantined["reason"].tolist() == ["conflict"]
    assert cleaned.reconciliation["rows_duplicate"].tolist() == [0, 0, 1]


def test_the_first_reason_in_the_declared_order_is_the_one_given() -> None:
    assert reasons({"user_id": "x", "event_id": "x", "event_time": "x"}) == ["bad_user_id"]
    assert reasons({"event_type": "quiz_attempt", "event_time": "2026-01-09T10:00:00"}) == ["quiz_without_score"]


def test_a_source_value_is_read_as_the_contract_value_it_maps_to() -> None:
    row, repairs = accepted_row({"event_type": " video "}, values={"event_type": {"video": "video_watch"}})
    assert (row["event_type"], repairs) == ("video_watch", {})


def test_no_rows_give_no_rows_in_the_contracts_types() -> None:
    cleaned = clean()
    assert [len(part) for part in (cleaned.accepted, cleaned.quarantined, cleaned.reconciliation)] == [0, 0, 0]


def test_rows_of_other_days_only_give_no_rows() -> None:
    cleaned = clean({"landing_date": JAN_6, "event_time": "2026-01-06T10:00:00"})
    assert [len(part) for part in (cleaned.accepted, cleaned.quarantined, cleaned.reconciliation)] == [0, 0, 0]
