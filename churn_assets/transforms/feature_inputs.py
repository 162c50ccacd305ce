"""What the features of a product need of each table: which columns, and how many days back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from churn_assets.product import Product
from churn_assets.product.columns import SEGMENT_DAYS
from churn_assets.product.measures import TOTAL_EVENTS, DailyColumn
from churn_assets.product.windows import RHYTHM

OF_ACTIVE_DAYS = frozenset({"since", *RHYTHM})
"""Operations that ask only on which days a measure was above 0, far back."""


@dataclass(frozen=True)
class FeatureInputs:
    """What the features of a product need: columns of each table, and how many days a window goes back."""

    product: Product

    @cached_property
    def back(self) -> int:
        """Of the windows over days."""
        windows = [
            column.window_days for column in self.product.feature_columns if column.operation not in OF_ACTIVE_DAYS
        ]
        return max(SEGMENT_DAYS, *windows) - 1

    @cached_property
    def lookback(self) -> int:
        """Of what asks for the last day."""
        return max(column.window_days for column in self.product.feature_columns if column.operation == "since") - 1

    @cached_property
    def history(self) -> int:
        """Of the rhythms; 0 where there is none."""
        histories = [column.window_days for column in self.product.feature_columns if column.operation in RHYTHM]
        return max(histories, default=1) - 1

    @property
    def longest(self) -> int:
        """Of all of them."""
        return max(self.back, self.lookback, self.history)

    @property
    def grid(self) -> tuple[str, ...]:
        """Of user_day_grid, of the days themselves."""
        attributes = [column.name for column in self.product.feature_columns if column.operation == "attribute"]
        return ("user_id", "as_of_date", *attributes, "days_since_signup")

    @property
    def windowed(self) -> tuple[str, ...]:
        """Of user_daily, in the windows over days."""
        return self._of_daily(lambda column: column.operation not in OF_ACTIVE_DAYS | {"attribute", "distinct"})

    @property
    def since(self) -> tuple[str, ...]:
        """Of user_daily, as far back as `since` looks."""
        return self._of_daily(lambda column: column.operation == "since")

    @property
    def rhythm(self) -> tuple[str, ...]:
        """Of user_daily, as far back as rhythms look; none where there is no rhythm."""
        return self._of_daily(lambda column: column.operation in RHYTHM) if self.history else ()

    @property
    def distinct(self) -> tuple[DailyColumn, ...]:
        names = dict.fromkeys(c.of[0] for c in self.product.feature_columns if c.operation == "distinct")
        return tuple(self.product.daily[name] for name in names)

    @property
    def events(self) -> tuple[str, ...]:
        """Of clean_events, in the windows over days; none where no feature looks at events."""
        if not self.distinct:
            return ()
        used = {measure.value for measure in self.distinct} | {c.key for m in self.distinct for c in m.conditions}
        types = ("event_type",) if any(measure.events for measure in self.distinct) else ()
        return ("user_id", "event_date", *types, *(e.name for e in self.product.properties if e.name in used))

    def _of_daily(self, is_wanted: Any) -> tuple[str, ...]:
        used = {
            name for column in self.product.feature_columns if is_wanted(column) for name in (*column.of, *column.whole)
        }
        used.add(TOTAL_EVENTS)
        return ("user_id", "as_of_date", *(name for name in self.product.daily if name in used))
