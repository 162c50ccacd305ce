"""Text as delivered, turned into typed columns: one value in, one value or null out.

Every function looks at each value alone, so the result for a row never depends on its neighbours. The whole column is
cast at once first, because that is the common case and far faster; only where that fails are the culprits isolated.
Casting is Arrow's (pandas' own engine for text), whose parsers are strict; pandas' own fall back to guessing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.product.entries import LARGEST_NUMBER
from churn_assets.time_formats import ISO_8601, listed

TEXT: Any = pd.StringDtype("pyarrow", na_value=np.nan)
Series = pd.Series
Bools = npt.NDArray[np.bool_]
Formats = str | Sequence[str]
"""How a source writes instants: one format, or several."""

UNSEEN = "\ufeff\u200b\u2060"
"""Characters without width, which exports leave at the ends of names and values."""
TRUE_WORDS = frozenset({"1", "1.0", "true", "t", "yes", "y"})
FALSE_WORDS = frozenset({"0", "0.0", "false", "f", "no", "n"})

MICROSECONDS_PER_UNIT = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
LAST_MICROSECOND = 253_402_300_800_000_000
"""Of the year 9999, counted from 1970."""
_WHOLE_NUMBER = r"^[0-9]+(\.0*)?$"
_SIGNED_WHOLE_NUMBER = r"^[+-]?[0-9]+(\.0*)?$"
_TIME_DIRECTIVES = ("%H", "%I", "%M", "%S", "%f", "%p", "%z", "%Z", "%c", "%X", "%T", "%R", "%s")
_DATE_ONLY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# Wider than what Arrow reads as ISO 8601: these only sort out what need not be tried.
_MAYBE_LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]+)?$"
_PAST_MICROSECONDS = r"(\.[0-9]{6})[0-9]{1,3}"
_UTC_IN_WORDS = r" ?(UTC|GMT)$"
_BLANK_BEFORE_OFFSET = r" ([+-][0-9]{2}(:?[0-9]{2})?)$"
_MAYBE_ZONED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+(Z|[+-][0-9:]+)$"


def as_text(values: Series) -> Series:
    """`values` as Arrow-backed text with NaN for null and a plain index."""
    texts = values if values.dtype == TEXT else values.astype(TEXT)
    return texts.reset_index(drop=True)


def mapped(values: Series, value_map: Mapping[str, str]) -> Series:
    """Text with source values (trimmed) replaced by contract values; a value the map does not name stays."""
    texts = as_text(values)
    if not value_map:
        return texts
    codes, unique = pd.factorize(texts)
    replaced = pd.array([value_map.get(str(value).strip(), str(value)) for value in unique], dtype=TEXT)
    return Series(replaced.take(codes, allow_fill=True))


def without(values: Series, missing: Collection[str]) -> Series:
    """Text with null where it is, blanks around it apart, one of those that mean no value."""
    texts = as_text(values)
    if not missing:
        return texts
    is_missing_ = pc.is_in(pc.utf8_trim_whitespace(_arrow(texts)), value_set=pa.array([*missing], pa.string()))
    return texts.mask(_bools(is_missing_))


def normalised(value: str) -> str | None:
    """One text trimmed, also of characters without width, and in Unicode's composed form (NFC); None if nothing is left."""
    return unicodedata.normalize("NFC", value.strip().strip(UNSEEN).strip()) or None


def ids(values: Series, id_type: str) -> tuple[Series, Bools]:
    """Ids as the deployment declares them, null (text) or 0 (integer) where bad; and which were repaired."""
    if id_type == "string":
        return text_ids(values), np.zeros(len(values), dtype=bool)
    numbers_, decimal = integer_ids(values)
    return Series(numbers_), decimal


def is_missing(id_values: Series) -> Bools:
    """Which ids, as `ids` gives them, are bad."""
    return np.asarray(id_values.isna() if id_values.dtype == TEXT else id_values == 0)


