"""What Dagster loads: `churn_assets.definitions:defs`, of the deployment that $CHURN_DATA_DIR names."""

from churn_assets.automation.instance import look_after_own_home
from churn_assets.graph import build_definitions
from churn_assets.settings import Settings

_settings = Settings.load()
look_after_own_home(_settings.dagster_home)
defs = build_definitions(_settings)
