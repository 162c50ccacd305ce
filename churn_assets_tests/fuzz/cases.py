"""A damaged file from its number, and what must be true of whatever the reader makes of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import LandedFile, read_file
from churn_assets.landing.dump import land_dump
from churn_assets.settings import Settings, Sources, UsersSettings
from churn_assets.transforms import CleaningRules, clean_users
from churn_assets_tests.delivered import raw_frame
from churn_assets_tests.e_learning import PRODUCT, SOURCE_COLUMNS
from churn_assets_tests.fuzz.files import SUFFIXES, Row, numbered_rows, packed, parquet_of, rows_named, text_of
from churn_assets_tests.fuzz.mutations import OF_ONE_BYTE, OTHERS, Mutation

DAY = date(2026, 1, 1)
DUMPED_EACH = 4
"""Landing a dump writes ten files, which takes longer than all the rest."""
SETTINGS = UsersSettings(id_type="string", max_file_mebibytes=8)
RULES = CleaningRules(user_id_type="string")
RAW = contracts(Settings.model_construct(sources=Settings().sources.model_copy(update={"users": SETTINGS})))[
    "raw_users"
]


@dataclass(frozen=True)
class Case:
    """`text` is what a packed or plain text file says (None: it is Parquet, or does not unpack). `keeps_apart`: no row may hold values of two."""

    number: int
    suffix: str
    data: bytes
    text: bytes | None
    keeps_apart: bool
    damage: tuple[str, ...]


def case(number: int) -> Case:
    random = Random(number)
    suffix = random.choice(SUFFIXES)
    rows = numbered_rows(random, random.choice([0, 1, 3, 20, 20, 200]))
    mutations: list[Mutation] = random.choice(
        [
            [random.choice(OF_ONE_BYTE)],
            [random.choice(OF_ONE_BYTE)],
            [random.choice(OTHERS)],
            random.choices((*OF_ONE_BYTE, *OTHERS), k=random.randrange(2, 6)),
        ]
    )
    damage = tuple(mutation.__name__ for mutation in mutations)
    alone = len(mutations) == 1 and mutations[0] in OF_ONE_BYTE

    def damaged(data: bytes) -> bytes:
        for mutation in mutations:
            data = mutation(data, random)
        return data

    if suffix == "parquet":
        # Without checksums of its pages a flipped bit is a value like any other: there is nothing to see it by.
        checksums = random.random() < 0.5
        return Case(
            number, suffix, damaged(parquet_of(rows, random, checksums=checksums)), None, alone and checksums, damage
        )
    text = text_of(rows, suffix, random)
    if not suffix.endswith(".gz"):
        data = damaged(text)
        return Case(number, suffix, data, data, alone, damage)
    if random.random() < 0.5:  # damaged before it was packed, or after
        text = damaged(text)
        return Case(number, suffix, packed(text), text, alone, damage)
    data = damaged(packed(text))
    return Case(number, suffix, data, _unpacked(data), True, damage)


def _unpacked(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def judge(one: Case, landing: Path) -> str:
    """Have the file read and cleaned; says `refused`, `read` or `read in part`. Raises AssertionError, or whatever the
    reader raised that is no refusal.
    """
    path = landing / f"users/date={DAY}/a.{one.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(one.data)
    try:
        landed = read_file(path, source="users", product=PRODUCT, settings=SETTINGS, landing_dir=landing)
    except RefusedFile as refused:
        said = str(refused)
        assert said.isprintable() and said.endswith(".") and path.name in said, "the refusal is one sentence"
        assert not rows_named([said]), "the refusal quotes a row"
        return "refused"
    assert one.text is not None or one.suffix == "parquet", "what the gzip module does not unpack was read"
    landed.table.validate(full=True)
    rows = landed.table.to_pylist()
    assert [row["source_row"] for row in rows] == list(range(1, len(rows) + 1)), "rows are numbered in their order"
    if one.text is not None:
        (same_as_csv if one.suffix.startswith("csv") else same_as_json)(rows, one.text)
    if one.keeps_apart:
        for row in rows:
            assert row["read_error"] or len(rows_named(list(whole_row(row).values()))) <= 1, "a row was made of two"
    accounted_for(landed)
    if one.number % DUMPED_EACH == 0:
        landed_whole(path, landing.parent / "dump", rows)
    return "read in part" if any(row["read_error"] for row in rows) else "read"


def whole_row(row: dict[str, Any]) -> Row:
    """A landed row as it was delivered: contract columns that were there, and those in extra."""
    contract = {name: row[name] for name in SOURCE_COLUMNS["users"] if row[name] is not None}
    extra = json.loads(row["extra"] or "{}")
    return contract | {name: value for name, value in extra.items() if value is not None}


def same_as_csv(rows: list[dict[str, Any]], data: bytes) -> None:
    """Python's csv module, strict, sees the same records, the same of them malformed, and the same fields."""
    try:
        lines = io.StringIO(data.decode("utf-8-sig"), newline="")
        header, *records = [record for record in csv.reader(lines, strict=True) if record]
    except csv.Error:  # NUL before Python 3.11, or a field past its limit
        return
    malformed = [len(record) != len(header) for record in records]
    assert [row["read_error"] == "malformed_row" for row in rows] == malformed, "other rows than the csv module's"
    for row, record in zip(rows, records, strict=True):
        if row["read_error"] is None:
            assert Counter(whole_row(row).values()) == Counter(record), "other fields than the csv module's"


