"""Declared properties and attributes from text to type: what is absent, null, empty, bad, out of range; and where a value is looked for."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.contracts import contracts
from churn_assets.settings import Settings
from churn_assets.transforms import Cleaned, clean_events, clean_users, cleaning_rules
from churn_assets.transforms.paths import value_at
from sizes import examples

DAY = date(2026, 1, 5)
EVENT = {"event_id": "1", "user_id": "1", "event_time": "2026-01-05T10:00:00", "event_type": "play"}
USER = {"user_id": "1", "signup_date": "2026-01-05"}
PLAY = {"name": "play"}


def declared(**tables: Any) -> Settings:
    """A deployment of a product with nothing but what is given."""
    return Settings(product="blank", **tables)


def cleaned(of: Settings, source: str, **said: str | None) -> Cleaned:
    """One row as it landed, cleaned. A key with a dot, or that is no column, is in `extra`."""
    contract = contracts(of)[f"raw_{source}"]
    row = {**(EVENT if source == "events" else USER), **said}
    extra = {name: value for name, value in row.items() if name not in contract.column_names}
    place = {"landing_date": pd.Timestamp(DAY), "source_file": f"{source}/a.csv", "source_row": 1}
    whole = {**row, **place, "extra": json.dumps(extra) if extra else None}
    frame = contract.typed(pd.DataFrame({name: [whole.get(name)] for name in contract.column_names}))
    clean = clean_events if source == "events" else clean_users
    rules = cleaning_rules(of, source)  # type: ignore[arg-type]
    return clean(frame, first_day=DAY, last_day=DAY, rules=rules)


def outcome(found: Cleaned, name: str) -> Any:
    """The value of the accepted row and its repairs, or the reason of the rejected one."""
    if len(found.quarantined):
        return str(found.quarantined["reason"].iloc[0])
    value = found.accepted[name].iloc[0]
    repairs = json.loads(found.reconciliation["repairs"].iloc[0])
    return (None if pd.isna(value) else value), repairs


def of_property(entry: dict[str, Any], text: str | None) -> Any:
    whole = {"name": "p", **entry}
    return outcome(cleaned(declared(properties=(whole,), event_types=(PLAY,)), "events", p=text), "p")


NUMBER, INTEGER, FLAG, LABEL, TEXT, TIME = (
    {"type": kind} for kind in ("number", "integer", "flag", "label", "text", "time")
)


@pytest.mark.parametrize(
    ("entry", "text", "expected"),
    [
        # Absent and empty are no value; what is no number is bad, and only then.
        (NUMBER, None, (None, {})),
        (NUMBER, "", (None, {})),
        (NUMBER, "12.5", (12.5, {})),
        (NUMBER, " 12.5 ", (12.5, {})),
        (NUMBER, "12,5", "bad_number"),
        (NUMBER, "NaN", "bad_number"),
        (NUMBER, "inf", "bad_number"),
        (NUMBER, "true", "bad_number"),
        (NUMBER, "1e13", "bad_number"),
        (NUMBER | {"bad": "null"}, "12,5", (None, {"p_bad": 1})),
        (NUMBER | {"missing": 0}, None, (0, {"p_missing": 1})),
        (NUMBER | {"missing": 0}, "0", (0, {})),
        (NUMBER | {"missing": 0, "bad": "null"}, "x", (0, {"p_bad": 1, "p_missing": 1})),
        (NUMBER | {"limits": [0, 10]}, "10", (10, {})),
        (NUMBER | {"limits": [0, 10]}, "10.001", "p_out_of_range"),
        (NUMBER | {"limits": [0, 10], "bad": "null"}, "-1", (None, {"p_bad": 1})),
        (NUMBER | {"limits": [0, 10], "names": {"out_of_range": "odd_p"}}, "-1", "odd_p"),
        (NUMBER | {"scale": "1/1000"}, "2500", (2.5, {})),
        (NUMBER | {"scale": "1/1000", "limits": [0, 2]}, "2500", "p_out_of_range"),
        # Whole numbers to the last digit.
        (INTEGER, "9007199254740993", (9007199254740993, {})),
        (INTEGER, "-9223372036854775808", (-9223372036854775808, {})),
        (INTEGER, "9223372036854775808", "bad_number"),
        (INTEGER, "12.0", (12, {})),
        (INTEGER, "12.5", "bad_number"),
        (INTEGER, "+7", (7, {})),
        (INTEGER, "", (None, {})),
        (INTEGER | {"limits": [0, 9]}, "10", "p_out_of_range"),
        # Flags as texts write them; what is no flag is not false.
        (FLAG, "Yes", (True, {})),
        (FLAG, "0", (False, {})),
        (FLAG, "1.0", (True, {})),
        (FLAG, None, (None, {})),
        (FLAG, "maybe", "bad_flag"),
        (FLAG | {"bad": "null"}, "2", (None, {"p_bad": 1})),
        (FLAG | {"missing": False}, None, (False, {"p_missing": 1})),
        # Labels and texts.
        (LABEL, " a\u0301 ", ("á", {"text_normalised": 1})),
        (LABEL | {"case": "lower"}, "Pro", ("pro", {"text_normalised": 1})),
        (LABEL | {"missing": "none"}, " ", ("none", {"p_missing": 1})),
        (TEXT, " as it is ", (" as it is ", {})),
        (TEXT, "  ", (None, {})),
        # Times in the declared format; a day that is none is bad.
        (TIME, "2026-01-05T23:30:00-02:00", (datetime(2026, 1, 6, 1, 30), {})),
        (TIME, "2026-02-30T10:00:00", "bad_time"),
        (TIME, None, (None, {})),
    ],
)
def test_a_property_is_read_by_its_declaration(entry: dict[str, Any], text: str | None, expected: Any) -> None:
    assert of_property(entry, text) == expected


@pytest.mark.parametrize(
    ("entry", "text", "expected"),
    [
        ({"type": "label", "values": ["solo"], "missing": "none"}, "gold", ("none", {"a": 1})),
        ({"type": "label", "missing": "none"}, "none", ("none", {})),
        ({"type": "label", "missing": "none"}, None, ("none", {"a": 1})),
        ({"type": "label"}, None, (None, {})),
        ({"type": "label", "words": ["na"]}, "na", ("na", {})),
        ({"type": "label"}, "n/a", (None, {"a": 1})),
        ({"type": "integer"}, "7", (7, {})),
        ({"type": "integer"}, "7.5", (None, {"a": 1})),
        ({"type": "integer", "limits": [1, 5], "missing": 1}, "9", (1, {"a": 1})),
        ({"type": "number"}, "12,5", (None, {"a": 1})),
        ({"type": "flag", "missing": False}, "?", (False, {"a": 1})),
        ({"type": "date"}, "2026-01-31", (pd.Timestamp("2026-01-31"), {})),
        ({"type": "date"}, "31.01.2026", (None, {"a": 1})),
    ],
)
def test_an_attribute_never_costs_a_user(entry: dict[str, Any], text: str | None, expected: Any) -> None:
    found = cleaned(declared(attributes=({"name": "a", **entry},)), "users", a=text)
    assert outcome(found, "a") == expected


def test_an_event_type_keeps_needs_and_wants_positive_what_it_says() -> None:
    types = ({"name": "play", "keeps": ["seconds"], "needs": ["seconds"]}, {"name": "sale", "positive": ["amount"]})
    of = declared(
        properties=({"name": "seconds", "type": "number"}, {"name": "amount", "type": "number"}), event_types=types
    )
    assert outcome(cleaned(of, "events", seconds="5", amount="9"), "amount") == (None, {"amount_not_applicable": 1})
    assert outcome(cleaned(of, "events", amount="9"), "amount") == "play_without_seconds"
    assert outcome(cleaned(of, "events", event_type="sale", amount="0"), "amount") == "sale_amount_not_positive"
    assert outcome(cleaned(of, "events", event_type="sale"), "amount") == (None, {})
    assert outcome(cleaned(of, "events", event_type="other", amount="-1"), "amount") == (-1, {}), "of no declared type"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"properties": '{"price": 9.50}'}, (9.5, {})),
        ({"properties": '{"price": "9.50"}'}, (9.5, {})),
        ({"properties": '{"price": null}'}, (None, {})),
        ({"properties": "{}"}, (None, {})),
        ({"properties": '{"price": ""}'}, (None, {})),
        ({"properties": None}, (None, {})),
        ({}, (None, {})),
        ({"properties": "no json"}, (None, {})),
        # An object or a list where a number should stand is of a wrong type, and so is a list on the way.
        ({"properties": '{"price": {"value": 9}}'}, "bad_number"),
        ({"properties": '{"price": [9]}'}, "bad_number"),
        ({"properties": '[{"price": 9}]'}, "bad_number"),
    ],
)
def test_a_path_leads_into_json_and_absent_null_empty_and_wrong_are_told_apart(
    said: dict[str, Any], expected: Any
) -> None:
    of = declared(properties=({"name": "price", "type": "number", "from": "properties.price"},), event_types=(PLAY,))
    assert outcome(cleaned(of, "events", **said), "price") == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text("ab", max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(
    st.lists(st.dictionaries(st.sampled_from("xyz"), JSON, max_size=3), max_size=5),
    st.lists(st.sampled_from("xyz"), min_size=1, max_size=3),
)
def test_a_path_finds_what_walking_the_json_finds(objects: list[dict[str, Any]], keys: list[str]) -> None:
    def walked(value: Any) -> tuple[str | None, bool]:
        for key in keys:
            if isinstance(value, list):
                return None, True
            if not isinstance(value, dict) or key not in value:
                return None, False
            value = value[key]
        if isinstance(value, (dict, list)):
            return None, True
        return (None if value is None else str(value).lower() if isinstance(value, bool) else str(value)), False

    raw = pd.DataFrame({"extra": pd.array([json.dumps(each) for each in objects], dtype="string[pyarrow]")})
    texts, nested = value_at(raw, ("extra", *keys), "text")
    found = [(None if pd.isna(text) else text, bool(wrong)) for text, wrong in zip(texts, nested, strict=True)]
    assert found == [walked(each) for each in objects]
