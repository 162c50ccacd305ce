"""`churn-assets report`: what is published, how good it is, growth and retention, on one page and as PNG files.

It reads the warehouse and judges stored data; it computes no table. Same warehouse, same report.
"""

from churn_assets.report.contents import Contents, gather
from churn_assets.report.page import page
from churn_assets.report.write import write_report

__all__ = ["Contents", "gather", "page", "write_report"]
