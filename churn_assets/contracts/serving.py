"""Contract of served_consistency, which a deployment has that keeps an online store."""

from __future__ import annotations

from churn_assets.contracts.base import Column, Contract, Kind, Rule


def served_consistency_contract() -> Contract:
    def count(name: str, meaning: str) -> Column:
        return Column(name, Kind.INTEGER, meaning, minimum=0, unit="vectors")

    return Contract(
        table="served_consistency",
        grain="one feature and day: whether what a service gave out is what user_features holds",
        key=("as_of_date", "feature"),
        day="as_of_date",
        columns=(
            Column("as_of_date", Kind.DATE, "Day that the vectors describe"),
            Column("feature", Kind.LABEL, "Column of user_features"),
            count("vectors", "Sampled vectors that were compared"),
            count("mismatched", "Those of another value than the table's"),
            count("missing", "Those without the feature, or of a user whom the table has not on that day"),
            count("errors", "Those whose value is of another type, or that cannot be read"),
            count(
                "restated", "Vectors not compared: they were published from a state of the day that was replaced since"
            ),
        ),
        rules=(
            Rule(
                "faults_within_vectors",
                "mismatched + missing + errors <= vectors",
                lambda f: f["mismatched"] + f["missing"] + f["errors"] <= f["vectors"],
            ),
        ),
    )
