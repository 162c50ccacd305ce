"""Contracts of the tables a model leaves behind: churn_scores, score_drift, score_quality."""

from __future__ import annotations

from churn_assets import model_settings
from churn_assets.contracts.base import Column, Contract, Kind, Rule

SERVED, RECENCY = "served", model_settings.RECENCY
"""Rankings: the scores as they were given, and the rule, which is days since the last activity."""
EVERYBODY, ACTIVE, TENURE = "all", "active_7d", "tenure"
"""Groups of users besides those by an attribute."""
AS_OF_DATE = Column("as_of_date", Kind.DATE, "Day the score was given for, at its end")
VERSION = Column("model_version", Kind.LABEL, "Folder of the model under models/, or recency where the rule served")
PLACES = (1, 2, 3)


def score_contracts(user_id: Column) -> tuple[Contract, ...]:
    return (_churn_scores(user_id), _score_drift(), _score_quality())


def _churn_scores(user_id: Column) -> Contract:
    reasons = [
        Column(
            f"reason_{place}",
            Kind.LABEL,
            f"Measure or attribute with the {name} effect on the score; null below the ranks that are explained",
            nullable=True,
        )
        for place, name in zip(PLACES, ("largest", "second largest", "third largest"), strict=True)
    ]
    effects = [
        Column(
            f"effect_{place}",
            Kind.NUMBER,
            f"How much reason_{place} adds to the log-odds of churn, against a typical user; negative: it lowers them",
            nullable=True,
            unit="log-odds",
        )
        for place in PLACES
    ]
    return Contract(
        table="churn_scores",
        grain="one at-risk user and day, ranked by how likely they churn",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(
            user_id,
            AS_OF_DATE,
            Column("rank", Kind.INTEGER, "1: the most at risk of the day; ties in order of user_id", minimum=1),
            Column("score", Kind.NUMBER, "What users are ranked by; of the rule the days since the last activity"),
            Column(
                "probability",
                Kind.NUMBER,
                "How often users of such a score churned in the validation part; null before the first model",
                nullable=True,
                minimum=0,
                maximum=1,
            ),
            Column("silent_days", Kind.INTEGER, "Days since the last activity", nullable=True, minimum=0, unit="days"),
            *(column for pair in zip(reasons, effects, strict=True) for column in pair),
            VERSION,
            Column("features_hash", Kind.TEXT, "Hash of the features the score was made of"),
        ),
        rules=(
            Rule(
                "reasons_have_effects",
                "a reason has an effect, and no reason has none",
                lambda f: (
                    (f["reason_1"].isna() == f["effect_1"].isna())
                    & (f["reason_2"].isna() == f["effect_2"].isna())
                    & (f["reason_3"].isna() == f["effect_3"].isna())
                ),
            ),
        ),
    )


def _score_drift() -> Contract:
    return Contract(
        table="score_drift",
        grain="one feature and day that a model served: how far its at-risk users lie from those it was fitted on",
        key=("as_of_date", "feature"),
        day="as_of_date",
        columns=(
            AS_OF_DATE,
            Column("feature", Kind.LABEL, "Feature the model looks at; score: the score itself"),
            Column("psi", Kind.NUMBER, "Population stability index; from 0.25 up another population", minimum=0),
            Column("rows", Kind.INTEGER, "Users scored", minimum=0, unit="users"),
            Column(
                "unseen",
                Kind.INTEGER,
                "Users with a value that the model has not learned of, which counts as null",
                minimum=0,
                unit="users",
            ),
            VERSION,
        ),
    )


def _score_quality() -> Contract:
    def share(name: str, meaning: str, most: float | None = 1) -> Column:
        return Column(name, Kind.NUMBER, meaning, nullable=True, minimum=0, maximum=most)

    return Contract(
        table="score_quality",
        grain="one day whose horizon has closed, group of users and ranking: how good the scores were",
        key=("as_of_date", "group_by", "group_value", "ranking"),
        day="as_of_date",
        columns=(
            AS_OF_DATE,
            Column("group_by", Kind.LABEL, "all, active_7d, tenure, or an attribute"),
            Column("group_value", Kind.LABEL, "The value; of all and active_7d the same word"),
            Column("ranking", Kind.LABEL, "served: the scores that were given; recency: the rule on the same users"),
            VERSION,
            Column("users", Kind.INTEGER, "Scored users whose label is observed", minimum=1, unit="users"),
            Column("churned", Kind.INTEGER, "Those who churned", minimum=0, unit="users"),
            share("average_precision", "Area under precision and recall; null where one outcome alone was seen"),
            share("roc_auc", "How often who churned is ranked above who stayed, ties half"),
            share("lift_1pct", "Churn rate of the 1 % ranked highest over that of all", None),
            share("lift_5pct", "The same of the 5 % ranked highest", None),
            share("lift_10pct", "The same of the 10 % ranked highest", None),
            share("brier_score", "Mean squared distance of probability and outcome; null without a probability"),
            share("calibration_error", "Mean distance of probability and churn rate, over tenths of probability"),
        ),
        rules=(Rule("churned_within_users", "churned <= users", lambda f: f["churned"] <= f["users"]),),
    )
