"""What Dagster loads: `churn_assets.definitions:defs`, of the deployment that $CHURN_DATA_DIR names."""

from churn_assets.graph import build_definitions
from churn_assets.settings import Settings

defs = build_definitions(Settings.load())
