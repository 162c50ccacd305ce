"""manifest.json of one model: what it was fitted on, what it must find again to be used, and how it did on the test part.

It holds no clock and no run: the same inputs give the same manifest, but for the hash of the estimator's file, in which skops names
objects by their addresses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from churn_assets.errors import ChurnError
from churn_assets.models.calibration import Calibration

MANIFEST = "manifest.json"
FORMAT = 1
"""Raised when the files' layout changes: part of every version's hash."""
IDENTITY = (
    "format",
    "training_set",
    "label",
    "label_rules",
    "candidate",
    "code_version",
    "features",
    "libraries",
    "seen",
)
"""What the version is a hash of."""


@dataclass(frozen=True)
class ModelManifest:
    """`features` are those the product declared, each with the digest of its definition; `seen` names the days of the training set:
    `learned_until`, the last as-of date of train and validation, `test_first`, and `known_until`, the last day that any label
    looked at. `metrics` are rows of `Evaluation.metrics`; `files` the SHA-256 of each file beside this one.
    """

    version: str
    format: int
    training_set: str
    label: str
    label_rules: str
    """Digest of what decides the label."""
    candidate: str
    code_version: str
    features: Mapping[str, str]
    libraries: Mapping[str, str]
    seen: Mapping[str, str]
    takes_over: bool
    why: str
    """In words, why it takes over from the rule or does not."""
    metrics: list[dict[str, Any]]
    calibration: Mapping[str, Any]
    """Of the model's scores."""
    calibration_of_recency: Mapping[str, Any]
    """Of the rule's, for the days on which that serves."""
    files: Mapping[str, str]

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @property
    def test_first(self) -> date:
        """From here on it has seen neither a feature nor an outcome of a day."""
        return date.fromisoformat(self.seen["test_first"])

    @property
    def known_until(self) -> date:
        return date.fromisoformat(self.seen["known_until"])

    def serves_from(self, is_first: bool) -> date:
        """The first model also scores the days it was tested on; a later one those that came after it."""
        return self.test_first if is_first else self.known_until + timedelta(days=1)

    def calibrated(self, *, by_model: bool) -> Calibration:
        return Calibration.from_json(self.calibration if by_model else self.calibration_of_recency)

    @classmethod
    def read(cls, folder: Path) -> ModelManifest:
        """The manifest of the model in `folder`. Raises ChurnError where it is no manifest."""
        path = folder / MANIFEST
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            # Of a manifest that another release wrote, or of a damaged one, this is what would fail later.
            (found.test_first, found.known_until, found.calibrated(by_model=True), found.calibrated(by_model=False))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ChurnError(f"{path} is not the manifest of a model; remove the folder and make it again.") from error
        if found.format != FORMAT:
            raise ChurnError(
                f"{path} is of format {found.format}, and this release reads {FORMAT}; remove the folder and make it again."
            )
        return found
