"""Pure pandas functions from frame to frame: no Dagster, no IO, no clock. Usable in a notebook.

Each is local to a key (an event_id, a user): its result depends on that key's rows only, so work can be split by key
and by day on any engine. `growth_daily` and `retention_cohorts` alone sum over users, and can be split by day only.
"""

from churn_assets.transforms.clean_events import clean_events
from churn_assets.transforms.clean_users import clean_users
from churn_assets.transforms.feature_catalogue import feature_catalogue
from churn_assets.transforms.features import user_features
from churn_assets.transforms.growth import growth_daily
from churn_assets.transforms.labels import churn_labels
from churn_assets.transforms.labels_event import churn_labels_by_event
from churn_assets.transforms.labels_lapse import churn_labels_by_lapse
from churn_assets.transforms.outcomes import Cleaned
from churn_assets.transforms.retention import retention_cohorts
from churn_assets.transforms.rules import CleaningRules, cleaning_rules, rules_of_made_users
from churn_assets.transforms.training import sampled_days, split_by_time, training_rows
from churn_assets.transforms.user_days import unmatched_events, user_daily, user_day_grid
from churn_assets.transforms.users_from_events import users_from_events

__all__ = [
    "Cleaned",
    "CleaningRules",
    "churn_labels",
    "churn_labels_by_event",
    "churn_labels_by_lapse",
    "clean_events",
    "clean_users",
    "cleaning_rules",
    "feature_catalogue",
    "growth_daily",
    "retention_cohorts",
    "rules_of_made_users",
    "sampled_days",
    "split_by_time",
    "training_rows",
    "unmatched_events",
    "user_daily",
    "user_day_grid",
    "user_features",
    "users_from_events",
]
