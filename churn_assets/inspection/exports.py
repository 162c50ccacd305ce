"""Exports of well-known tools, known by their columns. What is known of each is data, in exports.toml."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from churn_assets.settings import read_toml

EXPORTS_FILE = Path(__file__).with_name("exports.toml")


class Export(BaseModel):
    """`signature`: columns that every export of the tool has. `roles`: contract column -> columns it may be, the best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    signature: frozenset[str]
    roles: dict[str, tuple[str, ...]]
    note: str = ""
    attribute_prefixes: tuple[str, ...] = ()
    """Paths below these describe the user, not the event."""
    attributes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """How paths begin that are the tool's own bookkeeping."""


@cache
def exports() -> tuple[Export, ...]:
    """All that are known."""
    written = read_toml(EXPORTS_FILE)
    return tuple(Export(**entry) for entry in written["exports"])


def export_of(paths: Collection[str]) -> Export | None:
    """The tool that an export with these columns is of."""
    named = {*paths, *(path.partition(".")[0] for path in paths)}
    return next((export for export in exports() if export.signature <= named), None)