def integer_ids(values: Series) -> tuple[npt.NDArray[np.int64], Bools]:
    """Ids from 1 to 2^63-1, 0 where there is none; and which were written with a decimal point (`12.0`)."""
    texts = _arrow(values)
    if pc.all(pc.string_is_ascii(texts)).as_py() and pc.all(pc.utf8_is_digit(texts)).as_py():
        return _numpy(_cast(texts, pa.int64()), 0), np.zeros(len(texts), dtype=bool)
    texts = pc.utf8_trim_whitespace(texts)
    whole = pc.match_substring_regex(texts, _WHOLE_NUMBER)
    decimal = pc.and_(whole, pc.match_substring(texts, "."))
    digits = pc.replace_substring_regex(_only(texts, whole), r"\.0*$", "")
    return _numpy(_cast(digits, pa.int64()), 0), _bools(decimal)


def text_ids(values: Series) -> Series:
    """Ids exactly as delivered; NaN where empty or blank."""
    texts = as_text(values)
    blank = _bools(pc.equal(pc.utf8_trim_whitespace(_arrow(texts)), ""))
    return texts.mask(blank) if blank.any() else texts


def numbers(values: Series) -> tuple[npt.NDArray[np.float64], Bools]:
    """Finite numbers within +-LARGEST_NUMBER, NaN elsewhere; and which texts are neither such a number nor empty."""
    texts = _arrow(values)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)  # how CSV writes null
    if texts.null_count == len(texts):
        return np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    try:
        parsed = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        texts = _blank_to_null(texts)
        parsed = _cast(texts, pa.float64())
    floats = _numpy(parsed, np.nan)
    with np.errstate(invalid="ignore"):
        usable = np.abs(floats) <= LARGEST_NUMBER
    return np.where(usable, floats, np.nan), _bools(pc.is_valid(texts)) & ~usable


def integers(values: Series) -> tuple[pd.arrays.IntegerArray, Bools]:
    """Whole numbers of 64 bits, null elsewhere; and which texts are neither such a number nor empty. `12.0` is 12."""
    texts = _blank_to_null(_arrow(values))
    whole = pc.match_substring_regex(texts, _SIGNED_WHOLE_NUMBER)
    parsed = _cast(pc.replace_substring_regex(_only(texts, whole), r"^\+|\.0*$", ""), pa.int64())
    is_null = _bools(pc.is_null(parsed))
    return pd.arrays.IntegerArray(_numpy(parsed, 0), is_null), _bools(pc.is_valid(texts)) & is_null


def instants(values: Series, *, timestamp_format: Formats, zone: str) -> Series:
    """UTC instants (datetime64[us]), NaT where a value is in none of the declared formats or names no single instant.

    Values with an offset keep it; others are read in `zone`, where a local time that a DST change skips or repeats
    is NaT. `timestamp_format`, of several the first that reads a value: iso8601 (as Arrow reads it, and with ` UTC` or a blank before
    the offset, as SQL engines write it), epoch_s, epoch_ms, epoch_us, epoch_ns (cut to microseconds), or a strptime pattern.
    """
    return _by_first(values, timestamp_format, lambda texts, each: _instants_of(*_in_format(texts, each), zone))


def _by_first(values: Series, timestamp_format: Formats, read: Callable[[Series, str], Series]) -> Series:
    """Each value by the first of the formats that reads it."""
    first, *others = listed(timestamp_format)
    found = read(values, first)
    for name in others:
        unread = found.isna()
        if not unread.any():
            break
        found = found.fillna(read(as_text(values).where(unread), name))
    return found


def _instants_of(local: Series | None, in_utc: Series | None, zone: str) -> Series:
    return _either(None if local is None else _to_utc(local, zone), in_utc)


def _either(one: Series | None, other: Series | None) -> Series:
    """Values of two of which at least one is given, by row."""
    parts = [part for part in (one, other) if part is not None]
    return parts[0] if len(parts) == 1 else parts[0].fillna(parts[1])


