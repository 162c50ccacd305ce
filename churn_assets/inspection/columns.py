"""One column of a dump: how many values it has, how many of them differ, and what they could be."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.inspection.times import Times, times_of
from churn_assets.product.fields import MISSING_WORDS
from churn_assets.transforms import parsing

MOST_LABELS = 60
LEAST_INTEGER_IDS = 0.99
LONGEST_LABEL = 80
LEAST_SHARE_OF_KIND = 0.5
_WHOLE_ID = r"^[1-9][0-9]{0,17}(\.0+)?$"


class Column:
    """`path` is the column's name, or the way to it through JSON values. `texts` has one entry per row looked at."""

    def __init__(self, path: str, texts: pa.ChunkedArray, *, is_nested: bool = False) -> None:
        self.path, self.is_nested = path, is_nested
        self.texts = pd.Series(pd.array(texts, dtype=parsing.TEXT))

    @property
    def last_key(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def rows(self) -> int:
        return len(self.texts)

    @cached_property
    def counts(self) -> pd.Series[int]:
        """Each different value, blanks left out, with how often it occurs; the most frequent first."""
        values = pa.array(self.texts).dictionary_encode()
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        counted = np.bincount(
            pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False) + 1, minlength=len(values.dictionary) + 1
        )[1:]
        found = pd.Series(counted, index=values.dictionary.to_pandas().astype(object))
        found = found[found.index.str.strip() != ""] if len(found) else found
        return found.sort_values(ascending=False, kind="stable")

    @cached_property
    def unique(self) -> pd.Series[str]:
        return parsing.as_text(pd.Series(self.counts.index))

    @property
    def given(self) -> int:
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @property
    def given_share(self) -> float:
        return self.given / max(self.rows, 1)

    def share(self, is_so: npt.NDArray[np.bool_]) -> float:
        """Share of the given values among which `is_so` says of each different one."""
        return float(self.counts.to_numpy()[is_so].sum() / max(self.given, 1))

    @cached_property
    def times(self) -> Times | None:
        return times_of(self.unique, self.counts.to_numpy().astype(np.int64))

    @cached_property
    def is_number(self) -> npt.NDArray[np.bool_]:
        """Of each different value whether the cleaning would take it for a number."""
        found, bad = parsing.numbers(self.unique)
        return ~bad & ~np.isnan(found)

    @cached_property
    def is_whole(self) -> npt.NDArray[np.bool_]:
        return self.unique.str.fullmatch(_WHOLE_ID).to_numpy(dtype=bool)

    @cached_property
    def is_missing_word(self) -> npt.NDArray[np.bool_]:
        return self.unique.str.strip().str.lower().isin(MISSING_WORDS).to_numpy(dtype=bool)

    @cached_property
    def has_integer_ids(self) -> bool:
        """Whether ids are whole numbers above 0, but for words such as null and a few mistakes. A leading zero is none: it makes
        another id of a text, and would be lost.
        """
        has_leading_zero = bool(self.unique.str.match(r"^0[0-9]").any())
        return not has_leading_zero and self.share(self.is_whole | self.is_missing_word) >= LEAST_INTEGER_IDS

    @property
    def has_whole_numbers(self) -> bool:
        return bool(self.unique.str.strip().str.fullmatch(r"[+-]?\d+").all())

    @property
    def has_flags(self) -> bool:
        words = parsing.TRUE_WORDS | parsing.FALSE_WORDS
        return self.distinct == 2 and bool(self.unique.str.strip().str.lower().isin(words).all())

    @property
    def has_labels(self) -> bool:
        """Few different texts, each often: worth counting by."""
        if not 2 <= self.distinct <= max(2, min(MOST_LABELS, self.given // 5)):
            return False
        return bool(self.unique.str.len().max() <= LONGEST_LABEL and self.share(self.is_number) < LEAST_SHARE_OF_KIND)
