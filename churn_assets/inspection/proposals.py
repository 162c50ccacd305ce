"""What of the events is worth a property and a measure: numbers to sum, flags and labels to count, things to tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from churn_assets.inspection.attributes import add_attributes, describes_user
from churn_assets.inspection.columns import Column
from churn_assets.inspection.entries import NO_AMOUNT, PERSONAL, Entry, Proposals
from churn_assets.inspection.exports import Export
from churn_assets.inspection.roles import NAMES as ROLES
from churn_assets.inspection.roles import plain_name
from churn_assets.inspection.times import percent
from churn_assets.transforms import parsing

MOST = {"numbers": 8, "flags": 3, "labels": 3, "things": 4}
MOST_COUNTS = 12
LEAST_NUMBERS = 0.9
LEAST_SHARE_OF_EVENTS = 0.005
MOST_TYPES_NAMED = 5
"""A measure of a property names the event types that have it, if they are no more than these."""


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
    spelling: Mapping[str, str],
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
        add_attributes(found, user_columns.values())
    else:
        constant = [column for column in free if describes_user(column, user, export)]
        add_attributes(found, constant)
        free = [column for column in free if column not in constant]
    for column in free:
        if column.path.startswith(skipped) or column.times is not None:
            continue
        _property(found, column, event_type, spelling)
    return found


def _counts(found: Proposals, counts: Mapping[str, int], known: set[str]) -> None:
    least = LEAST_SHARE_OF_EVENTS * sum(counts.values())
    worth = [name for name in [*counts][:MOST_COUNTS] if counts[name] >= least]
    for number, name in enumerate(kind for kind in worth if kind not in known):
        measure = {"name": found.name_of(name, "_count"), "event": [name], "unit": "count"}
        found.measure(measure, f"{counts[name]:,} events", since=number < 3)


def _property(found: Proposals, column: Column, event_type: Column, spelling: Mapping[str, str]) -> None:
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
    event = _events_with(column, event_type, spelling)
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


def _events_with(column: Column, event_type: Column, spelling: Mapping[str, str]) -> list[str]:
    """The event types that have the column, as the declaration spells them, if they are few of several."""
    rows = min(column.rows, event_type.rows)
    types = event_type.texts[:rows]
    having = types[column.texts[:rows].fillna("").str.strip() != ""].dropna().unique()
    names = {name for text in having if (name := parsing.normalised(str(text))) is not None}
    if not 0 < len(names) <= MOST_TYPES_NAMED or len(having) == types.nunique():
        return []
    return sorted({spelling.get(name, name) for name in names})
