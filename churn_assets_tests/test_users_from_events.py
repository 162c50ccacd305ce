"""Users made of their events: who exists since when, and what was last said of them; by hand and by oracle."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from churn_assets.calendar import DayRange
from churn_assets.contracts import contracts
from churn_assets.contracts.lineage import column_lineage
from churn_assets.errors import ChurnError
from churn_assets.product import read_product
from churn_assets.settings import Settings
from churn_assets.transforms import (
    clean_events,
    cleaning_rules,
    rules_of_made_users,
    unmatched_events,
    user_day_grid,
    users_from_events,
)
from churn_assets.warehouse.gate import admit
from frames import Row, landed, records, same_rows, stacked
from sizes import examples

PROPERTY = settings(max_examples=examples(30), deadline=None, derandomize=True)
LATENESS, FIRST, LAST = 2, 3, 9
SETTINGS = Settings(
    data_dir=Path(__file__).parent / "products",
    product="tickets",
    lateness_days=LATENESS,
    sources={"users": {"from_events": True}},  # type: ignore[arg-type]
)
CONTRACTS, RULES, PRODUCT = contracts(SETTINGS), rules_of_made_users(SETTINGS), SETTINGS.declaration
SAID = ("plan", "is_paying", "seats", "budget", "renewal_day")


def jan(day: int) -> date:
    return date(2026, 1, 1) + timedelta(days=day - 1)


def frame(table: str, rows: list[Row]) -> pd.DataFrame:
    contract = CONTRACTS[table]
    return contract.typed(pd.DataFrame({name: [row.get(name) for row in rows] for name in contract.column_names}))


def users_of(events: list[Row]) -> pd.DataFrame:
    """clean_users of the landing days of the events, each computed by itself."""
    contract, made = CONTRACTS["clean_users"], []
    for day in sorted({row["landing_date"] for row in events}) or [jan(1)]:
        of_day = frame("clean_events", [row for row in events if row["landing_date"] == day])
        made.append(contract.typed(users_from_events(of_day, rules=RULES)))
        admit(contract, made[-1], DayRange(day, day))
    return contract.typed(stacked(made))


def grid_of(users: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    made = user_day_grid(
        users,
        first_day=jan(first),
        last_day=jan(last),
        lateness_days=LATENESS,
        attributes=PRODUCT.attributes,
        users_are="from_events",
    )
    typed = CONTRACTS["user_day_grid"].typed(made)
    admit(CONTRACTS["user_day_grid"], typed, DayRange(jan(first), jan(last)))
    return typed


# --- against the oracle ---


@st.composite
def worlds(draw: st.DrawFn) -> list[Row]:
    """Accepted events of a few users, late ones among them, which say something of the user or nothing."""
    events = []
    for number in range(1, draw(st.integers(0, 14)) + 1):
        day = draw(st.integers(1, 9))
        at = datetime.combine(jan(day), datetime.min.time()) + timedelta(hours=draw(st.sampled_from([0, 8, 8, 20])))
        row = {"event_id": number, "user_id": draw(st.integers(1, 3)), "event_type": "open", "event_time": at}
        row |= {"event_date": jan(day), "landing_date": jan(day + draw(st.integers(0, LATENESS)))}
        row |= {"plan": draw(st.sampled_from([None, None, "free", "PRO", "n/a", "gold"]))}
        row |= {"is_paying": draw(st.sampled_from([None, None, True, False]))}
        row |= {"seats": draw(st.sampled_from([None, 3, 4, 501])), "spend": draw(st.sampled_from([None, 0.1, -2.0]))}
        row |= {"renewal_day": draw(st.sampled_from([None, "2026-03-01", "2026-04-01T10:00:00", "soon"]))}
        events.append({**row, "source_file": "e.csv", "source_row": number})
    return draw(st.permutations(events))


def said_by(event: Row) -> Row:
    """What an event says of its user; None: nothing."""
    days = {"2026-03-01": date(2026, 3, 1), "2026-04-01T10:00:00": date(2026, 4, 1)}
    return {
        "plan": {"free": "free", "PRO": "pro"}.get(event["plan"]),
        "is_paying": event["is_paying"],
        "seats": event["seats"] if event["seats"] != 501 else None,
        "budget": event["spend"],
        "renewal_day": days.get(event["renewal_day"]),
    }


def oracle(events: list[Row], day: date) -> dict[int, Row]:
    """The grid rows of a day by user: the last word of each attribute, days in order, then landings, then times."""
    grid = {}
    for user in {event["user_id"] for event in events}:
        own = [event for event in events if event["user_id"] == user and event["event_date"] <= day]
        if not own:
            continue
        row: Row = dict.fromkeys(SAID)
        for event in sorted(own, key=lambda e: (e["event_date"], e["landing_date"], e["event_time"], e["event_id"])):
            row |= {name: value for name, value in said_by(event).items() if value is not None}
        row["plan"] = row["plan"] or "unknown"
        row["is_paying"] = row["plan"] == "pro" if row["is_paying"] is None else row["is_paying"]
        signup = min(event["event_date"] for event in own)
        place = {"user_id": user, "as_of_date": day, "signup_date": signup, "days_since_signup": (day - signup).days}
        grid[user] = place | row
    return grid


@PROPERTY
@given(worlds())
def test_a_user_exists_from_the_first_event_on_and_is_what_was_last_said(events: list[Row]) -> None:
    rows = records(grid_of(users_of(events), FIRST, LAST))
    for row in rows:
        if row["renewal_day"] is not None:
            row["renewal_day"] = row["renewal_day"].date()
    for number in range(FIRST, LAST + 1):
        assert {row["user_id"]: row for row in rows if row["as_of_date"] == jan(number)} == oracle(events, jan(number))


@PROPERTY
@given(worlds(), st.integers(FIRST, LAST))
def test_a_day_is_the_same_alone_and_without_what_landed_after_it(events: list[Row], number: int) -> None:
    whole = grid_of(users_of(events), FIRST, LAST)
    own = [event for event in events if event["landing_date"] <= jan(number + LATENESS)]
    alone = grid_of(users_of(own), number, number)
    same_rows(whole[whole["as_of_date"] == pd.Timestamp(jan(number))], alone, ["user_id"])


@PROPERTY
@given(worlds())
def test_landing_days_computed_together_give_the_same_users(events: list[Row]) -> None:
    together = CONTRACTS["clean_users"].typed(users_from_events(frame("clean_events", events), rules=RULES))
    same_rows(together, users_of(events), ["user_id", "landing_date", "valid_from"])


@PROPERTY
@given(worlds(), st.integers(FIRST, LAST))
def test_every_event_has_its_user_day(events: list[Row], number: int) -> None:
    own = [event for event in events if event["landing_date"] <= jan(number + LATENESS)]
    left_out = unmatched_events(
        *(frame("clean_events", own), users_of(own)),
        first_day=jan(number),
        last_day=jan(number),
        lateness_days=LATENESS,
        users_are="from_events",
    )
    assert not len(left_out)


# --- the declaration ---


def test_attributes_become_properties_which_every_event_keeps() -> None:
    assert [entry.name for entry in PRODUCT.properties] == ["spend", "plan", "is_paying", "seats", "renewal_day"]
    assert {name: source.name for name, source in PRODUCT.attribute_sources.items()} == {
        **{name: name for name in SAID},
        "budget": "spend",
    }
    (close,) = (event for event in PRODUCT.event_types if event.name == "close")
    assert close.keeps == ("spend", "plan", "is_paying", "seats", "renewal_day")
    assert read_product("tickets", SETTINGS.data_dir).properties[0].name == "spend"
    assert len(read_product("tickets", SETTINGS.data_dir).properties) == 1


def test_what_an_event_says_is_read_from_its_column_or_path() -> None:
    row = {"event_id": "1", "user_id": "1", "event_time": "2026-01-05T10:00:00", "event_type": "close"}
    row |= {
        "plan": "Pro",
        "extra": '{"account": "{\\"seats\\": 7}"}',
        "renewal_day": "2026-02-01",
        "is_paying": "perhaps",
    }
    raw = frame("raw_events", landed([row], "events"))
    done = clean_events(raw, first_day=jan(5), last_day=jan(5), rules=cleaning_rules(SETTINGS, "events"))
    (user,) = records(CONTRACTS["clean_users"].typed(users_from_events(done.accepted, rules=RULES)))
    assert (user["plan"], user["seats"], user["is_paying"], user["budget"]) == ("pro", 7, None, None)
    assert user["renewal_day"].date() == date(2026, 2, 1)


def test_the_tables_of_a_users_source_are_not_there() -> None:
    assert not {"raw_users", "users_files", "quarantined_users", "users_reconciliation"} & CONTRACTS.keys()
    assert list(CONTRACTS)[:6] == [
        *("raw_events", "events_files", "clean_events", "quarantined_events", "events_reconciliation", "clean_users"),
    ]
    assert SETTINGS.landed_sources == ("events",)


def test_every_column_says_what_it_is_made_from() -> None:
    for table in ("clean_users", "user_day_grid"):
        lineage = column_lineage(CONTRACTS[table], SETTINGS)
        assert lineage.keys() == set(CONTRACTS[table].column_names)
        for source in (one for sources in lineage.values() for one in sources):
            upstream, column = source.split(".")
            assert column in CONTRACTS[upstream].column_names
    assert column_lineage(CONTRACTS["clean_users"], SETTINGS)["budget"] == ("clean_events.spend",)
    assert column_lineage(CONTRACTS["user_day_grid"], SETTINGS)["is_paying"] == (
        *("clean_users.is_paying", "clean_users.plan"),
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"properties": [{"name": "plan", "type": "number"}]},
            "'plan': is a label, and users are made from events, where 'plan' is a number; give one of them another type",
        ),
        (
            {"properties": [{"name": "plan", "type": "label", "missing": "free"}]},
            "'plan': comes from 'plan', which says what missing is, so that every event would change it",
        ),
        (
            {"properties": [{"name": "seats", "type": "integer", "from": "extra.chairs"}]},
            "'seats': users are made from events, where 'seats' is a property from elsewhere; declare a property for",
        ),
    ],
)
def test_an_attribute_that_no_event_can_say_is_refused(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChurnError, match=sentence):
        read_product("tickets", SETTINGS.data_dir, more, users_are="from_events")


def test_names_of_a_source_that_is_not_read_are_refused() -> None:
    with pytest.raises(ValidationError, match="columns and values are for users that from_events does not read"):
        Settings(sources={"users": {"from_events": True, "columns": {"plan": "tier"}}})  # type: ignore[arg-type]
