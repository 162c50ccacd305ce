"""Reading a declaration: a shipped one by its name, or a file beside churn.toml, and what churn.toml itself adds, replaces or drops."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from churn_assets.errors import ChurnError
from churn_assets.product.entries import KINDS
from churn_assets.product.functions import find_function, module_path
from churn_assets.product.implied import with_implied_properties
from churn_assets.product.implied_by_attributes import with_properties_of_attributes
from churn_assets.product.merge import TABLES, Layer, merged
from churn_assets.product.messages import entry
from churn_assets.product.product import Product, UsersAre, refusal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PRODUCT = "e_learning"
PRODUCTS = "churn_assets.products"
SUFFIX = ".toml"
SETTINGS_FILE = "churn.toml"

__all__ = ["DEFAULT_PRODUCT", "TABLES", "read_product", "shipped_products"]


@cache
def shipped_products() -> tuple[str, ...]:
    """Names of the declarations that come with the package."""
    names = (found.name for found in files(PRODUCTS).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


def read_product(
    name: str = DEFAULT_PRODUCT,
    folder: Path | None = None,
    more: Mapping[str, Any] | None = None,
    *,
    users_are: UsersAre = "delivered",
) -> Product:
    """The product called `name`, shipped or a file in `folder`, with the tables `more` of churn.toml over it.

    Entries of `more` replace those of the same name in their place and add the others; `drop` takes entries out. Files and
    Python modules of the folder are read anew where they changed. Raises ChurnError naming the entry that cannot be right.
    """
    texts = tuple(_texts(name, folder))
    declared = _Declared(name, folder, texts, users_are, repr(more or {}), more or {})
    product = _read(declared)
    references = sorted({measure.python for measure in product.measures if measure.python})
    if not references:
        return product
    return _with_functions(declared, tuple((ref, _content(module_path(ref, folder))) for ref in references))


@dataclass(frozen=True)
class _Text:
    """A declaration as it is written; `place` is what messages call it."""

    place: str
    is_shipped: bool
    content: str


@dataclass(frozen=True)
class _Declared:
    """All that decides a product, functions apart. `more` is compared by its text, which keeps the order of entries."""

    name: str
    folder: Path | None
    texts: tuple[_Text, ...]
    users_are: UsersAre
    more_text: str
    more: Mapping[str, Any] = field(compare=False)


@lru_cache(maxsize=64)
def _read(declared: _Declared) -> Product:
    layers = [
        Layer(
            text.place,
            "shipped" if text.is_shipped else "file",
            {key: value for key, value in _parsed(text).items() if key != "product"},
        )
        for text in reversed(declared.texts)
    ]
    settings_file = str(declared.folder / SETTINGS_FILE) if declared.folder else SETTINGS_FILE
    found = merged([*layers, Layer(settings_file, "churn.toml", declared.more)])
    entries: dict[str, Any] = {
        kind: tuple(entry(kind, raw, found.origins[kind, name].place) for name, raw in found.entries[kind].items())
        for kind in KINDS
    }
    product = Product(
        Path(declared.name).name.removesuffix(SUFFIX), **entries, users_are=declared.users_are, origins=found.origins
    )
    if declared.users_are == "from_events":
        product = with_properties_of_attributes(product)
    return with_implied_properties(product).check()


@lru_cache(maxsize=64)
def _with_functions(declared: _Declared, modules: tuple[tuple[str, bytes], ...]) -> Product:
    """`modules`: each function that measures name, and what its module holds, so that a changed one is read anew."""
    product, functions = _read(declared), {}
    for reference, _ in modules:
        try:
            functions[reference] = find_function(reference, declared.folder)
        except ValueError as error:
            measure = next(measure for measure in product.measures if measure.python == reference)
            place = product.origins["measures", measure.name].place
            raise refusal(place, "measures", measure.name, str(error)) from error
    return replace(product, functions=functions)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _texts(name: str, folder: Path | None) -> list[_Text]:
    """The declaration and those it builds on, each over the next."""
    texts: list[_Text] = []
    base: str | None = name
    while base is not None:
        texts.append(_text(base, folder, is_top=not texts))
        if texts[-1].place in {text.place for text in texts[:-1]}:
            chain = " -> ".join(text.place for text in texts)
            raise ChurnError(f"{texts[0].place} builds on itself ({chain}); take a line 'product = ...' out.")
        base = _parsed(texts[-1]).get("product")
        if base is not None and not isinstance(base, str):
            raise ChurnError(f"{texts[-1].place}: product must be a text, the name of the declaration it builds on.")
    return texts


@lru_cache(maxsize=64)
def _parsed(text: _Text) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text.content)
    except tomllib.TOMLDecodeError as error:
        raise ChurnError(f"{text.place} is not valid TOML: {error}.") from error


@cache
def _shipped(name: str) -> _Text:
    content = files(PRODUCTS).joinpath(f"{name}{SUFFIX}").read_text(encoding="utf-8")
    return _Text(f"the shipped product '{name}'", True, content)


def _text(name: str, folder: Path | None, *, is_top: bool) -> _Text:
    """A name that is shipped is the shipped declaration; with `.toml`, or otherwise, it is a file in the folder."""
    path = (folder or Path()) / (name if name.endswith(SUFFIX) else f"{name}{SUFFIX}")
    shipped = shipped_products()
    if name in shipped:
        if is_top and folder and path.is_file():
            raise ChurnError(
                f"product = '{name}' is shipped, and {path} is a file too; write '{name}{SUFFIX}' for the file, or rename it."
            )
        return _shipped(name)
    try:
        return _Text(str(path), False, path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError):
        raise ChurnError(
            f"product = '{name}' is neither shipped ({', '.join(shipped)}) nor a readable file at {path}; correct the name, or "
            "put the file there."
        ) from None
