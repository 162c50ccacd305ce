"""Contracts of the two tables that sum over users: growth_daily and retention_cohorts.

A figure whose days were not all observed is null, never a guess; `days_observed_*` says how many were.
"""

from __future__ import annotations

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule

MONTH_DAYS = 30
"""A growth period: the monthly of "monthly active users"."""
WEEK_DAYS = 7
OBSERVED_DAYS = (WEEK_DAYS, MONTH_DAYS, 2 * MONTH_DAYS)
"""Windows whose observed days are counted; the last is for what compares two months."""


def metrics_contracts() -> tuple[Contract, ...]:
    return (_growth_daily(), _retention_cohorts())


def _users(name: str, text: str, *, nullable: bool = False) -> Column:
    return Column(name, Kind.INTEGER, text, nullable=nullable, minimum=0, unit="users")


def _observed(days: int) -> Column:
    text = f"Days of [D-{days - 1}, D] that are published; fewer at the calendar's start or where a day is missing"
    return Column(f"days_observed_{days}d", Kind.INTEGER, text, minimum=1, maximum=days, unit="days")


def _growth_daily() -> Contract:
    this, before = "the last 30 days", "the 30 days before them"
    states = ("new_users", "retained_users", "resurrected_users", "dormant_users")
    return Contract(
        table="growth_daily",
        grain="one day: how many users there are, how many are active, and where they came from",
        key=("as_of_date",),
        day="as_of_date",
        columns=(
            Column("as_of_date", Kind.DATE, "Day D the row describes"),
            _users("users", "User base: rows of the day's grid"),
            _users("new_signups", "Those of them who signed up on D"),
            _users("dau", "Active on D"),
            _users("wau", "Active in [D-6, D], as far as observed"),
            _users("mau", "Active in [D-29, D], as far as observed"),
            Column("stickiness", Kind.NUMBER, "dau / mau; null if mau is 0", nullable=True, minimum=0, maximum=1),
            _users(states[0], f"Signed up in {this} and active in them; null unless all are observed", nullable=True),
            _users(
                states[1],
                f"Signed up earlier, active in {this} and in {before}; null unless all 60 are observed",
                nullable=True,
            ),
            _users(
                states[2],
                f"Signed up earlier, active in {this} and not in {before}; null unless all 60 are observed",
                nullable=True,
            ),
            _users(states[3], f"Not active in {this}; null unless all are observed", nullable=True),
            _users(
                "churned_users",
                f"Active in {before} and not in {this}, so dormant too; null unless all 60 are observed",
                nullable=True,
            ),
            Column(
                "quick_ratio",
                Kind.NUMBER,
                "(new_users + resurrected_users) / churned_users: above 1 the active users grow; null if nobody "
                "churned, or unless all 60 days are observed",
                nullable=True,
                minimum=0,
            ),
            *(_observed(days) for days in OBSERVED_DAYS),
        ),
        rules=(
            Rule(
                "states_add_up",
                "new + retained + resurrected + dormant users = users, and the first three = mau, where known",
                lambda f: _add_up(f, states, "users") & _add_up(f, states[:3], "mau"),
            ),
            Rule(
                "active_users_nest",
                "dau <= wau <= mau <= users",
                lambda f: (f["dau"] <= f["wau"]) & (f["wau"] <= f["mau"]) & (f["mau"] <= f["users"]),
            ),
            _known_where("new_users", "dormant_users", days=MONTH_DAYS),
            _known_where("retained_users", "resurrected_users", "churned_users", days=2 * MONTH_DAYS),
        ),
    )


def _retention_cohorts() -> Contract:
    unless = "null unless every day of the week is published"
    return Contract(
        table="retention_cohorts",
        grain="one signup-week cohort in one calendar week; weeks begin on Mondays, and other days have no rows",
        key=("as_of_date", "cohort_week"),
        day="as_of_date",
        columns=(
            Column("as_of_date", Kind.DATE, "Monday of the week the row describes"),
            Column("cohort_week", Kind.DATE, "Monday of the week in which the cohort signed up"),
            Column("weeks_since", Kind.INTEGER, "Weeks from cohort_week to as_of_date", minimum=0, unit="weeks"),
            _users("users", f"Members in the grid of the week's last day; {unless}", nullable=True),
            _users("active", f"Those of them active on any day of the week; {unless}", nullable=True),
            Column("rate", Kind.NUMBER, f"active / users; {unless}", nullable=True, minimum=0, maximum=1),
        ),
        rules=(
            Rule(
                "weeks_begin_on_mondays",
                "as_of_date and cohort_week are Mondays, weeks_since weeks apart",
                lambda f: (
                    (f["as_of_date"].dt.dayofweek == 0)
                    & (f["as_of_date"] - f["cohort_week"] == pd.to_timedelta(WEEK_DAYS * f["weeks_since"], unit="D"))
                ),
            ),
            Rule("active_within_users", "active <= users", lambda f: (f["active"] <= f["users"]).fillna(True)),
            Rule(
                "known_together",
                "users, active and rate are null together",
                lambda f: (f["users"].isna() == f["active"].isna()) & (f["users"].isna() == f["rate"].isna()),
            ),
        ),
    )


def _add_up(frame: pd.DataFrame, parts: tuple[str, ...], whole: str) -> pd.Series[bool]:
    """Whether the parts sum to the whole; true where one of them is null."""
    return (frame[list(parts)].sum(axis=1, skipna=False) == frame[whole]).fillna(True)


def _known_where(*columns: str, days: int) -> Rule:
    return Rule(
        f"{columns[0]}_known_where_observed",
        f"{', '.join(columns)} are null exactly where fewer than {days} days are observed",
        lambda f: pd.concat([f[name].notna() == (f[f"days_observed_{days}d"] == days) for name in columns], axis=1).all(
            axis=1
        ),
    )
