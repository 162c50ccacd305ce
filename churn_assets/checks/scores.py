"""Checks of the scores: that each at-risk user has one and ranks are whole, which block; drift and lost quality, which warn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.drift import ERROR as MOST_PSI
from churn_assets.checks.verdict import EVERY_DAY, WHY, Check, Stored, Verdict
from churn_assets.contracts.scores import EVERYBODY, RECENCY, SERVED
from churn_assets.errors import first_few
from churn_assets.settings import Settings

MOVES_WITH_THE_CALENDAR = ("tenure", "observed", "weekday", "weekend")
"""Operations of features that are of other values later on whatever users do."""
QUALITY_DAYS = 28
"""Closed days, each judged together with those before it: of one day's few churned users chance decides too much."""
NAMED = 3
GAINS = f"""(SELECT as_of_date, served.model_version, served.churned / served.users AS churn_rate, served.average_precision,
    rule.average_precision AS of_recency, served.lift_5pct AS lift, rule.lift_5pct AS lift_of_recency
    FROM churn.score_quality served JOIN churn.score_quality rule USING (as_of_date, group_by, group_value)
    WHERE group_by = '{EVERYBODY}' AND served.ranking = '{SERVED}' AND rule.ranking = '{RECENCY}'
    AND served.average_precision IS NOT NULL)"""
"""SQL of how good the scores of each closed day were, beside the rule on the same users; a day of one outcome is left out."""


def score_checks(settings: Settings) -> list[Check]:
    return [
        Check(
            table="churn_scores",
            name="everybody_at_risk",
            description="The scored users of a day are those at risk in churn_labels, with ranks from 1 to their number.",
            blocking=True,
            judge=_everybody_at_risk,
            reads=("churn_labels",),
        ),
        Check(
            table="score_quality",
            name="of_all_scored",
            description="Users and churned users of a closed day are those of churn_scores and churn_labels.",
            blocking=True,
            judge=lambda stored, days: _of_all_scored(stored, days, settings.labels.churned_column),
            reads=("churn_scores", "churn_labels"),
        ),
        Check(
            table="score_quality",
            name="not_below_recency",
            description=f"Over {QUALITY_DAYS} closed days a model's average precision is not below that of recency.",
            blocking=False,
            judge=_not_below_recency,
            trailing_days=QUALITY_DAYS - 1,
        ),
        Check(
            table="score_drift",
            name="stable",
            description=f"Against the rows the model was fitted on, the score and each feature but those that move with the calendar have a "
            f"PSI of at most {MOST_PSI:g}.",
            blocking=False,
            judge=_stable,
        ),
        Check(
            table="score_drift",
            name="values_known",
            description="No scored user has a label, such as a plan, that the model has not learned of.",
            blocking=False,
            judge=_values_known,
        ),
    ]


