"""How the columns of a day's files differ from the contract's, as the `*_files` tables hold it, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable


def drifted_columns(texts: Iterable[str]) -> list[str]:
    """Names in JSON lists, and renamings in JSON objects as `source -> contract`, of several files: sorted, each once."""
    names: set[str] = set()
    for text in texts:
        drift = json.loads(text)
        names |= {f"{name} -> {column}" for name, column in drift.items()} if isinstance(drift, dict) else set(drift)
    return sorted(names)
