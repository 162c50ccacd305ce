"""In which format the times of a column are written. The parsers of the cleaning decide what fits; nothing is guessed twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.transforms import parsing

DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
CLOCKS = (
    *("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "T%H:%M:%S.%f"),
    *(" %H:%M:%S %z", "T%H:%M:%S%z", ", %H:%M:%S", ", %H:%M", ", %I:%M:%S %p"),
)
SWAPPED = {"%d/%m": "%m/%d", "%m/%d": "%d/%m", "%d-%m": "%m-%d", "%m-%d": "%d-%m"}
EPOCHS = {"epoch_s": "seconds", "epoch_ms": "milliseconds", "epoch_us": "microseconds", "epoch_ns": "nanoseconds"}
EARLIEST, LATEST = pd.Timestamp("1995-01-01"), pd.Timestamp("2100-01-01")
"""Numbers that would be times beyond these are counts or ids."""
VALUES_TRIED = 300
LEAST_SHARE = 0.5
VALUES_PARSED = 12
"""By Python, to sort out most patterns before columns are tried."""
_OFFSET = r"\d[:.]\d+ ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)\s*$"
_STARTS_LIKE_ISO = r"^\s*\d{4}-\d{2}-\d{2}"


@dataclass(frozen=True)
class Times:
    """`usable` of `given` values are times in `format`, `zoned` of them name their zone; `ambiguous_with` is a second pattern that
    reads all of them, day and month swapped.
    """

    format: str
    given: int
    usable: int
    zoned: int
    ambiguous_with: str | None = None

    @property
    def names_no_zone(self) -> bool:
        return not self.format.startswith("epoch_") and self.zoned < self.usable

    @property
    def evidence(self) -> str:
        share = f"{percent(self.usable, self.given)} of {self.given:,} values are"
        if self.format in EPOCHS:
            return f"{share} {EPOCHS[self.format]} since 1970"
        zone = " with an offset" if self.zoned == self.usable else " without an offset"
        if 0 < self.zoned < self.usable:
            zone = f", {percent(self.zoned, self.usable)} of them with an offset"
        written = "ISO 8601" if self.format == "iso8601" else f"written as {self.format}"
        doubt = f"; AMBIGUOUS: {self.ambiguous_with} reads them all, too" if self.ambiguous_with else ""
        return f"{share} {written}{zone}{doubt}"


def times_of(unique: pd.Series[str], counts: npt.NDArray[np.int64]) -> Times | None:
    """The format of a column with these different texts, each so often; None where most are no times."""
    given = int(counts.sum())
    if not given:
        return None
    tried = unique.iloc[:: max(1, len(unique) // VALUES_TRIED)].head(VALUES_TRIED).reset_index(drop=True)
    best = max(_candidates(tried), key=lambda name: _share(tried, name), default=None)
    if best is None or _share(tried, best) < LEAST_SHARE:
        return None
    usable = usable_times(unique, best)
    zoned = (
        unique.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool) if best == "iso8601" else usable & ("%z" in best)
    )
    chosen, other = _day_or_month(unique, best, usable)
    return Times(chosen, given, int(counts[usable].sum()), int(counts[usable & zoned].sum()), other)


def usable_times(texts: pd.Series[str], timestamp_format: str) -> npt.NDArray[np.bool_]:
    """Which texts are times in that format, within a product's lifetime."""
    found = parsing.instants(texts, timestamp_format=timestamp_format, zone="UTC")
    return found.between(EARLIEST, LATEST).to_numpy()


def _candidates(texts: pd.Series[str]) -> list[str]:
    if texts.str.contains(_STARTS_LIKE_ISO, regex=True).mean() >= LEAST_SHARE:
        return ["iso8601", "%Y-%m-%d %H:%M"]
    if texts.str.fullmatch(r"\s*\d+(\.\d*)?\s*").mean() >= LEAST_SHARE:
        return ["%Y%m%d", "%Y%m%d%H%M%S", *EPOCHS]
    if texts.str.contains(r"\d", regex=True).mean() < LEAST_SHARE or texts.str.len().max() > 60:
        return []
    some = [text.strip() for text in texts.head(VALUES_PARSED)]
    patterns = ("".join(parts) for parts in product(DATES, CLOCKS))
    return [pattern for pattern in patterns if any(_reads(text, pattern) for text in some)]


def _reads(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def _share(texts: pd.Series[str], timestamp_format: str) -> float:
    return float(usable_times(texts, timestamp_format).mean())


def _day_or_month(unique: pd.Series[str], pattern: str, usable: npt.NDArray[np.bool_]) -> tuple[str, str | None]:
    """Where day and month can be swapped in all values: the reading that spans less time, and the other one."""
    swapped = next((pattern.replace(a, b, 1) for a, b in SWAPPED.items() if pattern.startswith(a)), None)
    if swapped is None or (usable & ~usable_times(unique, swapped)).any():
        return pattern, None
    spans = {
        name: np.ptp(parsing.instants(unique[usable], timestamp_format=name, zone="UTC").to_numpy().astype("int64"))
        for name in (pattern, swapped)
    }
    chosen = min(spans, key=lambda name: spans[name])
    return chosen, swapped if chosen == pattern else pattern


def percent(part: int, whole: int) -> str:
    """A share as text, never rounded up to all, nor down to none."""
    if not part:
        return "0 %"
    share = 100 * part / max(whole, 1)
    if part == whole:
        return "100 %"
    return f"{min(max(share, 0.1), 99.9):.1f} %"
