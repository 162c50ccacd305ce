"""Whom to call: the users most at risk on the last scored day, why, and how good such lists were once their horizon had closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from churn_assets.checks.scores import GAINS, QUALITY_DAYS
from churn_assets.contracts.scores import PLACES, RECENCY
from churn_assets.errors import ChurnError
from churn_assets.product import Product
from churn_assets.product.measures import TOTAL_EVENTS
from churn_assets.warehouse import Ledger

TOP = 10
SURELY = 0.99
"""A probability above this is shown as above it: nobody is sure of an outcome."""


@dataclass(frozen=True)
class AtRisk:
    """`reasons` are subjects in words, each with its effect on the log-odds. `probability` is None before the first model."""

    rank: int
    user_id: int | str
    probability: float | None
    silent_days: int | None
    reasons: list[tuple[str, float]]

    @property
    def cells(self) -> list[str]:
        """Rank, user, probability, silent days and why, as text."""
        probability = "-" if self.probability is None else f"{self.probability:.0%}"
        if self.probability and self.probability > SURELY:
            probability = f"> {SURELY:.0%}"
        silent = "-" if self.silent_days is None else str(self.silent_days)
        why = ", ".join(f"{name} {effect:+.1f}" for name, effect in self.reasons) or "the longest silence"
        return [str(self.rank), str(self.user_id), probability, silent, why]


@dataclass(frozen=True)
class Quality:
    """Means over the `days` closed days from `first` to `last`; lifts are those of the 5 % ranked highest."""

    first: date
    last: date
    days: int
    churn_rate: float
    average_precision: float
    of_recency: float
    lift: float
    lift_of_recency: float


@dataclass(frozen=True)
class Lists:
    """The list of one day, and how good lists of the same kind were, which is None while no scored day's horizon has closed."""

    day: date
    users: int
    model: str
    """Folder of the model, or recency."""
    top: list[AtRisk]
    quality: Quality | None

    @property
    def is_of_rule(self) -> bool:
        return self.model == RECENCY

    @property
    def title(self) -> str:
        return f"Most at risk on {self.day}, of {self.users:,} at risk"

    @property
    def ranked_by(self) -> str:
        if self.is_of_rule:
            return "Ranked by days since the last activity: no model has beaten this rule yet."
        return f"Ranked by model {self.model}; why: how much each subject adds to the log-odds of churn, against a typical user."

    @property
    def how_good(self) -> str:
        """What became of such lists, in a sentence."""
        if self.quality is None:
            return "How good such lists are is known once the horizon of a day that was scored so has closed."
        of = self.quality
        lift, ranked = ("", "") if self.is_of_rule else (f" ({of.lift_of_recency:.1f})", f" ({of.of_recency:.2f})")
        beside = "" if self.is_of_rule else ", in brackets what days since the last activity alone would have given"
        return (
            f"How good such lists were on the {of.days} last days whose horizon has closed, {of.first} .. {of.last}{beside}: of the 5 % "
            f"ranked highest {of.lift:.1f}{lift} times as many churned as of all, who were {of.churn_rate:.1%}; average precision "
            f"{of.average_precision:.2f}{ranked}."
        )


def at_risk(
    connection: duckdb.DuckDBPyConnection,
    product: Product,
    *,
    day: date | None = None,
    top: int = TOP,
) -> Lists | None:
    """The list of `day`, or of the last day that is scored; None while none is. Raises ChurnError where `day` is not scored."""
    published = Ledger.read(connection, ["churn_scores"]).of("churn_scores")
    if day is not None and day not in published:
        raise ChurnError(f"{day} has no scores; run 'churn-assets backfill {day}'.")
    day = day or max((of for of, entry in published.items() if entry.rows), default=None)
    if day is None:
        return None
    users, model = connection.execute(
        "SELECT count(*), coalesce(any_value(model_version), ?) FROM churn.churn_scores WHERE as_of_date = ?",
        [RECENCY, day],
    ).fetchone() or (0, RECENCY)
    places = ", ".join(f"reason_{place}, effect_{place}" for place in PLACES)
    rows = connection.execute(
        f"SELECT rank, user_id, probability, silent_days, {places} FROM churn.churn_scores WHERE as_of_date = ? AND rank <= ? ORDER BY rank",
        [day, top],
    ).fetchall()
    words = in_words(product)
    found = [
        AtRisk(rank, user, probability, silent, [(words.get(name, name), by) for name, by in _pairs(why) if name])
        for rank, user, probability, silent, *why in rows
    ]
    return Lists(day, users, model, found, _quality(connection, day, is_of_rule=model == RECENCY))


def in_words(product: Product) -> dict[str, str]:
    """The subjects of reasons as a reader calls them."""
    measures = {name: measure.noun.lower() for name, measure in product.daily.items() if measure.noun}
    return {
        **measures,
        TOTAL_EVENTS: "recent activity",
        "days_since_signup": "time since signup",
        "day_of_week": "day of the week",
    }


def _pairs(values: list[Any]) -> list[tuple[str, float]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _quality(connection: duckdb.DuckDBPyConnection, day: date, *, is_of_rule: bool) -> Quality | None:
    """Of days that were scored as `day` was: by a model, or by the rule."""
    if not Ledger.read(connection, ["score_quality"]).of("score_quality"):
        return None
    row = connection.execute(
        f"""SELECT min(as_of_date), max(as_of_date), count(*), avg(churn_rate), avg(average_precision), avg(of_recency), avg(lift),
            avg(lift_of_recency)
        FROM (FROM {GAINS} WHERE (model_version = '{RECENCY}') = ? AND as_of_date <= ? ORDER BY as_of_date DESC LIMIT {QUALITY_DAYS})""",
        [is_of_rule, day],
    ).fetchone()
    return Quality(*row) if row and row[2] else None
