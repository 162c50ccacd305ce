"""Contract of churn_labels, what a model learns: by the kind of churn that `[labels]` declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.learning import AS_OF_DATE
from churn_assets.label_settings import LabelSettings
from churn_assets.product.entries import Condition

CENSOR_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "source_outage": "a declared outage that concerns the user hides a day the label depends on (`labels.outages`)",
        "missing_day": "a day the label depends on is not published, though a later one of them is",
        "horizon_incomplete": "the last days the label looks at are not in yet",
    }
)
"""Why a label is null; of several the first. An outage comes first, because no later delivery cures it."""


def churn_labels_contract(user_id: Column, labels: LabelSettings) -> Contract:
    return Contract(
        table="churn_labels",
        grain="one user and day on or after signup, and what became of the user after it",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(
            user_id,
            AS_OF_DATE,
            Column("is_at_risk", Kind.FLAG, _at_risk(labels), nullable=True),
            *_future_active_days(labels),
            Column(labels.churned_column, Kind.FLAG, f"{_churned(labels)}; null if not observable", nullable=True),
            *_survival(labels),
            Column("censor_reason", Kind.LABEL, "Why the label is null; null if it is not", nullable=True),
        ),
        rules=tuple(_rules(labels)),
    )


def _at_risk(labels: LabelSettings) -> str:
    horizon = labels.horizon_days
    if labels.kind == "silence":
        return (
            f"Whether the user was active within the last {labels.at_risk_days} days, as_of_date included; null where no "
            "activity was seen but a day of them since the calendar's start could not be seen"
        )
    if labels.kind == "lapse":
        unseen = "; null where a renewal may not have been seen" if labels.renewal_events else ""
        return f"Whether the paid_until date known on as_of_date is one of the {horizon} days after it{unseen}"
    if labels.at_risk:
        return f"Whether {' and '.join(map(_words, labels.at_risk))} as of the day"
    return (
        f"Whether the last event of {', '.join((*labels.starts, *labels.event))} up to as_of_date is one of "
        f"{', '.join(labels.starts)}; null where a later one may not have been seen"
    )


def _words(condition: Condition) -> str:
    values = " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in condition.values)
    return f"{condition.key} is {'not ' if condition.negated else ''}{values}"


def _churned(labels: LabelSettings) -> str:
    days = f"the {labels.horizon_days} days after as_of_date"
    if labels.kind == "silence":
        return f"Whether none of {days} is active"
    if labels.kind == "event":
        return f"Whether an event of {', '.join(labels.event)} happens on one of {days}"
    return (
        f"Whether the paid_until date {labels.paid_until} passes on one of {days}, and no renewal follows by "
        f"{labels.grace_days} days later"
    )


def _future_active_days(labels: LabelSettings) -> Iterator[Column]:
    if labels.kind == "silence":
        yield Column(
            "future_active_days",
            Kind.INTEGER,
            f"Active days among the {labels.horizon_days} after as_of_date; null if not observable",
            nullable=True,
            minimum=0,
            maximum=labels.horizon_days,
            unit="days",
        )


def _survival(labels: LabelSettings) -> Iterator[Column]:
    churn = {
        "silence": f"the first of {labels.confirmation_days + 1} silent days in a row, all of them within the horizon",
        "event": "the first such event",
        "lapse": "the paid_until date that passes",
    }[labels.kind]
    last = labels.reach_days - labels.confirmation_days
    for name, text, minimum in (
        ("days_until_churn", f"Days from as_of_date to {churn}; null where no churn is seen", 1),
        (
            "days_followed",
            f"Days after as_of_date, at most {last}, on which a churn would be seen, until the first one",
            0,
        ),
    ):
        yield Column(name, Kind.INTEGER, text, nullable=True, minimum=minimum, maximum=labels.horizon_days, unit="days")


def _rules(labels: LabelSettings) -> Iterator[Rule]:
    churned = labels.churned_column
    if labels.kind == "silence":
        yield Rule(
            "churned_has_no_active_day",
            f"{churned} exactly where future_active_days = 0, null together",
            lambda f: (
                (f[churned].isna() & f["future_active_days"].isna())
                | _known(f[churned] == (f["future_active_days"] == 0))
            ),
        )
        yield Rule(
            "silent_from_the_first_day",
            f"where {churned}, days_until_churn = 1",
            lambda f: ~_known(f[churned]) | _known(f["days_until_churn"] == 1),
        )
    else:
        yield Rule(
            "churned_at_a_time",
            f"where {churned} is given, it is whether days_until_churn is",
            lambda f: f[churned].isna() | _known(f[churned] == f["days_until_churn"].notna()),
        )
    yield Rule(
        "censored_with_a_reason",
        f"{churned} is null exactly where a declared censor_reason is given",
        lambda f: f[churned].isna() == f["censor_reason"].isin(tuple(CENSOR_REASONS)),
    )
    yield Rule(
        "reason_known",
        "censor_reason is null or one of the declared reasons",
        lambda f: f["censor_reason"].isna() | f["censor_reason"].isin(tuple(CENSOR_REASONS)),
    )
    yield Rule(
        "followed_until_churn",
        "days_followed is given where the label is, and equals days_until_churn where that is given",
        lambda f: (
            (f["days_followed"].notna() | f[churned].isna())
            & (f["days_until_churn"].isna() | _known(f["days_until_churn"] == f["days_followed"]))
        ),
    )


def _known(condition: pd.Series[bool]) -> pd.Series[bool]:
    """Null is not true."""
    return condition.fillna(False).astype(bool)
