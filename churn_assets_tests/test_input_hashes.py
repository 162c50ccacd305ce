"""The ledger: a day's input hash says exactly what is published in its windows."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange, Window
from churn_assets.warehouse import Ledger, Published, publish
from churn_assets.warehouse.ledger import LEDGER_DDL
from sizes import examples
from stored_readings import publication, readings

START = date(2026, 1, 1)
A_GAP = "a gap"
offsets = st.integers(0, 12)
windows = st.builds(
    lambda back, horizon, closes, late: Window(back, horizon + late, closes, late),
    *(st.none() | st.integers(0, 5), st.integers(0, 4), st.booleans(), st.integers(0, 2)),
)


@settings(deadline=None, max_examples=examples(150))
@given(
    published=st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), offsets), st.sampled_from(["h1", "h2"])),
    reads=st.dictionaries(st.sampled_from(["a", "b", "c"]), windows),
    first=offsets,
    length=st.integers(1, 6),
)
def test_the_input_hash_of_a_day_says_exactly_what_is_published_in_its_windows(
    published: dict[tuple[str, int], str], reads: dict[str, Window], first: int, length: int
) -> None:
    def entry(table: str, day: date, content: str) -> Published:
        return Published(table, day, 1, content, "", "", "")

    def naive(day: date) -> frozenset[tuple[str, date, str]]:
        """What the day depends on: published partitions in [D - back, D + ahead], from the calendar's start on. Of days
        ahead in a window that closes it is whether one is missing in between, until all are there; of late ones always.
        """
        found = set()
        for table, window in reads.items():
            ahead = [day + timedelta(days=n) for n in range(1, window.ahead - window.late + 1)]
            there = [at for at in ahead if (table, (at - START).days) in published]
            until = day + timedelta(days=window.ahead)
            if window.closes and there != ahead:
                until = day + timedelta(days=window.late)
                if there and len(there) < (there[-1] - day).days:
                    found.add((table, day, A_GAP))
            since = START if window.back is None else day - timedelta(days=window.back)
            for (of, offset), content in published.items():
                if of == table and since <= (at := START + timedelta(days=offset)) <= until:
                    found.add((table, at, content))
        return frozenset(found)

    ledger = Ledger(entry(table, START + timedelta(days=at), content) for (table, at), content in published.items())
    days = DayRange(START + timedelta(days=first), START + timedelta(days=first + length - 1))
    hashes = ledger.input_hashes(reads, days, START)
    assert list(hashes) == list(days)
    for day in days:
        assert ledger.input_hashes(reads, DayRange(day, day), START) == {day: hashes[day]}
        if any(content == A_GAP for _, _, content in naive(day)):
            continue
        only_these = Ledger(entry(*one) for one in naive(day))
        everything = {table: Window(back=None, ahead=40) for table in ("a", "b", "c")}
        assert hashes[day] == only_these.input_hashes(everything, DayRange(day, day), START)[day]
    for one in days:
        for other in days:
            assert (hashes[one] == hashes[other]) == (naive(one) == naive(other))


def test_the_input_hash_notices_contents_that_two_days_or_two_tables_swapped() -> None:
    def hash_of(**contents: str) -> str:
        """Of a day that depends on both tables' contents, named by table and offset."""
        entries = [
            Published(table, START + timedelta(days=int(offset)), 1, content, "", "", "")
            for (table, offset), content in contents.items()
        ]
        reads = {"a": Window(back=3), "b": Window(back=3)}
        day = START + timedelta(days=1)
        return Ledger(entries).input_hashes(reads, DayRange(day, day), START)[day]

    swapped = [{"a0": "x", "a1": "y"}, {"a0": "y", "a1": "x"}, {"a0": "x", "b1": "y"}, {"b0": "x", "a1": "y"}]
    assert len({hash_of(**contents) for contents in swapped}) == 4
    assert len({hash_of(), hash_of(a0="x"), hash_of(a1="x"), hash_of(a0="x", a1="x")}) == 4


def test_the_ledger_table_is_made_once_and_kept() -> None:
    with duckdb.connect() as connection:
        publish(connection, publication(readings()))
        connection.execute(LEDGER_DDL).fetchall()
        assert len(Ledger.read(connection).of("readings")) == 1
