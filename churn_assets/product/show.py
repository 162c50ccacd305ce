"""A product as the TOML that declares it whole: every default filled in, and as comments where it all comes from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import tomlkit
from tomlkit.items import Table

from churn_assets.product.columns import expanded, feature_name
from churn_assets.product.condition import Condition
from churn_assets.product.entries import KINDS, Entry
from churn_assets.product.feature_column import FeatureColumn
from churn_assets.product.measures import DailyColumn
from churn_assets.product.origin import Origin
from churn_assets.product.product import Product


def as_toml(product: Product) -> str:
    """Text that `read_product` reads as an equal product, whatever it was put together from.

    A comment after a key says that it has its default, which no layer gives; one before an entry says where the entry stands, and
    for measures and features, which columns it makes.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment(f"Product '{product.name}', with every default. A key without a comment is declared."))
    for kind in KINDS:
        if entries := getattr(product, kind):
            tables = tomlkit.aot()
            for entry in entries:
                tables.append(_table(product, kind, entry))
            document.add(kind, tables)
    return tomlkit.dumps(document)


def _table(product: Product, kind: str, entry: Entry) -> Table:
    table = tomlkit.table()
    origin = product.origins.get((kind, entry.name))
    for line in (_standing(origin), *_columns(product, kind, entry)):
        table.add(tomlkit.comment(line.replace("\n", " ")))
    left_out = []
    for name, field in type(entry).model_fields.items():
        key, value = field.alias or name, getattr(entry, name)
        if name in entry.only_for and entry.variety not in entry.only_for[name]:
            continue
        if value is None or (value == () and name != "keeps"):
            left_out.append(key)
            continue
        if name == "name" and kind == "features":
            value = feature_name(entry, product.daily)  # type: ignore[arg-type]
        item = tomlkit.item(_plain(value))
        if origin and key not in origin.given:
            item.comment("default")
        table.add(key, item)
    if left_out:
        table.add(tomlkit.comment(f"left out: {', '.join(left_out)}"))
    return table


def _standing(origin: Origin | None) -> str:
    """Where an entry stands: shipped, a file, churn.toml."""
    if origin is None:
        return "declared in code"
    return origin.place if origin.layer != "file" else f"file {origin.place}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and value and all(isinstance(one, Condition) for one in value):
        table = tomlkit.inline_table()
        for condition in value:
            declared = condition.declared
            table.add(condition.key, {"not": declared["not"]} if condition.negated else declared)
        return table
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    return value if isinstance(value, bool | int | float | str | date) else str(value)


def _columns(product: Product, kind: str, entry: Entry) -> Iterator[str]:
    """A line for each column that an entry makes: its name and meaning, its unit, limits, and whether it may be null."""
    if kind == "measures":
        yield _described(product.daily[entry.name])
    if kind == "features":
        for feature, _, column in expanded(product.daily, product.features):
            if feature is entry:
                yield f"{column.name}: {_described(column)}"


def _described(column: DailyColumn | FeatureColumn) -> str:
    low, high = column.minimum, column.maximum
    limits = (
        ""
        if low is None and high is None
        else f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    )
    facts = (column.type, column.unit, limits, "nullable" if column.nullable else "")
    return f"{column.meaning} [{', '.join(fact for fact in facts if fact)}]"
