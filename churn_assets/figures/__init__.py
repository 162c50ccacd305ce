"""Pictures of the metrics tables and of an evaluation: pure functions from a frame to a matplotlib Figure, and to a PNG of it.

No table is read here, nothing is computed that a table does not hold, and nobody's screen is touched (Agg only).
"""

from churn_assets.figures.growth import active_users, growth_accounting
from churn_assets.figures.picture import Picture, evaluation_pictures, growth_pictures, retention_pictures
from churn_assets.figures.retention import retention

__all__ = [
    "Picture",
    "active_users",
    "evaluation_pictures",
    "growth_accounting",
    "growth_pictures",
    "retention",
    "retention_pictures",
]
