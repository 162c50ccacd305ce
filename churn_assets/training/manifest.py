"""manifest.json of one training set: what its rows are, what they were made from, and the hash that names the version.

It holds no clock and no run, so that the same inputs give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from churn_assets.contracts import Column, Contract, Kind
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.errors import ChurnError
from churn_assets.transforms.training import DAY, KEY
from churn_assets.versions import version_of
from churn_assets.warehouse.content_hash import PartitionHashes

MANIFEST = "manifest.json"
PARTS = ("train", "validation", "test")
FORMAT = 1
"""Raised when the files' layout changes: part of every version's hash."""


@dataclass(frozen=True)
class PartSummary:
    """One file: its rows, how many of them churned, its first and last as-of date, and a hash of what its rows say."""

    rows: int
    churned: int
    first_as_of_date: str
    last_as_of_date: str
    content_hash: str

    @property
    def churn_rate(self) -> float:
        return self.churned / self.rows


@dataclass(frozen=True)
class Manifest:
    """`schema` is each column's name, kind and whether it may be null, in the files' order, the label last; `inputs` the content
    hash of each day read, by table.
    """

    version: str
    format: int
    label: str
    schema: list[dict[str, Any]]
    settings: Mapping[str, Any]
    code_version: str
    embargo_days: int
    observed: list[str]
    inputs: Mapping[str, Mapping[str, str]]
    parts: Mapping[str, PartSummary]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts.values())

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the version in `folder`. Raises ChurnError where it is no manifest."""
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            parts = {name: PartSummary(**content["parts"][name]) for name in PARTS}
            return cls(**{**content, "parts": parts})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ChurnError(
                f"{path} is not the manifest of a training set; remove the folder and make it again."
            ) from error


def schema_of(contract: Contract) -> list[dict[str, Any]]:
    return [{"name": c.name, "kind": c.kind.name.lower(), "nullable": c.nullable} for c in contract.columns]


def contract_of(manifest: Manifest) -> Contract:
    """Columns and types of the files as they were written, whatever today's contracts say."""
    columns = tuple(Column(c["name"], Kind[c["kind"].upper()], "", c["nullable"]) for c in manifest.schema)
    return Contract(TRAINING_SET, "", tuple(KEY), DAY, columns)


def content_hash(hashes: PartitionHashes, days: Iterable[date]) -> str:
    """One hash for the rows of several days, in whatever order they lie."""
    return version_of({day.isoformat(): hashes.digest(day) for day in days})
