"""The DuckDB warehouse: sessions, publishing with gate and ledger, reading. What rows mean is not decided here."""

from churn_assets.warehouse.connection import Warehouse
from churn_assets.warehouse.ledger import Extent, Ledger, Published
from churn_assets.warehouse.publish import Publication, publish
from churn_assets.warehouse.reading import read_days

__all__ = ["Extent", "Ledger", "Publication", "Published", "Warehouse", "publish", "read_days"]
