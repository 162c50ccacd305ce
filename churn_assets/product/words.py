"""What declared columns are called in plain English, where the declaration does not say it itself."""

from __future__ import annotations

from collections.abc import Sequence

from churn_assets.product.condition import Condition
from churn_assets.product.fields import either
from churn_assets.product.outputs import Measure

OR_NULL = "; null if none"


def measure_meaning(measure: Measure) -> str:
    """The sentence for the column of a day."""
    return measured(measure) + (OR_NULL if measure.nullable else "")


def measure_noun(measure: Measure) -> str:
    """What the features of a measure count or add up, as in "... of the last 7 days"."""
    if measure.noun:
        return measure.noun
    return measure.meaning.rstrip(".").removesuffix(OR_NULL) or measured(measure)


def measured(measure: Measure) -> str:
    """What a measure counts or takes of the events of a day."""
    agg, of, events = measure.agg, measure.value or measure.python or "", _events(measure)
    if agg == "count":
        return f"{events} that have {of}" if of else events
    if agg == "sessions":
        return (
            f"Sessions begun: the day's first of {events}, and each after a gap above {measure.gap_minutes:g} minutes"
        )
    return {
        "sum": f"Sum of {of} over {events}",
        "mean": f"Mean {of} of {events}",
        "min": f"Least {of} of {events}",
        "max": f"Greatest {of} of {events}",
        "distinct": f"Different {of} among {events}",
        "first": f"First {of} of {events}",
        "last": f"Last {of} of {events}",
        "any": f"Whether there are {events}",
    }[agg]


def happening(events: Sequence[str] | None, aggregation: str, conditions: Sequence[Condition], name: str) -> str:
    """What a day above 0 has, as in "days since the last day with ...": "a skip", or the name with "above 0"."""
    if events and len(events) == 1 and aggregation == "count" and not conditions:
        return f"{_article(events[0])} {events[0]}"
    return f"{name} above 0"


def _events(measure: Measure) -> str:
    events = f"{_and(measure.event)} events" if measure.event else "events"
    return f"{events} where {' and '.join(map(_condition, measure.where))}" if measure.where else events


def _condition(condition: Condition) -> str:
    values = [str(value).lower() if isinstance(value, bool) else str(value) for value in condition.values]
    return f"{condition.key} is {'not ' if condition.negated else ''}{either(values)}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"
