"""Which model scores which day.

A day is scored by a model that knew nothing of it: neither its features nor any outcome that its label looks at. Days before the
first model, and days of a model that did not beat the rule, are scored by the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from churn_assets.contracts.scores import RECENCY
from churn_assets.models.candidates import Fitted
from churn_assets.models.drift import Reference
from churn_assets.models.manifest import ModelManifest
from churn_assets.models.store import models_in, read_model


@dataclass(frozen=True)
class Serving:
    """The models of a deployment that fit the features and the label as they are declared today, each with the first day that it serves."""

    root: Path
    models: tuple[tuple[date, ModelManifest], ...] = ()
    others: tuple[ModelManifest, ...] = ()
    """Models that were fitted on features or a label of another definition: no day can be scored by them."""
    trusted: tuple[str, ...] = ()
    _read: dict[str, tuple[Fitted, Reference]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, root: Path, features: Mapping[str, str], label_rules: str, trusted: tuple[str, ...] = ()) -> Serving:
        """`features` are the declared ones with the digests of their definitions, `label_rules` is that of the label."""
        known = models_in(root)
        usable = [model for model in known if model.label_rules == label_rules and model.features == features]
        # One that was fitted again on the same days, as another candidate say, replaces the one before.
        latest = [*{model.known_until: model for model in usable}.values()]
        serving = tuple((model.serves_from(number == 0), model) for number, model in enumerate(latest))
        return cls(root, serving, tuple(model for model in known if model not in usable), trusted)

    @property
    def newest(self) -> ModelManifest | None:
        return self.models[-1][1] if self.models else None

    def on(self, day: date) -> ModelManifest | None:
        """The model in force on a day, whether it scores or leaves that to the rule; None: none had been fitted."""
        return next((model for first, model in reversed(self.models) if first <= day), None)

    def version(self, day: date) -> str:
        """All that decides who scores a day, as text."""
        model = self.on(day)
        return RECENCY if model is None else f"{model.version} {'model' if model.takes_over else RECENCY}"

    def fitted(self, model: ModelManifest) -> tuple[Fitted, Reference]:
        """Read once. Raises ChurnError where it cannot be."""
        if model.version not in self._read:
            self._read[model.version] = read_model(self.root, model, self.trusted)
        return self._read[model.version]
