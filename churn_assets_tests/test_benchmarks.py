"""What the benchmarks say that they measure."""

import sys

from bench import wide
from churn_assets.product import read_product

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_wide_declaration_is_as_wide_as_it_says() -> None:
    shipped = read_product()
    assert (len(shipped.measures), len(shipped.feature_columns)) == (wide.SHIPPED_MEASURES, wide.SHIPPED_FEATURES)
    declared = read_product(more=tomllib.loads(wide.declaration()))
    assert (len(declared.measures), len(declared.feature_columns)) == (wide.MEASURES, wide.FEATURES)
