"""Which names at a source mean which contract column, from settings and product; and what is wrong with what is said of columns."""

from __future__ import annotations

from collections.abc import Iterator

from churn_assets.product import Attribute, Product
from churn_assets.product.clauses import near
from churn_assets.product.reserved import VALID_FROM
from churn_assets.source_settings import EventsSettings, SourceName, SourceSettings, UsersSettings

EVENT_ID = "event_id"
NO_COLUMN = "extra"
"""Aliases given to it are no contract column, though they may be named like one."""
Known = dict[str, tuple[str, str | None]]
"""Case-folded name -> the name as it was given, and the contract column (None: of none)."""


def required_columns(product: Product, source: SourceName, settings: SourceSettings) -> tuple[str, ...]:
    """Columns that each file of the source must have. An id that is made of other columns is none."""
    is_made = isinstance(settings, EventsSettings) and settings.event_id_from
    return tuple(name for name in product.required_columns(source) if not (is_made and name == EVENT_ID))


def known_names(product: Product, source: SourceName, settings: SourceSettings) -> Known:
    """The names that a file's columns may have. Raises ValueError, a clause, where two columns share one or there is no such column."""
    columns = (*required_columns(product, source, settings), *product.optional_columns(source))
    known: Known = {name: (name, name) for name in columns}
    for alias in settings.columns.get(NO_COLUMN, ()):
        known[alias.strip().casefold()] = (alias.strip(), None)
    dated = {VALID_FROM: settings.valid_from} if isinstance(settings, UsersSettings) and settings.valid_from else {}
    for column, aliases in {**product.aliases(source), **dated, **settings.columns}.items():
        if column == NO_COLUMN:
            continue
        if column not in columns:
            raise ValueError(f"columns names '{column}', which is no column of {source}{near(column, columns)}")
        for alias in aliases:
            if not alias.strip():
                raise ValueError(f"columns gives {column} an empty name; write the source's own")
            of = known.setdefault(alias.strip().casefold(), (alias.strip(), column))[1]
            if of != column:
                raise ValueError(f"columns gives the name '{alias}' to both {of or NO_COLUMN} and {column}; keep one")
    return known


def faults_of_columns(product: Product, source: SourceName, settings: SourceSettings) -> Iterator[str]:
    """A clause for each thing said of columns, names and values that could never have an effect."""
    try:
        known_names(product, source, settings)
    except ValueError as fault:
        yield str(fault)
    optional = product.optional_columns(source)
    for column in settings.lacks:
        if column not in optional:
            yield f"lacks names '{column}', which is no optional column of it{near(column, optional)}"
    entries = {entry.name: entry for entry in product.entries_of(source)}
    columns = {*required_columns(product, source, settings), *entries}
    for column, values in settings.values.items():
        if column not in columns:
            yield f"values names '{column}', which is no column of {source}{near(column, sorted(columns))}"
            continue
        entry = entries.get(column)
        if isinstance(entry, Attribute) and entry.values:
            labels = {label.casefold() for label in (*entry.values, *(entry.words or ()), str(entry.missing))}
            for value in values.values():
                if value and value.strip().casefold() not in labels:
                    yield f"values makes '{value}' of a {column}, which is none of its labels; choose among {', '.join(entry.values)}"
