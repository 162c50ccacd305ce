"""user_day_grid, user_daily, clean_events -> user_features: each user as of the end of a day. Local to a user.

What the features are is declared (`product.feature_columns`); here is how each operation is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.product import Product
from churn_assets.product.columns import SEGMENT_DAYS, SEGMENTS, FeatureColumn
from churn_assets.product.measures import TOTAL_EVENTS
from churn_assets.product.windows import RHYTHM
from churn_assets.transforms.days import day_number, day_numbers
from churn_assets.transforms.feature_inputs import OF_ACTIVE_DAYS, FeatureInputs
from churn_assets.transforms.measures import chosen
from churn_assets.transforms.rhythm import rhythm
from churn_assets.transforms.trailing import Matrix, Positions, UserDays

Values = npt.NDArray[Any]
ADDED = ("sum", "daily_mean", "ratio", "trend", "weighted_mean")


def user_features(
    user_day_grid: pd.DataFrame,
    *,
    presence: pd.DataFrame,
    month: pd.DataFrame,
    lookback: pd.DataFrame,
    history: pd.DataFrame | None,
    clean_events: pd.DataFrame | None,
    first_day: date,
    last_day: date,
    published: Iterable[date],
    product: Product,
) -> pd.DataFrame:
    """Features of every grid row of [first_day, last_day]; rows and their order are the grid's.

    `presence` has user_id and as_of_date of the grid in the longest window before and up to these days. Three frames hold active rows
    of user_daily: `month` in the longest window, `lookback` as far as `since` looks, `history` as far as rhythms look. `clean_events`
    are the events that landed in the window. `history` and `clean_events` are None where no feature looks at them. Columns and days of
    each are those of `FeatureInputs`. `published` are the days of which user_daily is known: of others nothing was observed, which is
    not the same as nothing happened.
    """
    at = UserDays(pd.Index(user_day_grid["user_id"].unique()), day_number(first_day), day_number(last_day))
    days = _Days(at, product, user_day_grid, presence, month, clean_events, [day_number(day) for day in published])
    features: dict[str, Any] = {name: user_day_grid[name].array for name in ("user_id", "as_of_date")}
    far_back = _since(at, lookback, days.row, product) | _rhythms(at, history, days.row, product)
    for column in product.feature_columns:
        features[column.name] = far_back[column.name] if column.operation in OF_ACTIVE_DAYS else days.feature(column)
    return pd.DataFrame(features, copy=False)


class _Days:
    """The user-days of the windows, and what each feature makes of them, one value per grid row."""

    def __init__(
        self,
        at: UserDays,
        product: Product,
        grid: pd.DataFrame,
        presence: pd.DataFrame,
        month: pd.DataFrame,
        clean_events: pd.DataFrame | None,
        published: list[int],
    ) -> None:
        self.at, self.product, self.grid, self.events = at, product, grid, clean_events
        self.back = FeatureInputs(product).back
        self.today = day_numbers(grid["as_of_date"])
        self.row = (self.today - at.first) * len(at.users) + at.position_of(grid["user_id"])
        known = np.isin(np.arange(at.first - self.back, at.last + 1), published)
        user, day, _ = _placed(at, presence, "as_of_date", self.back)
        self.observed = at.matrix(user, day, 1, self.back, np.int16) * known[:, None].astype(np.int16)
        self.user, self.day, self.kept = _placed(at, month, "as_of_date", self.back)
        self.month = month
        self._made: dict[tuple[str, str | None, int], Any] = {}

    def feature(self, column: FeatureColumn) -> Any:
        """One column. What several columns need is computed once, in all its windows."""
        return getattr(self, f"_{column.operation}")(column)

    def _attribute(self, column: FeatureColumn) -> Any:
        return self.grid[column.of[0]].array

    def _tenure(self, _: FeatureColumn) -> Any:
        return self.grid["days_since_signup"].array

    def _weekday(self, _: FeatureColumn) -> Values:
        return (self.today + 3) % 7 + 1  # 1 January 1970 was a Thursday

    def _weekend(self, column: FeatureColumn) -> Values:
        return self._weekday(column) >= 6

    def _segment(self, column: FeatureColumn) -> Any:
        active = self._counted(TOTAL_EVENTS, column.window_days)
        segment: Any = np.searchsorted(list(SEGMENTS.values()), active, side="right") - 1
        return pd.Categorical.from_codes(segment, categories=pd.Index(list(SEGMENTS)))

    def _observed(self, column: FeatureColumn) -> Values:
        return self._counted(None, column.window_days)

    def _days(self, column: FeatureColumn) -> Values:
        return self._counted(column.of[0], column.window_days)

    def _sum(self, column: FeatureColumn) -> Any:
        name, width = column.of[0], column.window_days
        return self._nullable_total(name, width) if column.nullable else self._total(name, width)

    def _daily_mean(self, column: FeatureColumn) -> Any:
        return self._sum(column) / self._counted(None, column.window_days)

    def _trend(self, column: FeatureColumn) -> Values:
        short, longer = (
            self._total(column.of[0], width) / self._counted(None, width)
            for width in (column.shorter_days, column.window_days)
        )
        return _ratio(short, longer)

    def _weighted_mean(self, column: FeatureColumn) -> Values:
        mean, weight = column.of
        width = column.window_days
        average = _ratio(self._total(f"{mean}*{weight}", width), self._total(weight, width))
        # Multiplied, added and divided again, a hundred may come out a hair above a hundred.
        return np.clip(average, column.minimum, column.maximum) if column.minimum is not None else average

    def _ratio(self, column: FeatureColumn) -> Values:
        part, whole = (
            np.sum([self._total(name, column.window_days) for name in names], axis=0)
            for names in (column.of, column.whole)
        )
        return _ratio(part, whole)

    def _distinct(self, column: FeatureColumn) -> Values:
        return self._of_rows(self._different(column))

    def _of_rows(self, cells: Matrix) -> Values:
        return cells.ravel()[self.row]

    def _widths(self, *operations: str) -> dict[str, set[int]]:
        """Windows in which a measure is taken by one of these operations, by measure."""
        widths: dict[str, set[int]] = {}
        for column in self.product.feature_columns:
            if column.operation in operations:
                weighted = ("*".join(column.of),) if column.operation == "weighted_mean" else ()
                for name in (*column.of, *column.whole, *weighted):
                    widths.setdefault(name, set()).update({column.window_days, column.shorter_days} - {0})
        return widths

    def _total(self, name: str, width: int) -> Values:
        if ("sum", name, width) not in self._made:
            values = self._daily_values(name)
            cells = self.at.matrix(self.user, self.day, values, self.back, values.dtype)
            for days, total in self.at.window_sums(cells, self._widths(*ADDED)[name]):
                self._made["sum", name, days] = self._of_rows(total)
        return self._made["sum", name, width]

    def _daily_values(self, name: str) -> Values:
        """A measure of the active days, 0 where it is null; `mean*weight` is their product."""
        if "*" in name:
            mean, weight = (self._daily_values(part) for part in name.split("*"))
            return np.where(weight > 0, mean * weight, 0.0)
        values = self.month[name]
        return values.to_numpy(dtype="int64" if self.product.daily[name].type == "integer" else "float64", na_value=0)[
            self.kept
        ]

    def _nullable_total(self, name: str, width: int) -> Any:
        """Null where no day of the window has a value."""
        given = self.month[name].notna().to_numpy()[self.kept]
        cells = self.at.matrix(self.user, self.day, given, self.back, np.int16)
        *_, (_, days) = self.at.window_sums(cells, {width})
        total, is_null = self._total(name, width), self._of_rows(days) == 0
        return pd.arrays.IntegerArray(total, is_null) if total.dtype == "int64" else np.where(is_null, np.nan, total)

    def _counted(self, name: str | None, width: int) -> Values:
        """Days of a window on which the measure is above 0; those that were observed, where no measure is named."""
        if ("days", name, width) not in self._made:
            widths = {c.window_days for c in self.product.feature_columns if c.operation in ("observed", "days")}
            trends = {
                w
                for c in self.product.feature_columns
                for w in (c.window_days, c.shorter_days)
                if c.operation not in OF_ACTIVE_DAYS
            }
            cells = self.observed
            if name:
                above = _above_0(self.month, name)[self.kept]
                cells = self.at.matrix(self.user, self.day, above, self.back, np.int16)
            for days, total in self.at.window_sums(cells, (widths | {SEGMENT_DAYS} if name else trends) - {0}):
                self._made["days", name, days] = self._of_rows(total).astype("int64")
        return self._made["days", name, width]

    def _min(self, column: FeatureColumn) -> Any:
        return self._picked(column)

    _max = _last = _min

    def _picked(self, column: FeatureColumn) -> Any:
        """The least, greatest or last value of a window. An observed day without a row has 0, where the measure is never null."""
        name, operation = column.of[0], column.operation
        if (operation, name, column.window_days) not in self._made:
            measure, series = self.product.daily[name], self.month[name].iloc[self.kept]
            given = series.notna().to_numpy()
            codes, words = _as_numbers(series)
            cells = self.at.matrix(self.user, self.day, np.where(given, codes, 0), self.back, codes.dtype)
            has = self.at.matrix(self.user, self.day, given, self.back, bool)
            if not measure.nullable:
                has |= self.observed > 0
            widths = self._widths(operation)[name]
            found = (
                self.at.window_lasts(cells, has, widths)
                if operation == "last"
                else self.at.window_extremes(cells, has, widths, least=operation == "min")
            )
            for days, values, known in found:
                self._made[operation, name, days] = _as_values(
                    self._of_rows(values), self._of_rows(known), words, measure.type
                )
        return self._made[operation, name, column.window_days]

    def _different(self, column: FeatureColumn) -> Matrix:
        """Different values of a window. An event counts where its user-day does: that of an unobserved day does not."""
        assert self.events is not None
        measure = self.product.daily[column.of[0]]
        at = chosen(self.events, measure, lambda name: self.events[name])  # type: ignore[index]
        events = self.events if at is None else self.events.iloc[at]
        user, day, kept = _placed(self.at, events, "event_date", column.window_days - 1)
        code = pd.factorize(events[str(measure.value)])[0][kept].astype("int64")
        above = (self.month[TOTAL_EVENTS] > 0).to_numpy()[self.kept]
        active = self.at.matrix(self.user, self.day, above, self.back, np.int16)
        counts = np.flatnonzero((code >= 0) & (active[day - (self.at.first - self.back), user] > 0))
        return self.at.different(user[counts], day[counts], code[counts], column.window_days)


def _placed(at: UserDays, frame: pd.DataFrame, day_column: str, back: int) -> tuple[Positions, Positions, Any]:
    """User positions and day numbers of the rows within reach, and which rows these are."""
    user, day = at.position_of(frame["user_id"]), day_numbers(frame[day_column])
    within = at.within(user, day, back)
    if within.all():
        return user, day, slice(None)
    kept = np.flatnonzero(within)
    return user[kept], day[kept], kept


def _since(at: UserDays, lookback: pd.DataFrame, row: Positions, product: Product) -> dict[str, Any]:
    columns = [column for column in product.feature_columns if column.operation == "since"]
    user, day, kept = _placed(at, lookback, "as_of_date", FeatureInputs(product).lookback)
    if (day[1:] < day[:-1]).any():
        order = np.argsort(day, kind="stable")
        user, day, kept = user[order], day[order], np.arange(len(lookback))[kept][order]
    found = {}
    for column in columns:
        has = _above_0(lookback, column.of[0])[kept]
        since = at.days_since(user, day, has).ravel()[row]
        out_of_sight = since >= column.window_days
        found[column.name] = pd.arrays.IntegerArray(np.where(out_of_sight, 0, since), out_of_sight)
    return found


def _rhythms(at: UserDays, history: pd.DataFrame | None, row: Positions, product: Product) -> dict[str, Any]:
    found: dict[str, Any] = {}
    figures: dict[tuple[str, int], Mapping[str, Matrix]] = {}
    for column in product.feature_columns:
        if column.operation in RHYTHM:
            name, days = own = column.of[0], column.window_days
            if own not in figures:
                assert history is not None
                user, day, kept = _placed(at, history, "as_of_date", days - 1)
                has = _above_0(history, name)[kept]
                figures[own] = rhythm(at, user[has], day[has], days)
            values = figures[own][column.operation].ravel()[row]
            found[column.name] = pd.array(values, dtype="Int64") if column.type == "integer" else values
    return found


def _above_0(frame: pd.DataFrame, measure: str) -> Values:
    """Of which rows; null is not."""
    return (frame[measure] > 0).fillna(False).to_numpy(dtype=bool)


def _as_numbers(series: pd.Series[Any]) -> tuple[Values, Any]:
    """Values as numbers that can lie in a matrix, and the words that codes stand for, if they do."""
    if series.dtype.kind == "M":
        return series.to_numpy().astype("datetime64[us]").astype("int64"), None
    if (
        isinstance(series.dtype, pd.CategoricalDtype)
        or series.dtype.kind in "OU"
        or pd.api.types.is_string_dtype(series.dtype)
    ):
        codes, words = pd.factorize(series)
        return codes.astype("int64"), words
    if series.dtype.kind == "f":
        return series.to_numpy(), None
    return series.to_numpy(dtype="int64", na_value=0), None


def _as_values(values: Values, known: Values, words: Any, kind: str) -> Any:
    if words is not None:
        return pd.Series(words).array.take(np.where(known, values, -1), allow_fill=True)
    if kind == "time":
        return np.where(known, values.astype("datetime64[us]"), np.datetime64("NaT", "us"))
    if kind == "flag":
        return pd.arrays.BooleanArray(values.astype(bool), ~known)
    return pd.arrays.IntegerArray(values, ~known) if kind == "integer" else np.where(known, values, np.nan)


def _ratio(part: Values, whole: Values) -> Values:
    """NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
