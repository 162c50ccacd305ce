"""Clauses that several faults share: a name that nothing has, and a condition that cannot hold."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from churn_assets.product.condition import Condition
from churn_assets.product.entries import Attribute, Property
from churn_assets.product.fields import is_a, why_never

if TYPE_CHECKING:
    from churn_assets.product.product import Product

Fault = tuple[str, str, str]
"""Kind and name of an entry, and a clause that says what is wrong with it."""
SINGULAR = {
    **{"attributes": "attribute", "properties": "property", "event_types": "event type"},
    **{"measures": "measure", "features": "feature"},
}


def no_such(product: Product, kind: str, name: str, known: Collection[str]) -> str:
    """The clause for a name that no entry of a kind has: it was dropped, or another was meant."""
    origin = product.origins.get((kind, name))
    if origin and origin.dropped:
        return f"'{name}' was dropped in {origin.place}; drop this entry too, or keep that {SINGULAR[kind]}"
    return f"'{name}' is no {SINGULAR[kind]}{near(name, known)}"


def near(name: str, known: Collection[str]) -> str:
    """What may have been meant, in brackets; else what can be chosen."""
    found = difflib.get_close_matches(name, list(known), 1)
    if found:
        return f" (did you mean '{found[0]}'?)"
    return f"; choose among {', '.join(known)}" if known else ", and none is declared"


def condition_faults(condition: Condition, entry: Attribute | Property) -> Iterator[str]:
    """Why no value of the entry could ever meet the condition, or why all do."""
    if entry.type in ("time", "date"):
        yield f"'{entry.name}' is a {entry.type}, and conditions compare texts, numbers and flags only; use another"
    elif not all(is_a(value, entry.type) for value in condition.values):
        yield f"the condition on '{entry.name}' compares with another type than {entry.type}; give values of that type"
    elif entry.type == "label":
        yield from _label_faults(condition, entry)


def _label_faults(condition: Condition, entry: Attribute | Property) -> Iterator[str]:
    values = [value for value in condition.values if isinstance(value, str) and value != entry.missing]
    for value in values:
        in_case = {"lower": value.lower(), "upper": value.upper(), "keep": value}[entry.case]
        if value != in_case:
            yield f"the condition on '{entry.name}' compares with '{value}', and its case is {entry.case}; write '{in_case}'"
        elif why := why_never(value, entry.words if isinstance(entry, Attribute) else None):
            yield f"the condition on '{entry.name}' compares with '{value}', which no label equals: {why}"
    if isinstance(entry, Attribute) and entry.values is not None and not entry.values_setting:
        for value in values:
            if value not in entry.values:
                yield f"the condition on '{entry.name}': '{value}' is none of its values{near(value, entry.values)}"
