"""The steps of churn_scores and score_quality: what they read, and which models there are to score with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel

from churn_assets.assets.code_version import meanings_of
from churn_assets.assets.labels_step import USER_DAY
from churn_assets.assets.step import Beside, Step
from churn_assets.calendar import SAME_DAY
from churn_assets.evaluation.quality import score_quality
from churn_assets.models.reasons import subjects
from churn_assets.models.scoring import churn_scores
from churn_assets.models.serving import Serving
from churn_assets.product import Product
from churn_assets.product.columns import FeatureColumn
from churn_assets.settings import Settings
from churn_assets.warehouse.selection import Selection

CHURN_MODEL, CHURN_TRANSFORMER = "churn_model", "churn_transformer"
SCORES, QUALITY = "churn_scores", "score_quality"


def serving_models(settings: Settings) -> Serving:
    """The models that fit the features and the label as they are declared now. Raises ChurnError where a folder is damaged."""
    features = declared_features(settings.declaration)
    return Serving.of(settings.models_dir, features, label_rules(settings), settings.model.trusted)


def label_rules(settings: Settings) -> str:
    """A digest of what decides whether a user churns. Outages are none of it: they leave labels out, and change none."""
    rules = settings.labels.model_copy(update={"outages": (), "partial_follow_up": False})
    return meanings_of({"label": rules})["label"]


def declared_features(product: Product) -> dict[str, str]:
    """Each feature with a digest of all that is declared of its values, its measures included. Words are none of it: a model is as
    good as before when a meaning is put better.
    """
    return meanings_of(
        {column.name: tuple(map(_wordless, with_measures(column, product))) for column in product.feature_columns}
    )


def scoring_steps(settings: Settings) -> tuple[Step, Step]:
    return _churn_scores(settings), _score_quality(settings)


def segments(settings: Settings) -> tuple[str, ...]:
    """The attributes that divide users into groups: labels that are not personal."""
    return tuple(entry.name for entry in settings.declaration.attributes if entry.type == "label" and not entry.pii)


def with_measures(column: FeatureColumn, product: Product) -> tuple[Any, ...]:
    """A feature with the measures it takes: one that counts different values counts those of the events they count."""
    return column, *(product.daily[name] for name in (*column.of, *column.whole) if name in product.daily)


def _wordless(entry: Any) -> Any:
    words = {name: "" for name in ("meaning", "noun", "unit", "owner") if getattr(entry, name, "")}
    return entry.model_copy(update=words) if isinstance(entry, BaseModel) else replace(entry, **words)


def _churn_scores(settings: Settings) -> Step:
    product, explained = settings.declaration, settings.model.explained
    types, of_subjects = {column.name: column.type for column in product.feature_columns}, subjects(product)
    return Step(
        name=SCORES,
        description="Whom to call: at-risk users ranked by the model that serves the day, with reasons.",
        group="scores",
        outputs=(SCORES, "score_drift"),
        reads={"user_features": SAME_DAY, "churn_labels": SAME_DAY},
        selects={"churn_labels": Selection(USER_DAY, only="is_at_risk")},
        compute=lambda inputs, days: churn_scores(
            inputs["user_features"],
            inputs["churn_labels"],
            days=days,
            serving=inputs.beside,
            explained=explained,
            types=types,
            of_subjects=of_subjects,
        ),
        sized_by="user_features",
        bucket_by=None,
        beside=Beside(CHURN_MODEL, partial(serving_models, settings)),
    )


def _score_quality(settings: Settings) -> Step:
    label, groups = settings.labels.churned_column, segments(settings)
    return Step(
        name=QUALITY,
        description="What became of a day's scores. Computed again when the horizon has closed.",
        group="scores",
        outputs=(QUALITY,),
        reads={SCORES: SAME_DAY, "churn_labels": SAME_DAY, "user_day_grid": SAME_DAY},
        selects={
            SCORES: Selection((*USER_DAY, "score", "probability", "silent_days", "model_version")),
            "churn_labels": Selection((*USER_DAY, label), only="is_at_risk"),
            "user_day_grid": Selection((*USER_DAY, "days_since_signup", *groups)),
        },
        compute=lambda inputs, _: (
            score_quality(
                inputs[SCORES], inputs["churn_labels"], inputs["user_day_grid"], label=label, segments=groups
            ),
        ),
        sized_by="user_day_grid",
        bucket_by=None,
    )
