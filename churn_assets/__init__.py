"""churn_assets: raw users and events of a subscription product, turned into trustworthy user-day tables."""

__version__ = "0.1.0"
