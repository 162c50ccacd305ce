"""Checks of the newest training set, blocking: read from its files, not from what its manifest says of them. While there is none
they do not pass, but only warn.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, asset_check

from churn_assets.checks.verdict import Verdict
from churn_assets.contracts import contracts
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.settings import Settings
from churn_assets.training import TrainingSet, load_training_set
from churn_assets.training.manifest import MANIFEST

Judge = Callable[[TrainingSet, Settings], Verdict]


def embargo_holds(parts: TrainingSet, settings: Settings) -> Verdict:
    """At least the embargo's whole days lie between two parts."""
    spans = [(name, part["as_of_date"].min(), part["as_of_date"].max()) for name, part in parts._asdict().items()]
    figures = {
        f"days_between_{before}_and_{after}": (first - last).days - 1
        for (before, _, last), (after, first, _) in pairwise(spans)
    }
    return Verdict(min(figures.values()) >= settings.embargo_days, {**figures, "embargo_days": settings.embargo_days})


def no_outcome(parts: TrainingSet, settings: Settings) -> Verdict:
    """The columns are the key, the declared features, and one label, last."""
    key = contracts(settings)["user_features"].key
    allowed = {*key, *(feature.name for feature in settings.declaration.feature_columns)}
    figures = {
        f"undeclared_columns_of_{name}": len(set(part.columns[:-1]) - allowed) for name, part in parts._asdict().items()
    }
    is_label_last = all(part.columns[-1] == settings.labels.churned_column for part in parts)
    return Verdict(is_label_last and not any(figures.values()), {**figures, "is_label_last": is_label_last})


JUDGES: dict[str, tuple[Judge, str]] = {
    "embargo_holds": (
        embargo_holds,
        "Between the last day of a part and the first of the next lie at least the embargo's days, so that no label of "
        "one is decided by days of the other.",
    ),
    "no_outcome": (no_outcome, "Its columns are the declared features and, last, the one label."),
}


def build_training_set_checks(settings: Settings) -> list[AssetChecksDefinition]:
    return [_check(name, judge, description, settings) for name, (judge, description) in JUDGES.items()]


def _check(name: str, judge: Judge, description: str, settings: Settings) -> AssetChecksDefinition:
    @asset_check(name=name, asset=TRAINING_SET, description=description, blocking=True)
    def run() -> AssetCheckResult:
        if not any(settings.training_sets_dir.glob(f"*/{MANIFEST}")):
            why = "there is no training set yet, so there was nothing to look at"
            return AssetCheckResult(passed=False, severity=AssetCheckSeverity.WARN, metadata={"why": why})
        verdict = judge(load_training_set(data=settings.data_dir), settings)
        return AssetCheckResult(
            passed=bool(verdict.passed), metadata=dict(verdict.figures), severity=AssetCheckSeverity.ERROR
        )

    return run
