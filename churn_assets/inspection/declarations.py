"""Which shipped declaration fits a dump best: by the event types and columns both have, and what of it the dump cannot feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from churn_assets.errors import ChurnError
from churn_assets.inspection.columns import Column
from churn_assets.inspection.roles import plain_name
from churn_assets.inspection.times import percent
from churn_assets.product import read_product, shipped_products
from churn_assets.product.entries import KINDS
from churn_assets.settings import read_toml

BLANK = "blank"
PRODUCTS_DIR = Path(__file__).parents[1] / "products"
LEAST_COVERED = 0.5
"""Share of events whose type a declaration must know to fit."""
LEAST_TYPES = 2

Declaration = Mapping[str, Any]
Entry = dict[str, Any]


@dataclass(frozen=True)
class Fit:
    """A declaration and how the dump feeds it. `values`: event type as delivered -> as declared; `replaced`: entries of it that
    are found elsewhere in the dump, by table; `drop`: names of entries that nothing feeds; `feeding`: columns that feed others.
    """

    product: str
    evidence: str
    names: frozenset[str] = frozenset()
    event_types: frozenset[str] = frozenset()
    values: Mapping[str, str] | None = None
    replaced: tuple[tuple[str, Entry], ...] = ()
    drop: tuple[str, ...] = ()
    feeding: frozenset[str] = frozenset()


@cache
def shipped() -> Mapping[str, Declaration]:
    """The declarations that come with the package, by name, each feature with the name it goes by."""
    found = {}
    for name in shipped_products():
        if name != BLANK:
            raw = read_toml(PRODUCTS_DIR / f"{name}.toml")
            names = [feature.name for feature in read_product(name).features]
            features = [{**entry, "name": own} for entry, own in zip(raw["features"], names, strict=True)]
            found[name] = {**raw, "features": features}
    return found


def best_fit(
    declarations: Mapping[str, Declaration],
    event_counts: Mapping[str, int],
    event_columns: Mapping[str, Column],
    user_columns: Mapping[str, Column] | None,
    chosen: str | None = None,
) -> Fit:
    """The declaration that knows most of the events, or `chosen`; the blank one where none knows half of them.

    `user_columns` is None where users are made from events: then attributes come from the events' columns.
    """
    total = sum(event_counts.values())
    known = {name: _matched(declaration, event_counts) for name, declaration in declarations.items()}
    covered = {name: sum(event_counts[given] for given in matched) for name, matched in known.items()}
    best = max(declarations, key=lambda name: (covered[name], len(set(known[name].values()))), default=BLANK)
    if chosen is not None:
        best = chosen
    elif best != BLANK and (covered[best] < LEAST_COVERED * total or len(set(known[best].values())) < LEAST_TYPES):
        shown = f"the nearest shipped declaration, {best}, knows {percent(covered[best], total)} of the events"
        return Fit(BLANK, f"{shown}, so the words of this product stand below")
    if best not in declarations:
        return Fit(
            best, "chosen" if chosen else "no shipped declaration fits, so the words of this product stand below"
        )
    return _accepted(_fit(best, declarations[best], known[best], covered[best], total, event_columns, user_columns))


def _fit(
    name: str,
    declaration: Declaration,
    matched: Mapping[str, str],
    covered: int,
    total: int,
    event_columns: Mapping[str, Column],
    user_columns: Mapping[str, Column] | None,
) -> Fit:
    types = [entry["name"] for entry in declaration.get("event_types", ())]
    seen = set(matched.values())
    dead = {("event_types", kind) for kind in types if kind not in seen}
    replaced: list[tuple[str, Entry]] = []
    feeding: set[str] = set()
    for table, columns in (
        ("properties", event_columns),
        ("attributes", event_columns if user_columns is None else user_columns),
    ):
        for entry in declaration.get(table, ()):
            found = _place(entry, columns)
            if found is None:
                dead.add((table, entry["name"]))
                continue
            feeding.add(found.casefold())
            if found != entry.get("from", entry["name"]):
                replaced.append((table, {**entry, "from": found}))
    dead = _with_users(declaration, dead)
    replaced = [(table, entry) for table, entry in replaced if (table, entry["name"]) not in dead]
    replaced += [("event_types", entry) for entry in _without(declaration.get("event_types", ()), dead)]
    every = {entry["name"] for table in KINDS for entry in declaration.get(table, ())}
    return Fit(
        name,
        f"knows {len(seen)} of its {len(types)} event types here, which are {percent(covered, total)} of the events",
        frozenset(every),
        frozenset(matched),
        {given: declared for given, declared in matched.items() if given != declared},
        tuple(replaced),
        tuple(f"{table}.{own}" for table, own in sorted(dead)),
        frozenset(feeding),
    )


def _with_users(declaration: Declaration, dead: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The dead entries, and those that use one of them; a measure of several event types lives while one of them is seen."""
    dead = set(dead)
    while True:
        gone = {table: {name for kind, name in dead if kind == table} for table in KINDS}
        inputs = gone["properties"] | gone["attributes"]
        more = {
            *(
                ("attributes", entry["name"])
                for entry in declaration.get("attributes", ())
                if _used(entry) & gone["attributes"]
            ),
            *(
                ("measures", entry["name"])
                for entry in declaration.get("measures", ())
                if _used(entry) & (inputs | gone["measures"])
                or (_events(entry) and _events(entry) <= gone["event_types"])
            ),
            *(
                ("features", entry["name"])
                for entry in declaration.get("features", ())
                if _used(entry) & (gone["measures"] | gone["attributes"])
            ),
        }
        if more <= dead:
            return dead
        dead |= more


