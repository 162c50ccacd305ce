"""What is wrong with one entry by itself, in the words of the declaration instead of the validator's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from churn_assets.product.clauses import near
from churn_assets.product.entries import KINDS, Entry
from churn_assets.product.product import refusal

MUST_BE: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "mapping_type": "a table",
    "dict_type": "a table",
    "finite_number": "a finite number",
}
BOUNDS: Mapping[str, str] = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def entry(kind: str, declared: Mapping[str, Any], place: str) -> Entry:
    """The entry that a table of TOML declares. Raises ChurnError with the first thing that is wrong with it."""
    try:
        return KINDS[kind].model_validate(declared)
    except ValidationError as error:
        clause = _clause(error.errors()[0], KINDS[kind])
    # Out here it holds no ValidationError, which outlives the interpreter's end and makes DuckDB complain of leaks.
    raise refusal(place, kind, str(declared.get("name", "without a name")), clause)


def _clause(error: ErrorDetails, model: type[Entry]) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return f"{key} {context['error']}".strip()
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        return unknown_key(key, [field.alias or name for name, field in model.model_fields.items()])
    if kind == "literal_error":
        inner = ".".join(map(str, error["loc"])).removesuffix(".[key]")
        return f"{inner} can be {str(context['expected']).replace(chr(39), '')}, and nothing else"
    for bound, words in BOUNDS.items():
        if bound in context:
            return f"{key} must be {words} {context[bound]}"
    return f"{key} must be {MUST_BE.get(kind, 'of another type')}"


def unknown_key(key: str, known: Collection[str]) -> str:
    """The clause for a key that means nothing, which may be a mistyped one."""
    return f"unknown key '{key}'{near(key, known)}"