def same_as_json(rows: list[dict[str, Any]], data: bytes) -> None:
    """A row for each line that is not blank; where the json module reads an object, the same texts."""
    lines = [line for line in data.decode("utf-8-sig").split("\n") if line.strip(" \t\r")]
    assert len(rows) == len(lines), "other rows than lines"
    for row, line in zip(rows, lines, strict=True):
        if row["read_error"] is None:
            texts = [value for value in json.loads(line.removeprefix("\ufeff")).values() if isinstance(value, str)]
            assert not Counter(texts) - Counter(whole_row(row).values()), "other fields than the json module's"


def accounted_for(landed: LandedFile) -> None:
    """Cleaning accounts for each row read."""
    cleaned = clean_users(raw_frame(RAW, landed, DAY), first_day=DAY, last_day=DAY, rules=RULES)
    counts = cleaned.reconciliation.sum(numeric_only=True)
    assert counts.get("rows_read", 0) == len(landed.table), "a row was lost in cleaning"
    assert len(cleaned.accepted) + len(cleaned.quarantined) + counts.get("rows_duplicate", 0) == len(landed.table)


def landed_whole(path: Path, data: Path, rows: list[dict[str, Any]]) -> None:
    """As a dump it is split into days without losing, changing or adding a record; or refused as one."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    events = data / "events.csv"
    events.write_text("event_id,user_id,event_time,event_type\n")
    deployed = Settings.model_construct(
        data_dir=data, start_date=DAY, end_date=DAY + timedelta(days=4), sources=Sources(users=SETTINGS)
    )
    try:
        dump = land_dump(path, events, deployed)
    except ChurnError as refused:
        assert str(refused).isprintable(), "the refusal is one sentence"
        return
    assert dump.user_rows == len(rows), "other rows as a dump than as a landed file"
    found: Counter[str] = Counter()
    for file in sorted(deployed.landing_dir.glob("users/*/*")):
        landed = read_file(file, source="users", product=PRODUCT, settings=SETTINGS, landing_dir=deployed.landing_dir)
        found.update(map(_in_words, landed.table.to_pylist()))
    assert found == Counter(map(_in_words, rows)), "a record was lost, changed or added while landing"


def _in_words(row: dict[str, Any]) -> str:
    return repr((sorted(whole_row(row).items()), row["read_error"]))