def _used(entry: Entry) -> set[str]:
    """Names of other entries that an entry uses, wherever in it they stand."""
    return set().union(
        *(_texts(value) for key, value in entry.items() if key not in ("name", "event", "values", "meaning"))
    )


def _texts(value: object) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*({str(key)} | _texts(inner) for key, inner in value.items()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {value} if isinstance(value, str) else set()


def _events(entry: Entry) -> set[str]:
    events = entry.get("event", [])
    return {events} if isinstance(events, str) else set(events)


def _without(event_types: Iterable[Entry], dead: set[tuple[str, str]]) -> list[Entry]:
    """Event types that need, expect or keep a dead property, without it."""
    gone = {name for table, name in dead if table == "properties"}
    changed = []
    for entry in event_types:
        rest = {
            key: [name for name in value if name not in gone] for key, value in entry.items() if isinstance(value, list)
        }
        if ("event_types", entry["name"]) not in dead and any(rest[key] != entry[key] for key in rest):
            changed.append({**entry, **rest})
    return changed


def _accepted(fit: Fit) -> Fit:
    """The fit, or without what it replaces and drops where the declaration cannot do without."""
    if fit.product not in shipped_products():
        return fit
    tables: dict[str, Any] = {table: [entry for kind, entry in fit.replaced if kind == table] for table in KINDS}
    try:
        read_product(fit.product, None, {**tables, "drop": list(fit.drop)})
    except ChurnError:
        return replace(
            fit, evidence=f"{fit.evidence}; kept whole, with columns that nothing feeds", replaced=(), drop=()
        )
    return fit


def _matched(declaration: Declaration, event_counts: Mapping[str, int]) -> dict[str, str]:
    """Event type as delivered -> as declared, where spelling is all that differs."""
    declared = {plain_name(entry["name"]): entry["name"] for entry in declaration.get("event_types", ())}
    return {given: declared[plain_name(given)] for given in event_counts if plain_name(given) in declared}


def _place(entry: Entry, columns: Mapping[str, Column]) -> str | None:
    """The column or path that feeds an entry: where it says, or the one column of its name."""
    declared = str(entry.get("from", entry["name"]))
    by_case = {path.casefold(): path for path in columns if columns[path].given}
    if declared.casefold() in by_case:
        return declared
    named = [path for path in by_case.values() if plain_name(columns[path].last_key) == plain_name(entry["name"])]
    return min(named, key=lambda path: (path.count("."), path), default=None)