def _everybody_at_risk(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    scored AS (SELECT as_of_date AS day, count(*) AS n, min(rank) AS lowest, max(rank) AS highest, count(DISTINCT rank) AS ranks
        FROM churn.churn_scores WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    at_risk AS (SELECT as_of_date AS day, count(*) AS n, count(s.user_id) AS scored
        FROM churn.churn_labels l LEFT JOIN churn.churn_scores s USING (user_id, as_of_date)
        WHERE is_at_risk AND as_of_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(scored.n, 0) AS scored, coalesce(at_risk.n, 0) AS at_risk, coalesce(at_risk.scored, 0) AS at_risk_scored,
        coalesce(ranks, 0) AS ranks, coalesce(lowest, 1) AS lowest, coalesce(highest, 0) AS highest
    FROM days LEFT JOIN scored USING (day) LEFT JOIN at_risk USING (day)"""
    return {
        day: Verdict(
            f["scored"] == f["at_risk"] == f["at_risk_scored"] == f["ranks"] == f["highest"] and f["lowest"] == 1, f
        )
        for day, f in stored.by_day(query, days).items()
    }


def _of_all_scored(stored: Stored, days: DayRange, label: str) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    judged AS (SELECT as_of_date AS day, sum(users)::BIGINT AS users, sum(churned)::BIGINT AS churned FROM churn.score_quality
        WHERE as_of_date BETWEEN $first AND $last AND group_by = '{EVERYBODY}' AND ranking = '{SERVED}' GROUP BY 1),
    known AS (SELECT as_of_date AS day, count(*) AS n, count(*) FILTER ({label}) AS churned
        FROM churn.churn_scores JOIN churn.churn_labels USING (user_id, as_of_date)
        WHERE {label} IS NOT NULL AND as_of_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(users, 0) AS users, coalesce(n, 0) AS scored, coalesce(judged.churned, 0) AS churned,
        coalesce(known.churned, 0) AS scored_churned
    FROM days LEFT JOIN judged USING (day) LEFT JOIN known USING (day)"""
    return {
        day: Verdict(f["users"] == f["scored"] and f["churned"] == f["scored_churned"], f)
        for day, f in stored.by_day(query, days).items()
    }


def _not_below_recency(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    gains AS (FROM {GAINS} WHERE model_version <> '{RECENCY}')
    SELECT day, count(as_of_date) AS closed_days, avg(average_precision) AS average_precision, avg(of_recency) AS of_recency
    FROM days LEFT JOIN gains ON as_of_date BETWEEN day - {QUALITY_DAYS - 1} AND day GROUP BY 1 ORDER BY 1"""
    return {day: _gain(figures) for day, figures in stored.by_day(query, days).items()}


def _gain(figures: dict[str, float]) -> Verdict:
    if not figures["closed_days"]:
        return Verdict(True, {WHY: "no day that a model served has closed yet"})
    if figures["average_precision"] >= figures["of_recency"]:
        return Verdict(True, figures)
    why = (
        f"over {figures['closed_days']} closed days the average precision of the scores is {figures['average_precision']:.3f}, and "
        f"that of recency {figures['of_recency']:.3f}: see score_quality, and lower model.refit_days or set model.candidate to recency"
    )
    return Verdict(False, {**figures, WHY: why})


def _stable(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    declared = stored.settings.declaration.feature_columns
    apart = ", ".join(f"'{f.name}'" for f in declared if f.operation in MOVES_WITH_THE_CALENDAR) or "''"
    query = f"""{EVERY_DAY},
    drifts AS (SELECT as_of_date AS day, feature, psi FROM churn.score_drift
        WHERE as_of_date BETWEEN $first AND $last AND feature NOT IN ({apart}))
    SELECT day, count(psi) AS features, coalesce(max(psi), 0) AS highest_psi,
        list(feature ORDER BY psi DESC) FILTER (psi > {MOST_PSI}) AS moved FROM days LEFT JOIN drifts USING (day) GROUP BY 1 ORDER BY 1"""
    found = {}
    for day, figures in stored.by_day(query, days).items():
        moved = figures.pop("moved") or []
        why = f"the scored users are another population than the model was fitted on in {first_few(moved, NAMED)}"
        found[day] = Verdict(False, {**figures, WHY: why}) if moved else Verdict(True, figures)
    return found


def _values_known(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    found AS (SELECT as_of_date AS day, feature, unseen FROM churn.score_drift WHERE as_of_date BETWEEN $first AND $last)
    SELECT day, coalesce(max(unseen), 0) AS users, list(feature ORDER BY unseen DESC, feature) FILTER (unseen > 0) AS features
    FROM days LEFT JOIN found USING (day) GROUP BY 1 ORDER BY 1"""
    verdicts = {}
    for day, figures in stored.by_day(query, days).items():
        names = figures.pop("features") or []
        why = (
            f"{first_few(names, NAMED, 'more features')}: values that the model has not learned of, which count as null"
        )
        verdicts[day] = Verdict(False, {**figures, WHY: why}) if names else Verdict(True, figures)
    return verdicts
