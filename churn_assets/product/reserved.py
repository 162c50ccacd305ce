"""Names that are taken: columns that every product's tables have, reasons and repairs that cleaning has, words of SQL."""

from __future__ import annotations

from collections.abc import Mapping

TOTAL_EVENTS, IS_ACTIVE = "total_events", "is_active"
"""Columns of every product's user_daily: all events of the day, and whether it has one."""
EXTRA = "extra"
"""Column of a raw table that holds, as a JSON object, what the source delivers besides."""
USER_KEYS, EVENT_KEYS = ("user_id", "signup_date"), ("event_id", "user_id", "event_time", "event_type")
"""Source columns that every product has."""
VALID_FROM = "valid_from"
"""Column of users that dates their versions, where a deployment has one."""
LANDING = ("landing_date", "source_file", "source_row", EXTRA, "read_error", "reason")
GRID = (*USER_KEYS, "as_of_date", "days_since_signup")
OF_THE_DAY = ("day_of_week", "is_weekend")
LABELS = ("churned", "is_at_risk", "censor_reason", "future_active_days", "days_until_churn", "days_followed")
"""Columns of churn_labels and of what is made from it, besides churned_<horizon>d."""
LABEL_PREFIX = "churned_"
SEGMENT = "activity_segment"
FEATURES = frozenset({*GRID, *OF_THE_DAY, *LABELS, SEGMENT})
COLUMNS: Mapping[str, frozenset[str]] = {
    "attributes": frozenset({*LANDING, VALID_FROM, *FEATURES, TOTAL_EVENTS, IS_ACTIVE}),
    "properties": frozenset({*LANDING, *EVENT_KEYS, "event_date", *GRID, IS_ACTIVE}),
    "measures": frozenset({*GRID, IS_ACTIVE}),
    "features": FEATURES,
}
"""By kind of entry, columns that its tables have already."""
TAKEN = "is the name of a column that a table has already; give it another"
"""The end of a clause."""
OUTCOMES = frozenset(
    {
        *("malformed_row", "nul_byte", "bad_user_id", "bad_signup_date", "bad_event_id", "bad_event_time"),
        *(
            "bad_valid_from",
            "bad_event_type",
            "bad_number",
            "bad_flag",
            "bad_time",
            "bad_value",
            "future",
            "too_late",
            "conflict",
        ),
        *("unknown_user", "before_signup", "id_written_as_decimal", "text_normalised"),
    }
)
"""Reasons and repairs that cleaning has whatever the product."""
SQL_WORDS = frozenset(
    {
        *("all", "analyse", "analyze", "and", "any", "array", "as", "asc"),
        *("asymmetric", "both", "case", "cast", "check", "collate", "column", "constraint"),
        *("create", "default", "deferrable", "desc", "describe", "distinct", "do", "else"),
        *("end", "except", "false", "fetch", "for", "foreign", "from", "group"),
        *("having", "in", "initially", "intersect", "into", "lambda", "lateral", "leading"),
        *("limit", "not", "null", "offset", "on", "only", "or", "order"),
        *("pivot", "pivot_longer", "pivot_wider", "placing", "primary", "qualify", "references", "returning"),
        *("select", "show", "some", "summarize", "symmetric", "table", "then", "to"),
        *("trailing", "true", "union", "unique", "unpivot", "using", "variadic", "when"),
        *("where", "window", "with"),
    }
)
"""DuckDB's reserved words: as a column each would have to be quoted in every query."""
