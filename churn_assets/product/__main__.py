"""`python -m churn_assets.product docs/product.md` renews the tables of keys in that page, which come from the entries themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from churn_assets.product.condition import Condition
from churn_assets.product.entries import KINDS, Entry

BLOCK = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TYPES: Mapping[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
LEFT_OUT = re.compile(r"\s*Left out: (.*?)\.?$")


def with_tables(page: str) -> str:
    """A page of Markdown with the table of keys renewed between each `<!-- keys of KIND -->` and `<!-- end -->`."""
    return BLOCK.sub(lambda found: found[1] + keys_table(KINDS[found[2]]) + found[3], page)


def keys_table(model: type[Entry]) -> str:
    """A Markdown table of the keys of one kind of entry: values, what leaving it out means, and for which variety it is."""
    rows = ["| key | value | left out | meaning |", "|---|---|---|---|"]
    hints = get_type_hints(model, include_extras=False)
    for name, field in model.model_fields.items():
        text = (field.description or "").replace("\n", " ")
        left_out = LEFT_OUT.search(text)
        absent = (
            left_out[1]
            if left_out
            else "required"
            if field.is_required()
            else _default(field.get_default(call_default_factory=True))
        )
        meaning = LEFT_OUT.sub("", text)
        if name in model.only_for:
            meaning += f" Only for {model.variety_key} {', '.join(model.only_for[name])}."
        cells = (f"`{field.alias or name}`", _values(hints[name]), absent, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if value is None or value in ((), "", {}):
        return "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _values(hint: Any) -> str:
    """What a key may hold, in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _values(inner[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, UnionType):
        kinds = [_values(kind) for kind in inner if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else "text, number, day, true or false"
    if origin is tuple:
        if inner[0] is Condition:
            return "conditions"
        count = "two " if Ellipsis not in inner and len(inner) == 2 else ""
        return f"{count}{_values(inner[0])}s" if get_origin(inner[0]) is not tuple else "two lists of texts"
    return TYPES.get(hint, "table")


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
