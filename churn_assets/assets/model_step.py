"""What the churn_model asset does: fit the candidate on the training set of what is published now, judge it beside the rule, and
keep it.

Knows no Dagster, like the steps. It is none of them, because it makes no partitions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from churn_assets.assets.code_version import code_version
from churn_assets.assets.scoring_steps import declared_features, label_rules, serving_models
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import inputs_now, is_made
from churn_assets.contracts.scores import EVERYBODY
from churn_assets.errors import ChurnError
from churn_assets.evaluation import Evaluation, evaluate, measured
from churn_assets.evaluation.evaluate import DIFFERENCE, RANKS
from churn_assets.model_settings import BG_NBD, CANDIDATES, RECENCY
from churn_assets.models import Fitted, NothingToLearn, fit_baseline, fit_own, recency_score
from churn_assets.models.bg_nbd import bg_nbd_score, fit_bg_nbd
from churn_assets.models.calibration import Calibration
from churn_assets.models.candidates import Scores
from churn_assets.models.drift import Reference
from churn_assets.models.manifest import FORMAT, IDENTITY, MANIFEST, ModelManifest
from churn_assets.models.scoring import SCORE
from churn_assets.models.store import libraries_now, models_in, write_model
from churn_assets.product.functions import DeclaredFunction, find_function
from churn_assets.training import TrainingInputs, TrainingSet, load_training_set
from churn_assets.versions import version_of

MODULES = tuple(function.__module__ for function in (fit_baseline, Calibration, Reference, evaluate, bg_nbd_score))


@dataclass(frozen=True)
class Made:
    """A model, and how it was judged. `evaluation` is None where the model had been made before."""

    manifest: ModelManifest
    evaluation: Evaluation | None


def model_code_version(deployment: Deployment) -> str:
    """Changes with the code that fits and judges, and with the candidate."""
    return code_version(MODULES, [_candidate(deployment)], [])


def due_model(deployment: Deployment) -> TrainingInputs | None:
    """The training set on which a model is to be fitted now; None where none is due."""
    inputs = inputs_now(deployment)
    return inputs if inputs and is_made(deployment, inputs) and why_due(deployment, inputs) else None


def why_due(deployment: Deployment, inputs: TrainingInputs) -> str | None:
    """Why a new model is fitted on this training set; None where the newest one is recent enough."""
    newest, rules = serving_models(deployment.settings).newest, deployment.settings.model
    if newest is None:
        return "no model fits the features and the label as they are declared"
    if newest.candidate != rules.candidate:
        return f"the newest model is {newest.candidate}, and model.candidate is {rules.candidate}"
    if newest.libraries != libraries_now():
        return "the newest model was fitted with other releases of its libraries"
    if _known_until(deployment, inputs) >= newest.known_until + timedelta(days=rules.refit_days):
        return f"the newest model knows the days until {newest.known_until}, and model.refit_days is {rules.refit_days}"
    return None


def make_model(deployment: Deployment, inputs: TrainingInputs) -> Made:
    """The model of a training set that is made: fitted and written if it does not exist. Raises ChurnError where the candidate is
    an estimator of one's own that fails, or its scores are no probabilities.
    """
    settings = deployment.settings
    parts = load_training_set(inputs.version, settings.data_dir)
    days = {name: part["as_of_date"] for name, part in parts._asdict().items()}
    identity: dict[str, Any] = {
        "format": FORMAT,
        "training_set": inputs.version,
        "label": settings.labels.churned_column,
        "label_rules": label_rules(settings),
        "candidate": settings.model.candidate,
        "code_version": model_code_version(deployment),
        "features": declared_features(deployment.settings.declaration),
        "libraries": libraries_now(),
        "seen": {
            "learned_until": f"{days['validation'].max():%Y-%m-%d}",
            "test_first": f"{days['test'].min():%Y-%m-%d}",
            "known_until": _known_until(deployment, inputs).isoformat(),
        },
    }
    version = version_of({name: identity[name] for name in IDENTITY})
    if known := [model for model in models_in(settings.models_dir) if model.version == version]:
        # A candidate a deployment comes back to: of models that know the same days, the one written last serves.
        (settings.models_dir / version / MANIFEST).touch()
        return Made(known[0], None)
    fitted, why_not = _fitted(deployment, parts)
    scores = _scores(fitted, parts.test) if fitted else None
    is_bg_nbd = settings.model.candidate == BG_NBD
    gone = (
        scores
        if is_bg_nbd
        else bg_nbd_score(parts.train, parts.test, settings.declaration, settings.labels.horizon_days)
    )
    evaluation = measured(parts.test, scores, outcome=parts.test[identity["label"]], reason=why_not, gone=gone)
    takes_over, why = _takes_over(evaluation.metrics)
    churned = parts.validation[identity["label"]].to_numpy(dtype=bool)
    of_rule = Calibration.fitted(recency_score(parts.validation), churned, of_probabilities=False)
    of_model = (
        Calibration.fitted(_scores(fitted, parts.validation), churned, of_probabilities=True) if fitted else of_rule
    )

    def manifest(files: Any) -> ModelManifest:
        return ModelManifest(
            version=version,
            **identity,
            takes_over=takes_over,
            why=why_not or why,
            metrics=json.loads(evaluation.metrics.to_json(orient="records", double_precision=15)),
            calibration=of_model.as_json(),
            calibration_of_recency=of_rule.as_json(),
            files=files,
        )

    kept = (fitted, _reference(fitted, parts)) if fitted else None
    stored = write_model(
        *(settings.models_dir, manifest, version, kept, settings.lock_timeout_seconds), trusted=settings.model.trusted
    )
    return Made(stored, evaluation)


def _known_until(deployment: Deployment, inputs: TrainingInputs) -> date:
    """The last day that a label of the training set, or of the days between, looks at."""
    _, last = inputs.identity["observed"]
    return date.fromisoformat(last) + timedelta(days=deployment.settings.labels.reach_days)


def _candidate(deployment: Deployment) -> str | DeclaredFunction:
    name = deployment.settings.model.candidate
    if name in CANDIDATES:
        return name
    try:
        return find_function(name, deployment.settings.data_dir)
    except ValueError as error:
        raise ChurnError(f"model.candidate: {error}.") from error


def _fitted(deployment: Deployment, parts: TrainingSet) -> tuple[Fitted | None, str | None]:
    """What was fitted, or None and why nothing was."""
    candidate, settings = _candidate(deployment), deployment.settings
    if candidate == RECENCY:
        return None, "model.candidate is the rule itself"
    known: Any = {"label": settings.labels.churned_column, "product": settings.declaration}
    try:
        if isinstance(candidate, DeclaredFunction):
            return _own(candidate, lambda: fit_own(candidate, parts.train, parts.validation, **known)), None
        if candidate == BG_NBD:
            return fit_bg_nbd(parts.train, settings.declaration, settings.labels.horizon_days), None
        return fit_baseline(parts.train, parts.validation, **known), None
    except NothingToLearn as reason:
        return None, str(reason)


def _own(candidate: DeclaredFunction, fit: Callable[[], Fitted]) -> Fitted:
    try:
        return fit()
    except ChurnError:
        raise
    except Exception as error:
        # Its text may quote a row; its kind does not.
        raise ChurnError(
            f"model.candidate '{candidate.name}' could not be fitted ({type(error).__name__}); it gets a frame with nulls and "
            "categories, and must give an estimator with fit(X, y) and predict_proba(X)."
        ) from error


def _scores(fitted: Fitted, rows: pd.DataFrame) -> Scores:
    try:
        scores = fitted.score(rows)
    except (AttributeError, IndexError) as error:
        raise ChurnError("The model's estimator gives no probabilities of two outcomes: predict_proba(X).") from error
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ChurnError("The model's estimator gives probabilities that are not between 0 and 1.")
    return scores


def _takes_over(metrics: pd.DataFrame) -> tuple[bool, str]:
    """Where the gain in average precision over the rule, among all at risk in the test part, has an interval above 0."""
    is_gain = (metrics["group"] == EVERYBODY) & (metrics["ranking"] == DIFFERENCE) & (metrics["metric"] == RANKS[0])
    gain = metrics[is_gain].iloc[0]
    if pd.isna(gain["low"]):
        return False, f"the rule serves, as nothing is known of the gain over it: {gain['reason'] or 'too few users'}"
    figures = f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    if gain["low"] > 0:
        return True, f"the model serves: its average precision is {figures} over the rule's"
    return False, f"the rule serves: the model's average precision is {figures} over the rule's, which may be no gain"


def _reference(fitted: Fitted, parts: TrainingSet) -> Reference:
    learned = pd.concat([fitted.transformer.matrix(part) for part in (parts.train, parts.validation)])
    return Reference.fitted(learned.assign(**{SCORE: fitted.score_matrix(learned)}))
