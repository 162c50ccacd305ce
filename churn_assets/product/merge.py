"""Declarations over each other: a shipped product, a file that builds on it, churn.toml. Raw tables, not judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from churn_assets.errors import ChurnError
from churn_assets.product.clauses import SINGULAR
from churn_assets.product.columns import CORE
from churn_assets.product.entries import KINDS
from churn_assets.product.messages import unknown_key
from churn_assets.product.origin import Origin
from churn_assets.product.outputs import default_agg
from churn_assets.product.product import refusal
from churn_assets.product.reserved import TOTAL_EVENTS
from churn_assets.product.windows import DEFAULT_AGG, default_feature_name

DROP = "drop"
TABLES = (*KINDS, DROP)
"""What a declaration may hold besides the name of the product it builds on."""
Raw = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """What one file declares."""

    place: str
    origin: Literal["shipped", "file", "churn.toml"]
    tables: Mapping[str, Any]


@dataclass
class Merged:
    """Entries by kind and name, in order, and where each stands."""

    entries: dict[str, dict[str, Raw]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)


def merged(layers: list[Layer]) -> Merged:
    """The layers, from the lowest up: an entry takes the place of one of its name, another is added, `drop` takes out.

    Raises ChurnError for what is no table of entries, for a name twice in one file, and for a drop of nothing.
    """
    result = Merged()
    for layer in layers:
        if unknown := sorted(set(layer.tables) - set(TABLES)):
            raise ChurnError(f"{layer.place}: {unknown_key(unknown[0], TABLES)}.")
        _drop(result, layer)
        for kind in KINDS:
            _add(result, layer, kind)
    return result


def _drop(result: Merged, layer: Layer) -> None:
    names = layer.tables.get(DROP, [])
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ChurnError(f"{layer.place}: drop must be a list of names.")
    for name in names:
        kind, entry = _dropped(result, layer, name)
        del result.entries[kind][entry]
        result.origins[kind, entry] = Origin(layer.place, layer.origin, dropped=True)


def _dropped(result: Merged, layer: Layer, name: str) -> tuple[str, str]:
    """The one entry that `name` or `kind.name` is of."""
    asked, _, rest = name.partition(".")
    found = [(kind, name) for kind in KINDS if name in result.entries[kind]]
    if asked in KINDS and rest in result.entries[asked]:
        found.append((asked, rest))
    if name.removeprefix("features.") in {core.name for core in CORE} or name.removeprefix("measures.") == TOTAL_EVENTS:
        raise ChurnError(f"{layer.place}: drop names '{name}', which every product has; take it out of drop.")
    if not found:
        raise ChurnError(f"{layer.place}: drop names '{name}', which no entry below has; correct it, or take it out.")
    if len(found) > 1:
        kinds = " and ".join(f"a{'n' if kind[0] in 'ae' else ''} {SINGULAR[kind]}" for kind, _ in found)
        raise ChurnError(
            f"{layer.place}: drop names '{name}', which is {kinds}; write '{found[0][0]}.{name}' or the like."
        )
    return found[0]


def _add(result: Merged, layer: Layer, kind: str) -> None:
    entries = layer.tables.get(kind, [])
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ChurnError(f"{layer.place}: {kind} must be tables, each under [[{kind}]].")
    added: set[str] = set()
    for given in entries:
        entry = _named(result, given) if kind == "features" else dict(given)
        name = str(entry.get("name", ""))
        if name and name in added:
            raise refusal(layer.place, kind, name, "is declared twice; keep one, or give one another name")
        added.add(name)
        result.entries[kind][name] = entry
        result.origins[kind, name] = Origin(layer.place, layer.origin, frozenset(map(str, given)))


def _named(result: Merged, given: Mapping[str, Any]) -> Raw:
    """A feature with its agg and its name, by which it can be replaced and dropped."""
    of, since, rhythm = (given.get(kind) for kind in ("of", "since", "rhythm"))
    if not any(isinstance(measure, str) for measure in (of, since, rhythm)):
        return dict(given)
    daily = default_agg(result.entries["measures"].get(str(of), {}))
    filled = {"agg": DEFAULT_AGG.get(daily, "sum")} if isinstance(of, str) else {}
    entry: Raw = {**filled, **given}
    if entry.get("name"):
        return entry
    return {**entry, "name": default_feature_name(of, entry.get("agg"), since, rhythm, daily)}
