"""The product declaration: which attributes, event properties, measures and features a deployment has. Data, read from TOML.

Everything else in the package derives from a `Product`. No word of a domain stands here; those are in `products/*.toml`.
"""

from churn_assets.product.entries import Attribute, Condition, EventType, Feature, Measure, Property
from churn_assets.product.product import Product, UsersAre
from churn_assets.product.read import DEFAULT_PRODUCT, read_product, shipped_products

__all__ = [
    "DEFAULT_PRODUCT",
    "Attribute",
    "Condition",
    "EventType",
    "Feature",
    "Measure",
    "Product",
    "Property",
    "UsersAre",
    "read_product",
    "shipped_products",
]
