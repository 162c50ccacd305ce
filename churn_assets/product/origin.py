"""Where an entry of a product comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """`place` is what messages call it: a file, or a shipped product."""

    place: str
    layer: Literal["shipped", "file", "churn.toml"]
    given: frozenset[str] = frozenset()
    """Keys that the entry says itself; the others have their defaults."""
    dropped: bool = False
