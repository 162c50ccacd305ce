"""Landing: delivered files, read strictly into text tables. No cleaning, no Dagster, no warehouse.

A value leaves here exactly as it was delivered; what it means is decided in `transforms`.
"""

from churn_assets.landing.binding import Drift
from churn_assets.landing.reading import LandedFile, read_file

__all__ = ["Drift", "LandedFile", "read_file"]
