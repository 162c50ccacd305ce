"""A word of a product stands in churn_assets/products/ and nowhere else in the package: the source is read, comments and all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from churn_assets.product import read_product, shipped_products

PACKAGE = Path(__file__).parents[1] / "churn_assets"
FILES = sorted(
    path
    for suffix in ("py", "css", "yaml")
    for path in PACKAGE.rglob(f"*.{suffix}")
    if PACKAGE / "products" not in path.parents
)
WORDS = re.compile(
    r"\b\w*(quiz|video|course|enrol|lesson|lectur|payment|\bpaid\b|invoice|billing|invit|workspace|playlist|song|artist"
    r"|cart\b|coupon|basket|country|countries|marketing|watch_minutes|minutes watched|ticket)\w*",
    re.IGNORECASE,
)
"""Nouns of the shipped products. `plan` is missing: a backfill has one, too; as a text of its own it is looked for below."""
EVERYBODYS = {"total_events", "user_id", "event_type", "paid_until", "member_id", "days_since_last_event"}
"""Names that every product has, a key of `[labels]`, and two by which a dump nobody described is recognised, or a column spoken of."""


NOUNS = {"plan", "country", "amount"}
"""Names of one word that no part of the package may take for a column; others (`source`, `feature`) are its own words, too."""


def declared_names() -> set[str]:
    names: set[str] = set()
    for product in map(read_product, shipped_products()):
        entries = (*product.attributes, *product.properties, *product.event_types, *product.measures)
        names |= {entry.name for entry in entries}
        core = {column.name for column in read_product_without_entries()}
        names |= {column.name for column in product.feature_columns} - core
    return names - EVERYBODYS


def read_product_without_entries() -> tuple[object, ...]:
    """The feature columns that every product has."""
    from churn_assets.product import Product

    return Product(name="bare").feature_columns


def texts_of(path: Path) -> Iterator[str]:
    """Texts of a module that are one name each."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_word_of_a_product_stands_outside_its_declaration(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if WORDS.search(line)]
    assert lines == []


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.suffix == ".py"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_declared_name_is_typed_again(path: Path) -> None:
    names = declared_names()
    assert sorted(set(texts_of(path)) & {name for name in names if "_" in name or name in NOUNS}) == []
    words = set(re.findall(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", path.read_text(encoding="utf-8")))
    assert sorted(words & {name for name in names if "_" in name}) == []


def test_the_words_are_found_where_they_belong() -> None:
    """Else the tests above would pass on anything."""
    declarations = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "products").glob("*.toml"))
    assert WORDS.search(declarations) and len(declared_names()) > 50
