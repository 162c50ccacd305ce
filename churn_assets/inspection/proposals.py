"""What of a dump is worth a property, a measure, a feature or an attribute: numbers to sum, things to count, labels of a user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.inspection.columns import Column
from churn_assets.inspection.exports import Export
from churn_assets.inspection.roles import NAMES as ROLES
from churn_assets.inspection.roles import plain_name
from churn_assets.inspection.times import percent

Entry = dict[str, Any]

MOST = {"numbers": 8, "flags": 3, "labels": 3, "things": 4, "attributes": 8, "counts": 12}
LEAST_NUMBERS = 0.9
LEAST_SHARE_OF_EVENTS = 0.005
LEAST_CONSTANT = 0.95
"""Share of users for whom an attribute has one value, of those with several events."""
WINDOWS = [7, 30, 90]
NO_AMOUNT = re.compile(
    r"(^|_)(id|ids|uid|uuid|index|idx|height|width|lat|lon|lng|latitude|longitude|version|port|zip|postal|code|year|month|day|hour"
    r"|timestamp|ts|time|seq|sequence|offset|batch|colordepth|timezone|sample|build|schema|page|rank|position)(_|$)"
)
PERSONAL = re.compile(
    r"e_?mail|phone|first_name|last_name|full_name|username|user_name|street|address|birth|ssn|passw|token|(^|_)ip(_|$)|^name$"
)
TAKEN = {
    *(
        "event_id",
        "user_id",
        "event_time",
        "event_date",
        "event_type",
        "landing_date",
        "source_file",
        "source_row",
        "extra",
    ),
    *(
        "as_of_date",
        "signup_date",
        "reason",
        "read_error",
        "is_active",
        "total_events",
        "days_since_signup",
        "day_of_week",
    ),
    *(
        "is_weekend",
        "days_since_last_event",
        "activity_segment",
        "cohort",
        "day",
        "date",
        "user",
        "event",
        "order",
        "group",
        "select",
    ),
}


@dataclass
class Proposals:
    """Entries of the declaration, each with its evidence; and the columns that were left out, by why."""

    attributes: list[tuple[Entry, str]] = field(default_factory=list)
    properties: list[tuple[Entry, str]] = field(default_factory=list)
    measures: list[tuple[Entry, str]] = field(default_factory=list)
    features: list[tuple[Entry, str]] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: set(TAKEN))

    def name_of(self, text: str, ending: str = "") -> str:
        """A free name for `text`, such as a column of a table may have."""
        stem = re.sub(r"^[0-9]", "n_", plain_name(text))[:40].strip("_") or "unnamed"
        name = f"{stem}{ending}"
        number = 2
        while name in self.taken or name.upper() in _SQL:
            name, number = f"{stem}_{number}{ending}", number + 1
        self.taken.add(name)
        return name

    def measure(self, entry: Entry, evidence: str, *, since: bool = False) -> None:
        """A measure with the features of its sum (of all different things, where it counts those)."""
        self.measures.append((entry, evidence))
        if entry.get("agg") == "distinct":
            self.features.append(({"of": entry["name"], "agg": "distinct", "windows": WINDOWS}, ""))
            return
        self.features.append(({"of": entry["name"], "agg": "sum", "windows": WINDOWS}, ""))
        if since:
            name = self.name_of(f"days_since_{entry['name'].removesuffix('_count')}")
            self.features.append(({"name": name, "since": entry["name"], "within": 180}, ""))


_SQL = frozenset(
    {
        "ALL",
        "AND",
        "AS",
        "CASE",
        "END",
        "FROM",
        "IN",
        "IS",
        "LIMIT",
        "NOT",
        "NULL",
        "OR",
        "TABLE",
        "THEN",
        "TO",
        "USER",
        "WHEN",
    }
)


def propose(
    columns: Mapping[str, Column],
    event_type: Column,
    event_counts: Mapping[str, int],
    user: Column,
    export: Export | None,
    *,
    used: Iterable[str],
    known: Iterable[str],
    known_types: Iterable[str],
    user_columns: Mapping[str, Column] | None,
) -> Proposals:
    """Of events in `columns`, but for those `used` and the entries and event types already `known`; attributes come from
    `user_columns` where users are delivered, else from the events.
    """
    found = Proposals()
    found.taken |= set(known)
    _counts(found, event_counts, set(known_types))
    skipped = export.skipped if export else ()
    free = [column for path, column in columns.items() if path not in set(used) and column.given]
    if user_columns is not None:
        _attributes(found, user_columns.values())
    else:
        constant = [column for column in free if _describes_user(column, user, export)]
        _attributes(found, constant)
        free = [column for column in free if column not in constant]
    for column in free:
        if column.path.startswith(skipped) or column.times is not None:
            continue
        _property(found, column, event_type)
    return found


def _counts(found: Proposals, counts: Mapping[str, int], known: set[str]) -> None:
    least = LEAST_SHARE_OF_EVENTS * sum(counts.values())
    worth = [name for name in [*counts][: MOST["counts"]] if counts[name] >= least]
    for number, name in enumerate(one for one in worth if one not in known):
        measure = {"name": found.name_of(name, "_count"), "event": [name], "unit": "count"}
        found.measure(measure, f"{counts[name]:,} events", since=number < 3)


def _property(found: Proposals, column: Column, event_type: Column) -> None:
    plain = plain_name(column.last_key)
    if PERSONAL.search(plain):
        found.personal.append(column.path)
        return
    kind = None if plain in ROLES else _kind(column, plain)
    have = sum(entry["_kind"] == kind for entry, _ in found.properties)
    if kind is None or have >= MOST[kind]:
        found.others.append(column.path)
        return
    name = found.name_of(column.last_key)
    entry: Entry = {"_kind": kind, "name": name, "type": _type(column, kind), "from": column.path}
    if entry["from"] == name:
        del entry["from"]
    evidence = f"{percent(column.given, column.rows)} given, {column.distinct:,} different"
    if kind == "numbers" and (bad := column.given - int(column.counts.to_numpy()[column.is_number].sum())):
        entry["bad"] = "null"
        evidence += f"; {bad:,} are no numbers and become null"
    found.properties.append((entry, evidence))
    event = _events_with(column, event_type)
    of = {"event": event} if event else {}
    if kind == "numbers":
        found.measure({"name": found.name_of(name, "_sum"), **of, "agg": "sum", "value": name}, evidence)
    elif kind == "flags":
        found.measure({"name": found.name_of(name, "_count"), **of, "where": {name: True}, "unit": "count"}, evidence)
    else:
        found.measure({"name": found.name_of(name, "_different"), **of, "agg": "distinct", "value": name}, evidence)


def _kind(column: Column, plain: str) -> str | None:
    """What a property of the column would serve for; None where for nothing."""
    if column.has_flags:
        return "flags"
    if plain.endswith("_id") and 2 <= column.distinct <= column.given // 2 and not _is_of_user(plain):
        return "things"
    if column.share(column.is_number) >= LEAST_NUMBERS:
        return None if NO_AMOUNT.search(plain) or column.distinct < 2 else "numbers"
    return "labels" if column.has_labels else None


def _is_of_user(plain: str) -> bool:
    return any(
        word in plain for word in ("user", "device", "session", "visitor", "person", "anonymous", "distinct", "account")
    )


def _type(column: Column, kind: str) -> str:
    if kind == "numbers":
        return (
            "integer" if column.is_whole.all() and not column.unique.str.contains(".", regex=False).any() else "number"
        )
    return {"flags": "flag", "labels": "label", "things": "text"}[kind]


def _events_with(column: Column, event_type: Column) -> list[str]:
    """The event types that have the column, if they are few of several."""
    rows = min(column.rows, event_type.rows)
    types = event_type.texts[:rows]
    having = types[column.texts[:rows].fillna("").str.strip() != ""].dropna().unique()
    return sorted(having) if 0 < len(having) <= 5 and len(having) < types.nunique() else []


def _describes_user(column: Column, user: Column, export: Export | None) -> bool:
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
    is_constant = len(several) > 4 and float(np.mean(several["nunique"] == 1)) >= LEAST_CONSTANT
    return is_constant or (export is not None and len(several) > 4)


def _attributes(found: Proposals, columns: Iterable[Column]) -> None:
    for column in columns:
        plain = plain_name(column.last_key)
        if PERSONAL.search(plain):
            found.personal.append(column.path)
            continue
        kind = next(_attribute_types(column, plain), None)
        if kind is None or len(found.attributes) >= MOST["attributes"]:
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