def _in_format(values: Series, timestamp_format: str) -> tuple[Series | None, Series | None]:
    """Times of values without an offset, as clocks showed them, and those of others in UTC, each NaT elsewhere; None: no such value."""
    if timestamp_format == "epoch_ns":
        return None, _from_nanoseconds(values)
    if (unit := MICROSECONDS_PER_UNIT.get(timestamp_format)) is not None:
        return None, _from_epoch(values, microseconds_per_unit=unit)
    texts = _arrow(values)
    if timestamp_format != ISO_8601:
        times = _from_pattern(texts, timestamp_format)
        return (None, times) if "%z" in timestamp_format else (times, None)
    try:
        return _microseconds(texts.cast(pa.timestamp("us"))), None
    except pa.ArrowInvalid:
        pass
    try:
        return None, _microseconds(texts.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _PAST_MICROSECONDS, r"\1")
        texts = pc.replace_substring_regex(texts, _UTC_IN_WORDS, "Z")
        texts = pc.replace_substring_regex(texts, _BLANK_BEFORE_OFFSET, r"\1")
    local = _only(texts, pc.match_substring_regex(texts, _MAYBE_LOCAL))
    zoned = _only(texts, pc.match_substring_regex(texts, _MAYBE_ZONED))
    with_offset = _microseconds(_cast(zoned, pa.timestamp("us", "UTC")).cast(pa.timestamp("us")))
    return _microseconds(_cast(local, pa.timestamp("us"))), with_offset


def business_days(instants_utc: Series, timezone: str) -> Series:
    """The day (datetime64[us] at midnight) each UTC instant falls in, in `timezone`."""
    if timezone == "UTC":
        return instants_utc.dt.floor("D")
    return instants_utc.dt.tz_localize("UTC").dt.tz_convert(timezone).dt.tz_localize(None).dt.floor("D")


def days(values: Series, *, timestamp_format: Formats, zone: str, timezone: str) -> Series:
    """Business days of dates or timestamps. A bare date is that day, in whatever zone it was written."""
    return _by_first(values, timestamp_format, lambda texts, each: _days_in_format(texts, each, zone, timezone))


def _days_in_format(values: Series, timestamp_format: str, zone: str, timezone: str) -> Series:
    if _is_date_pattern(timestamp_format):
        return _from_pattern(_arrow(values), timestamp_format)
    bare = None
    if timestamp_format == ISO_8601:
        texts = pc.utf8_trim_whitespace(_arrow(values))
        is_bare = pc.match_substring_regex(texts, _DATE_ONLY)
        if pc.any(is_bare).as_py():
            bare = _microseconds(_cast(_only(texts, is_bare), pa.timestamp("us")))
            values = Series(pd.array(_only(texts, pc.invert(is_bare)).to_pandas(), dtype=TEXT))
            if not values.notna().any():
                return bare
    local, in_utc = _in_format(values, timestamp_format)
    timed = _either(
        None if local is None else _local_days(local, zone, timezone),
        None if in_utc is None else business_days(in_utc, timezone),
    )
    return timed if bare is None else bare.fillna(timed)


def _local_days(local: Series, zone: str, timezone: str) -> Series:
    """The business day of times on a clock of `zone`. A time that the clock skipped or showed twice has one if it is the same
    either way: midnight on a day without one is that day all the same.
    """
    if zone == timezone:
        return local.dt.floor("D")
    first, last = (
        business_days(
            local.dt.tz_localize(zone, ambiguous=np.full(len(local), is_summer), nonexistent=shift)
            .dt.tz_convert("UTC")
            .dt.tz_localize(None),
            timezone,
        )
        for is_summer, shift in ((True, "shift_backward"), (False, "shift_forward"))
    )
    return first.where(first == last)


def labels(values: Series, clean: Callable[[str], str | None], *, missing: str | None) -> tuple[pd.Categorical, Bools]:
    """Low-cardinality text, cleaned once per distinct value; and which rows changed.

    The category is `missing` (None: null) where a value is null or where `clean` gives None. Turning a blank into
    null is no change.
    """
    codes, unique = pd.factorize(as_text(values))
    before: list[str | None] = [*map(str, unique), None]
    after = [missing if value is None or (result := clean(value)) is None else result for value in before]
    categories = sorted({value for value in after if value is not None})
    code_of = {value: code for code, value in enumerate(categories)}
    table: Any = np.array([-1 if value is None else code_of[value] for value in after])
    changed = np.array([_is_repair(b, a) for b, a in zip(before, after, strict=True)])
    return pd.Categorical.from_codes(table[codes], categories=pd.Index(categories, dtype=object)), changed[codes]


def _is_repair(before: str | None, after: str | None) -> bool:
    return bool((before or "").strip()) if after is None else after != before


