"""What describes a user: columns of a users file, or labels of events that hardly change for a user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from churn_assets.inspection.columns import Column
from churn_assets.inspection.entries import NO_AMOUNT, PERSONAL, Entry, Proposals
from churn_assets.inspection.exports import Export
from churn_assets.inspection.roles import plain_name
from churn_assets.inspection.times import percent

MOST_ATTRIBUTES = 8
LEAST_CONSTANT = 0.95
"""Share of users for whom an attribute has one value, among those with several events."""
LEAST_USERS = 5


def describes_user(column: Column, user: Column, export: Export | None) -> bool:
    """Whether a label has one value per user, and is known or likely to describe the user."""
    if not (column.has_labels or column.has_flags) or plain_name(column.last_key).endswith("_id"):
        return False
    if (
        export is not None
        and column.path not in export.attributes
        and not column.path.startswith(export.attribute_prefixes or ("\0",))
    ):
        return False
    rows = min(column.rows, user.rows)
    pairs = pd.DataFrame({"user": user.texts[:rows], "value": column.texts[:rows]}).dropna()
    values = pairs.groupby("user")["value"].agg(["nunique", "size"])
    several = values[values["size"] > 1]
    is_constant = len(several) >= LEAST_USERS and float(np.mean(several["nunique"] == 1)) >= LEAST_CONSTANT
    return is_constant or (export is not None and len(several) >= LEAST_USERS)


def add_attributes(found: Proposals, columns: Iterable[Column]) -> None:
    """An attribute for each column that could be one: a flag, a number or a label."""
    for column in columns:
        plain = plain_name(column.last_key)
        if PERSONAL.search(plain):
            found.personal.append(column.path)
            continue
        kind = next(_attribute_types(column, plain), None)
        if kind is None or len(found.attributes) >= MOST_ATTRIBUTES:
            found.others.append(column.path)
            continue
        name = found.name_of(column.last_key)
        entry: Entry = {"name": name, "type": kind, "from": column.path, "feature": True}
        if entry["from"] == name:
            del entry["from"]
        if kind == "label":
            entry |= {"missing": "unknown", "case": "keep"}
        found.attributes.append((entry, f"{percent(column.given, column.rows)} given, {column.distinct:,} different"))


def _attribute_types(column: Column, plain: str) -> Iterator[str]:
    if column.times is not None or not column.given:
        return
    if column.has_flags:
        yield "flag"
    if column.share(column.is_number) >= 1 and not NO_AMOUNT.search(plain) and column.distinct > 1:
        yield "integer" if column.has_whole_numbers else "number"
    if column.has_labels:
        yield "label"
