"""What cannot be right about a product, although each entry may be right by itself.

Here are names and paths; what comes in and what is computed have files of their own. The first fault is reported, so later ones
may rely on the absence of earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from churn_assets.product.clauses import Fault
from churn_assets.product.entries import KINDS
from churn_assets.product.faults_of_inputs import input_faults
from churn_assets.product.faults_of_made_users import faults_of_attributes
from churn_assets.product.faults_of_outputs import output_faults
from churn_assets.product.measures import parts_of
from churn_assets.product.reserved import COLUMNS, EXTRA, LABEL_PREFIX, TAKEN

if TYPE_CHECKING:
    from churn_assets.product.product import Product


def faults(product: Product) -> Iterator[Fault]:
    """Every fault, in the order in which they are worth knowing."""
    yield from faults_of_attributes(product)
    yield from _name_faults(product)
    yield from _path_faults(product)
    yield from input_faults(product)
    yield from output_faults(product)


def _name_faults(product: Product) -> Iterator[Fault]:
    # Features are known by their columns, which are judged with what they are made from.
    for kind in (kind for kind in KINDS if kind != "features"):
        entries: tuple[Any, ...] = getattr(product, kind)
        names = [entry.name.casefold() for entry in entries]
        for entry, name in zip(entries, names, strict=True):
            if names.count(name) > 1:
                yield kind, entry.name, "is declared twice; keep one, or give one another name"
            if name in COLUMNS.get(kind, ()):
                yield kind, entry.name, f"its name {TAKEN}"
    attributes = {entry.name for entry in product.attributes}
    for attribute in product.attributes:
        if attribute.name.startswith(LABEL_PREFIX):
            yield "attributes", attribute.name, f"its name {TAKEN}"
    conditions = {condition.key for measure in product.measures for condition in measure.where}
    for entry in product.properties:
        # Where users are made from events, an attribute and the property it comes from are one value under one name.
        if entry.name in attributes & conditions and product.users_are != "from_events":
            clause = "an attribute has its name, so that a condition on it could mean either; rename one, and say from"
            yield "properties", entry.name, clause
    taken = {measure.name for measure in product.measures} | attributes
    for measure in product.measures:
        if measure.name in attributes:
            yield "measures", measure.name, "an attribute has its name, and user_daily has both as columns; rename one"
        for part in parts_of(measure, product.features):
            if part.name in taken:
                clause = f"its windows need a column '{part.name}', which is the name of another entry; rename one"
                yield "measures", measure.name, clause


def _path_faults(product: Product) -> Iterator[Fault]:
    for kind, source in (("attributes", "users"), ("properties", "events")):
        if kind == "attributes" and product.users_are == "from_events":
            continue  # each has a property, which is judged
        types = {entry.name: entry.type for entry in product.entries_of(source)}
        columns = product.source_columns(source)
        aliases: dict[str, str] = {}
        for entry in product.entries_of(source):
            first, *below = (entry.from_ or entry.name).split(".")
            if below and first in columns and types.get(first) not in ("text", "label"):
                yield kind, entry.name, f"from goes below '{first}', which is no text and so holds no JSON; correct it"
            if first == EXTRA and below and below[0] in columns:
                yield (
                    kind,
                    entry.name,
                    f"from: '{below[0]}' is a column by itself, not in extra; write {'.'.join(below)}",
                )
            if entry.aliases and entry.from_ is not None:
                yield kind, entry.name, "aliases are for a column of the entry's own name; take out from or aliases"
            for alias in entry.aliases:
                if alias in columns:
                    yield kind, entry.name, f"alias '{alias}' is a column of the {source} already; take it out"
                if aliases.setdefault(alias, entry.name) != entry.name:
                    yield kind, entry.name, f"alias '{alias}' is one of '{aliases[alias]}' too; keep one"