def holds_nul(values: Series) -> Bools:
    """Which texts hold a NUL byte."""
    texts = _arrow(values)
    if not _has_zero_byte(texts):
        return np.zeros(len(texts), dtype=bool)
    return _bools(pc.match_substring(texts, "\x00"))


def _has_zero_byte(texts: Any) -> bool:
    """Whether any byte under `texts` is zero; a slice's unseen neighbours may make it true, never false."""
    _, _, data = texts.buffers()
    return data is not None and data.size > 0 and int(np.frombuffer(data, np.uint8).min()) == 0


def _arrow(values: Series) -> Any:
    array = pa.array(as_text(values))
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _numpy(values: Any, null: Any) -> Any:
    return pc.fill_null(values, null).to_numpy(zero_copy_only=False)


def _bools(mask: Any) -> Bools:
    result: Bools = _numpy(mask, False)
    return result


def _only(values: Any, mask: Any) -> Any:
    """`values` where `mask`, null elsewhere."""
    return pc.if_else(pc.fill_null(mask, False), values, None)


def _blank_to_null(texts: Any) -> Any:
    stripped = pc.utf8_trim_whitespace(texts)
    return _only(stripped, pc.not_equal(stripped, ""))


def _cast(texts: Any, arrow_type: Any) -> Any:
    """`texts` cast to an Arrow type, null where a value does not cast."""
    try:
        return texts.cast(arrow_type)
    except pa.ArrowInvalid:
        encoded = texts.dictionary_encode()
        return _cast_each(encoded.dictionary, arrow_type).take(encoded.indices)


def _cast_each(texts: Any, arrow_type: Any) -> Any:
    """Cast by halving: a part that casts is done, a single value that does not is null."""
    done: list[Any] = []
    waiting = [texts]
    while waiting:
        part = waiting.pop()
        try:
            done.append(part.cast(arrow_type))
        except pa.ArrowInvalid:
            if len(part) == 1:
                done.append(pa.nulls(1, arrow_type))
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
    return pa.concat_arrays(done) if done else pa.array([], arrow_type)


def _microseconds(timestamps: Any) -> Series:
    return Series(timestamps.to_numpy(zero_copy_only=False).astype("datetime64[us]"))


def _to_utc(local: Series, zone: str) -> Series:
    if zone == "UTC":
        return local
    return local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC").dt.tz_localize(None)


def _from_epoch(values: Series, *, microseconds_per_unit: int) -> Series:
    given = _numpy(_cast(_blank_to_null(_arrow(values)), pa.float64()), np.nan)
    # Past the year 9999 it was another unit: seconds declared, milliseconds delivered.
    with np.errstate(invalid="ignore", over="ignore"):
        micros = np.round(given * microseconds_per_unit)
        usable = np.abs(micros) < LAST_MICROSECOND
    whole = np.where(usable, micros, 0).astype("int64")
    return Series(np.where(usable, whole.astype("datetime64[us]"), np.datetime64("NaT", "us")))


def _from_nanoseconds(values: Series) -> Series:
    """Whole numbers, cut to microseconds as any fraction is; a float would not hold them."""
    given, _ = integers(values)
    micros = given.to_numpy(dtype="int64", na_value=0) // 1000
    return Series(np.where(given.isna(), np.datetime64("NaT", "us"), micros.astype("datetime64[us]")))


def _is_date_pattern(timestamp_format: str) -> bool:
    """Whether the format is a strptime pattern that names no time of day."""
    return "%" in timestamp_format and not any(directive in timestamp_format for directive in _TIME_DIRECTIVES)


def _from_pattern(texts: Any, pattern: str) -> Series:
    """Times as they were written; in UTC where the pattern has an offset."""
    # Without the filter pandas reads "now" and "today" as the wall clock, whatever the pattern.
    encoded = _only(texts, pc.match_substring_regex(texts, "[0-9]"))
    encoded = pc.utf8_trim_whitespace(encoded).dictionary_encode()
    unique = encoded.dictionary.to_pandas()
    zoned = "%z" in pattern
    parsed = pd.to_datetime(unique, format=pattern, errors="coerce", utc=zoned)
    naive = (parsed.dt.tz_localize(None) if zoned else parsed).astype("datetime64[us]")
    indices = _numpy(encoded.indices, -1)
    return Series(naive.array.take(indices, allow_fill=True))
