"""The checks of churn_labels, of each kind: they agree with what was computed from any world, and see what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import duckdb
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange
from churn_assets.checks.labels import labels_invariants
from churn_assets.checks.verdict import Stored, Verdict
from churn_assets.contracts.base import Column, Kind
from churn_assets.contracts.labels import churn_labels_contract
from churn_assets.label_settings import LabelSettings
from churn_assets.warehouse.ledger import LEDGER_DDL, LEDGER_TABLE
from label_worlds import END, Happening, World, day, one_user, worlds
from sizes import examples

PROPERTY = settings(max_examples=examples(40), deadline=None, derandomize=True)
CHECKS = {check.name: check for check in labels_invariants()}
DAYS = DayRange(day(1), day(END))


def stored(world: World, *changes: str) -> Stored:
    """The world in a warehouse of its own, labels and ledger too."""
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA churn")
    contract = churn_labels_contract(Column("user_id", Kind.INTEGER, "User"), world.rules)
    labels = world.table(1, END)
    connection.execute(
        f"CREATE TABLE churn.churn_labels ({', '.join(f'{c.name} {c.kind.duckdb_type}' for c in contract.columns)})"
    )
    for name, frame in (world.tables | {"churn_labels": labels}).items():
        plain = pd.DataFrame(
            {c: frame[c].astype("object") if frame[c].dtype == "category" else frame[c] for c in frame}
        )
        connection.register("given", plain)
        if name == "churn_labels":
            connection.execute("INSERT INTO churn.churn_labels BY NAME FROM given")
        else:
            columns = ", ".join(f"{c}::{sql_type(c, plain[c])} AS {c}" for c in plain)
            connection.execute(f"CREATE TABLE churn.{name} AS SELECT {columns} FROM given")
    connection.execute(LEDGER_DDL)
    for table in world.tables:
        for at in world.published:
            connection.execute(
                f"INSERT INTO {LEDGER_TABLE} BY NAME SELECT ? AS table_name, ? AS partition_date, 1 AS row_count, '' AS content_hash, "
                "'' AS input_hash, '' AS code_version, '' AS run_id, TIMESTAMP '2026-01-01' AS published_at",
                [table, at],
            )
    for change in changes:
        connection.execute(change)
    return Stored(connection, {"churn_labels": contract}, world.settings)


def sql_type(name: str, values: pd.Series[object]) -> str:
    if name in ("event_time", "paid_until"):
        return "TIMESTAMP"
    if name.endswith(("_date", "_on")):
        return "DATE"
    return {"int64": "BIGINT", "bool": "BOOLEAN"}.get(str(values.dtype), "VARCHAR")


def red(world: World, name: str, *changes: str) -> list[date]:
    """The days among the published ones on which the check fails."""
    verdicts: Mapping[date, Verdict] = CHECKS[name].judge(stored(world, *changes), DAYS)
    return [at for at in DAYS if at in world.published and verdicts[at].failed]


@pytest.mark.long
@PROPERTY
@given(world=worlds())
def test_what_was_computed_passes(world: World) -> None:
    assert {name: red(world, name) for name in ("observed", "recounted")} == {"observed": [], "recounted": []}


@pytest.mark.long
@settings(PROPERTY, max_examples=examples(20))
@given(world=worlds(), one=st.integers(0, 99))
def test_a_label_that_is_another_turns_red(world: World, one: int) -> None:
    """One label turned around, one user's risk, one time of churn, one follow-up."""
    labels = world.table(1, END)
    given_ones = labels[labels[world.rules.churned_column].notna()]
    assume(len(given_ones))
    row = given_ones.iloc[one % len(given_ones)]
    at = row["as_of_date"].date()
    where = f"WHERE user_id = {row['user_id']} AND as_of_date = '{at}'"
    churned = world.rules.churned_column
    for change in (
        f"{churned} = NOT {churned}",
        "days_followed = days_followed + 1",
        "days_until_churn = CASE WHEN days_until_churn IS NULL THEN days_followed END",
        "is_at_risk = NOT is_at_risk" if pd.notna(row["is_at_risk"]) else "is_at_risk = true",
    ):
        assert red(world, "recounted", f"UPDATE churn.churn_labels SET {change} {where}") == [at], change


EVENT = LabelSettings(kind="event", event=("cancel",), starts=("subscribe",), horizon_days=3)
LAPSE = LabelSettings(kind="lapse", paid_until="paid_until", renewal_events=("renew",), horizon_days=3, grace_days=1)
HAPPENINGS = (Happening(1, 2, "subscribe"), Happening(1, 8, "renew", paid_days=4), Happening(1, 12, "cancel"))


@pytest.mark.parametrize("rules", [EVENT, LAPSE, LabelSettings(horizon_days=3)], ids=lambda rules: rules.kind)
def test_a_label_where_none_can_be_and_none_where_one_can_turn_red(rules: LabelSettings) -> None:
    world = one_user(rules, HAPPENINGS)
    churned = rules.churned_column
    given_too_soon = f"UPDATE churn.churn_labels SET {churned} = false WHERE as_of_date = '{day(19)}'"
    assert red(world, "observed", given_too_soon) == [day(19)]
    withheld = f"UPDATE churn.churn_labels SET {churned} = NULL, days_followed = NULL, censor_reason = 'missing_day'"
    assert red(world, "observed", f"{withheld} WHERE as_of_date = '{day(9)}'") == [day(9)]
    for_an_outage = withheld.replace("missing_day", "source_outage")
    assert red(world, "observed", f"{for_an_outage} WHERE as_of_date = '{day(9)}'") == [day(9)]


def test_a_lapse_of_whom_a_renewal_may_have_been_missed_turns_red() -> None:
    world = replace(one_user(LAPSE, HAPPENINGS), missing=frozenset({9}))
    assert red(world, "observed") == []
    damage = f"UPDATE churn.churn_labels SET churned_3d = false, censor_reason = NULL WHERE as_of_date = '{day(10)}'"
    assert red(world, "observed", damage) == [day(10)]
