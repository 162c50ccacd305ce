"""Reading a declaration: a shipped one by its name, or a file beside churn.toml, and what churn.toml itself adds, replaces or drops."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from churn_assets.errors import ChurnError
from churn_assets.product.entries import Attribute, Condition, Entry, EventType, Feature, Measure, Property
from churn_assets.product.product import EXTRA, Function, Product

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_PRODUCT = "e_learning"
KINDS: Mapping[str, type[Entry]] = {
    "attributes": Attribute,
    "properties": Property,
    "event_types": EventType,
    "measures": Measure,
    "features": Feature,
}
TABLES = (*KINDS, "drop")
"""What a declaration may hold besides the name of the product it builds on."""
PRODUCTS = "churn_assets.products"


def shipped_products() -> tuple[str, ...]:
    """Names of the declarations that come with the package."""
    names = (entry.name for entry in files(PRODUCTS).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def read_product(
    name: str = DEFAULT_PRODUCT, folder: Path | None = None, more: Mapping[str, Any] | None = None
) -> Product:
    """The product called `name`, shipped or a file in `folder`, with the tables `more` of churn.toml over it.

    Entries of `more` replace those of the same name in their place and add the others; `drop` takes entries out. Raises
    ChurnError naming the entry that cannot be right.
    """
    return _read(name, str(folder or ""), json.dumps(more or {}, default=str, sort_keys=True))


@lru_cache(maxsize=64)
def _read(name: str, folder: str, more: str) -> Product:
    place = Path(folder) if folder else None
    tables = _base_tables(name, place, seen=())
    tables = _over(tables, json.loads(more), "churn.toml")
    entries = {kind: tuple(_entry(kind, said) for said in tables[kind]) for kind in KINDS}
    product = Product(name=Path(name).stem, **_with_paths(entries))  # type: ignore[arg-type]
    product.check()
    functions = {m.python: _function(m.python, place) for m in product.measures if m.python}
    return Product(**{**vars_of(product), "functions": functions})


def vars_of(product: Product) -> dict[str, Any]:
    return {name: getattr(product, name) for name in ("name", *KINDS)}


def _base_tables(name: str, folder: Path | None, seen: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    if name in seen:
        raise ChurnError(
            f"Product '{name}' builds on itself ({' -> '.join((*seen, name))}); take its line product = out."
        )
    text, shown = _text(name, folder)
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ChurnError(f"{shown} is not valid TOML: {error}.") from error
    base = said.pop("product", None)
    if unknown := sorted(set(said) - set(TABLES)):
        raise ChurnError(
            f"{shown}: unknown key {', '.join(map(repr, unknown))}; a declaration has {', '.join(TABLES)}."
        )
    under = _base_tables(str(base), folder, (*seen, name)) if base else {kind: [] for kind in KINDS}
    return _over(under, said, shown)


def _text(name: str, folder: Path | None) -> tuple[str, str]:
    """What the declaration says, and how messages call it."""
    shipped = shipped_products()
    if name in shipped:
        return files(PRODUCTS).joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"product '{name}'"
    path = (folder or Path()) / (name if name.endswith(".toml") else f"{name}.toml")
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)
    except (OSError, UnicodeDecodeError):
        raise ChurnError(
            f"product = '{name}' is neither shipped ({', '.join(shipped)}) nor a readable file at {path}; correct the name, or "
            "put the file there."
        ) from None


def _over(
    under: Mapping[str, Sequence[dict[str, Any]]], said: Mapping[str, Any], shown: str
) -> dict[str, list[dict[str, Any]]]:
    """The entries of `under`, those of `said` in their places or at the end, dropped ones left out."""
    tables = {kind: list(under[kind]) for kind in KINDS}
    drop = said.get("drop", [])
    if not isinstance(drop, list) or not all(isinstance(name, str) for name in drop):
        raise ChurnError(f"{shown}: drop must be a list of names.")
    for name in drop:
        if not any(_name(kind, entry) == name for kind in KINDS for entry in tables[kind]):
            raise ChurnError(f"{shown}: drop names '{name}', which no entry has; correct it, or take it out.")
        tables = {kind: [entry for entry in tables[kind] if _name(kind, entry) != name] for kind in KINDS}
    for kind in KINDS:
        entries = said.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise ChurnError(f"{shown}: {kind} must be tables, each under [[{kind}]].")
        for entry in map(dict, entries):
            names = [_name(kind, other) for other in tables[kind]]
            if _name(kind, entry) in names:
                tables[kind][names.index(_name(kind, entry))] = entry
            else:
                tables[kind].append(entry)
    return tables


def _name(kind: str, entry: Mapping[str, Any]) -> str:
    """What an entry is replaced and dropped by. A feature without a name goes by the columns it makes."""
    if kind == "features" and not entry.get("name"):
        if entry.get("since"):
            return f"days_since_{entry['since']}"
        return (
            f"{entry.get('of', '')}_{entry.get('agg', 'sum')}"
            if entry.get("agg", "sum") != "sum"
            else str(entry.get("of", ""))
        )
    return str(entry.get("name", ""))


def _entry(kind: str, said: Mapping[str, Any]) -> Entry:
    try:
        return KINDS[kind].model_validate(said)
    except ValidationError as error:
        wrong = "; ".join(_said(one) for one in error.errors())
    # Out here it holds no ValidationError, which outlives the interpreter's end and makes DuckDB complain of leaks.
    raise ChurnError(f"[[{kind}]] '{_name(kind, said)}' is not usable: {wrong}.")


def _said(error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown key '{place}'"
    return f"{place}: {error['msg']}".removeprefix(": ").replace("Value error, ", "")


def _with_paths(entries: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Conditions on paths (`extra.device`) as conditions on properties, which are added: each is read once, while cleaning."""
    properties = {entry.name: entry for entry in entries["properties"]}
    measures = []
    for measure in entries["measures"]:
        where = []
        for condition in measure.where:
            if condition.key.startswith(f"{EXTRA}."):
                implied = _implied(condition)
                if properties.setdefault(implied.name, implied).from_ != implied.from_:
                    raise ChurnError(
                        f"measure '{measure.name}' has a condition on '{condition.key}', and '{implied.name}' is another property; "
                        "declare a property for the path."
                    )
                where.append(Condition(implied.name, condition.values, condition.negated))
            else:
                where.append(condition)
        measures.append(measure.model_copy(update={"where": tuple(where)}))
    return {**entries, "properties": tuple(properties.values()), "measures": tuple(measures)}


def _implied(condition: Condition) -> Property:
    value = condition.values[0]
    kind = "flag" if isinstance(value, bool) else "label" if isinstance(value, str) else "number"
    name = "_".join(condition.key.split(".")[1:]).lower()
    return Property.model_validate({"name": name, "type": kind, "from": condition.key, "bad": "null"})


def _function(reference: str, folder: Path | None) -> Function:
    """The function that `module:function` names, of a module in the deployment's folder or an installed one."""
    module_name, _, function = reference.partition(":")
    path = (folder or Path()) / f"{module_name}.py"
    try:
        if path.is_file():
            spec = importlib.util.spec_from_file_location(f"churn_product_{module_name}", path)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(module_name)
        found = getattr(module, function)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ChurnError(
            f"python = '{reference}' cannot be imported from {folder or 'here'} ({type(error).__name__}); put {module_name}.py with "
            f"a function {function} there."
        ) from error
    if not callable(found):
        raise ChurnError(f"python = '{reference}' is no function; name a function of a frame of events.")
    return found
