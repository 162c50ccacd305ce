"""A Parquet file of random types from its number, and what must be true of what the reader makes of it: each value is the text that
plain Python says, or the file is refused by the name of a column and its type.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.errors import RefusedFile
from churn_assets.landing import read_file
from churn_assets.landing.erased import Erased
from churn_assets.landing.erasing import FoundFile, rewrite_without
from churn_assets.settings import Settings
from churn_assets_tests.e_learning import PRODUCT

DAY = date(2026, 1, 1)
COLUMNS = ("user_id", "signup_date", "plan", "is_paid", "country")
Value = Callable[[Random], Any]
Says = Callable[[Any, str], bool]
"""Of a value and the text that was read of it."""


@dataclass(frozen=True)
class Kind:
    """A type, how its values are drawn, and what their text must say."""

    type: pa.DataType
    value: Value
    says: Says


def _whole(bits: int, *, signed: bool) -> Value:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda random: random.choice([0, 1, low, high, random.randint(low, high), random.randint(0, min(high, 99))])


def _float(random: Random) -> float:
    return random.choice(
        [0.0, -0.0, 1.0, 12.5, 2.0**53, 1e300, 5e-324, float("nan"), float("inf"), random.uniform(-1e6, 1e6)]
    )


def _single(random: Random) -> float:
    return (
        float(pa.scalar(_float(random), pa.float32()).as_py())
        if random.random() < 0.5
        else random.choice([0.5, 1.0, 7.0])
    )


def _instant(random: Random) -> datetime:
    first = datetime(1, 1, 2)
    far = first + timedelta(days=random.randrange(3_650_000), microseconds=random.randrange(86_400_000_000))
    return random.choice(
        [far, datetime(2026, 1, 1), datetime(1970, 1, 1), datetime(2026, 3, 29, 2, 30), datetime(9999, 12, 31)]
    )


def _near(random: Random) -> datetime:
    """Within what nanoseconds hold."""
    return datetime(1700, 1, 1) + timedelta(
        days=random.randrange(190_000), microseconds=random.randrange(86_400_000_000)
    )


def _text(random: Random) -> str:
    return random.choice(
        ["", " ", "7", "NULL", "é", "🙂", '"', "a,b", "\n", "\u200b", "{}", "[1]", "x" * 300, str(random.random())]
    )


def _same_number(value: Any, text: str) -> bool:
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return float(text) == value or (math.isnan(value) and math.isnan(float(text)))
    return Decimal(text) == Decimal(value) if not isinstance(value, float) else float(text) == value


def _same_single(value: float, text: str) -> bool:
    """A float of 32 bits has many decimal notations; each must give it back."""
    if math.isnan(value) or math.isinf(value):
        return _same_number(value, text)
    return bool(pa.scalar(float(text), pa.float32()).as_py() == value)


def _same_instant(value: datetime, text: str) -> bool:
    read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return read == value or (read.tzinfo is None and value.tzinfo is None and read == value)


def _same_flag(value: bool, text: str) -> bool:
    return text.lower() == str(value).lower()


def kinds() -> list[Kind]:
    made = [Kind(pa.bool_(), lambda random: random.random() < 0.5, _same_flag)]
    for bits in (8, 16, 32, 64):
        made.append(Kind(getattr(pa, f"int{bits}")(), _whole(bits, signed=True), _same_number))
        made.append(Kind(getattr(pa, f"uint{bits}")(), _whole(bits, signed=False), _same_number))
    made += [Kind(pa.float64(), _float, _same_number), Kind(pa.float32(), _single, _same_single)]
    for precision, scale in ((5, 2), (18, 0), (38, 10)):
        made.append(
            Kind(
                pa.decimal128(precision, scale),
                lambda random, s=scale: Decimal(random.randint(-(10**4), 10**4)).scaleb(-s),  # type: ignore[misc]
                _same_number,
            )
        )
    for text in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        made.append(Kind(text, _text, lambda value, read: bool(value == read)))
    made.append(
        Kind(pa.date32(), lambda random: _instant(random).date(), lambda value, read: read[:10] == value.isoformat())
    )
    for unit in ("s", "ms", "us"):
        made.append(Kind(pa.timestamp(unit), lambda random, u=unit: _cut(_instant(random), u), _same_instant))  # type: ignore[misc]
        made.append(
            Kind(
                pa.timestamp(unit, "UTC"),
                lambda random, u=unit: _cut(_instant(random), u).replace(tzinfo=timezone.utc),  # type: ignore[misc]
                _same_instant,
            )
        )
    made.append(Kind(pa.timestamp("ns"), _near, _same_instant))
    of_json: Says = lambda value, read: json.loads(read) == value  # noqa: E731
    made.append(
        Kind(pa.list_(pa.int64()), lambda random: [random.randrange(9) for _ in range(random.randrange(3))], of_json)
    )
    made.append(Kind(pa.struct([("a", pa.int64())]), lambda random: {"a": random.randrange(9)}, of_json))
    made.append(
        Kind(
            pa.duration("us"),
            lambda random: timedelta(seconds=random.randrange(9_999)),
            lambda _, read: read.startswith("PT"),
        )
    )
    made.append(Kind(pa.binary(), lambda random: bytes([random.randrange(256)]), lambda *_: False))
    made.append(
        Kind(
            pa.time64("us"),
            lambda random: _instant(random).time(),
            lambda value, read: read.startswith(value.isoformat()[:8]),
        )
    )
    made.append(Kind(pa.null(), lambda _: None, lambda *_: False))
    return made


def _cut(at: datetime, unit: str) -> datetime:
    return at.replace(microsecond={"s": 0, "ms": at.microsecond // 1000 * 1000, "us": at.microsecond}[unit])


@dataclass(frozen=True)
class TypedCase:
    number: int
    table: pa.Table
    values: dict[str, list[Any]]
    kinds: dict[str, Kind]
    data: bytes


def typed_case(number: int) -> TypedCase:
    random = Random(number)
    names = [
        *COLUMNS[:2],
        *random.sample(COLUMNS[2:], random.randrange(3)),
        *random.sample(["score", "note"], random.randrange(3)),
    ]
    usual = {"user_id": pa.int64(), "signup_date": pa.date32()}
    every = kinds()
    chosen = {
        name: next(kind for kind in every if kind.type == usual[name])
        if name in usual and random.random() < 0.5
        else random.choice(every)
        for name in names
    }
    count = random.choice([0, 1, 5, 40])
    values = {
        name: [None if random.random() < 0.1 else kind.value(random) for _ in range(count)]
        for name, kind in chosen.items()
    }
    table = pa.table({name: pa.array(values[name], kind.type) for name, kind in chosen.items()})
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression=random.choice(["none", "snappy", "zstd"]),
        use_dictionary=random.random() < 0.5,
        data_page_version=random.choice(["1.0", "2.0"]),
        row_group_size=random.choice([3, 1000]),
    )
    return TypedCase(number, table, values, chosen, sink.getvalue())


def judge_typed(one: TypedCase, folder: Path) -> str:
    """`refused`, or `read` where each text says its value. Raises AssertionError, or what the reader raised that is no refusal."""
    settings = Settings().model_copy(update={"data_dir": folder})
    landing = settings.landing_dir
    path = landing / f"users/date={DAY}/a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(one.data)
    try:
        rows = _read(path, settings)
    except RefusedFile as refused:
        said = str(refused)
        assert said.isprintable() and said.endswith(".") and path.name in said, "the refusal is one sentence"
        assert any(repr(name) in said for name in one.kinds), f"the refusal names a column: {said}"
        return "refused"
    assert len(rows) == len(one.table), "each row is read"
    for at, row in enumerate(rows):
        extra = json.loads(row["extra"] or "{}")
        for name, kind in one.kinds.items():
            value, text = one.values[name][at], row[name] if name in row else extra.get(name)
            if value is None or (text is None and isinstance(value, float) and math.isnan(value)):
                assert text is None or (name not in row and text == "NaN"), (
                    f"{name}: nothing was delivered, {text!r} was read"
                )
            else:
                assert text is not None and kind.says(value, text), (
                    f"{name} ({kind.type}): {value!r} was read as {text!r}"
                )
    _rewritten(one, path, settings, rows)
    return "read"


def _rewritten(one: TypedCase, path: Path, settings: Settings, rows: list[dict[str, Any]]) -> None:
    """Without one of its users the file says the same of all others, in the types it had."""
    ids = [
        row["user_id"]
        for row in rows
        if row["user_id"] and row["user_id"].isdecimal() and 0 < int(row["user_id"]) < 2**63
    ]
    if not ids:
        return
    gone = Erased("integer", b"k" * 16)
    sought = Erased("integer", gone.key, frozenset({gone.hashed(str(int(ids[0])))}))
    try:
        rewrite_without(settings, FoundFile("users", path, 1), sought)
    except RefusedFile:
        assert path.read_bytes() == one.data, "the file is as it was"
        return
    after = _read(path, settings)
    kept = [row for row in rows if not _is(row["user_id"], ids[0])]
    unnumbered = [[{**row, "source_row": 0} for row in some] for some in (after, kept)]
    assert unnumbered[0] == unnumbered[1], "all other rows are as they were"
    types = [field.type for field in pq.read_schema(path)]
    assert types == [field.type for field in pq.ParquetFile(io.BytesIO(one.data)).schema_arrow], "in the types they had"


def _is(text: str | None, user: str) -> bool:
    try:
        return text is not None and Decimal(text.strip() or "0") == int(user)
    except ArithmeticError:
        return False


def _read(path: Path, settings: Settings) -> list[dict[str, Any]]:
    landed = read_file(
        path, source="users", product=PRODUCT, settings=settings.sources.users, landing_dir=settings.landing_dir
    )
    landed.table.validate(full=True)
    found: list[dict[str, Any]] = landed.table.to_pylist()
    return found
