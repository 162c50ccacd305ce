"""Days that were published without a column somebody wants to read, or with another meaning of it.

The table holds nulls or other things there, which must not pass for values. A backfill replaces such days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date

import duckdb

from churn_assets.calendar import DayRange, contiguous
from churn_assets.contracts import Column, Contract
from churn_assets.errors import OlderDefinition, first_few
from churn_assets.warehouse.definitions import DEFINITIONS, UNKNOWN, read_definitions
from churn_assets.warehouse.frames import table_exists
from churn_assets.warehouse.ledger import LEDGER, LEDGER_TABLE, Ledger

MOST_SHOWN = 3


def older_days(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    columns: Iterable[Column] | None = None,
    days: Collection[date] | DayRange | None = None,
) -> dict[date, list[str]]:
    """Published days (of `days`; None: all) that do not serve `columns` (None: all of the contract's), and which they lack.

    A column whose meaning is not the same on all of the days is lacking on those with the rarer ones.
    """
    wanted = tuple(contract.columns if columns is None else columns)
    if _all_serve(connection, contract, wanted, days):
        return {}
    ledger = Ledger.read(connection, [contract.table])
    published = {
        day: known
        for day, entry in ledger.of(contract.table).items()
        if (days is None or day in days) and (known := ledger.definition(entry)) is not None
    }
    meanings = {}
    for column in wanted:
        known_meanings = Counter(own.meaning for known in published.values() if (own := known.by_name.get(column.name)))
        del known_meanings[UNKNOWN]
        meanings[column.name] = known_meanings.most_common(1)[0][0] if known_meanings else UNKNOWN
    lacking = {known: known.lacking(wanted, meanings) for known in {*published.values()}}
    return {day: lacking[known] for day, known in published.items() if lacking[known]}


def _all_serve(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    columns: tuple[Column, ...],
    days: Collection[date] | DayRange | None,
) -> bool:
    """Whether all days are known to be of one definition, which has the columns. Asked first: it takes no look at each day."""
    if not table_exists(connection, LEDGER) or (days is not None and not days):
        return True
    if not table_exists(connection, DEFINITIONS):
        return False
    every = DayRange(date.min, date.max) if days is None else days
    # Its ends, and not a look at each day, which may be all that there are.
    span = (every.first, every.last) if isinstance(every, DayRange) else (min(every), max(every))
    query = f"SELECT DISTINCT definition FROM {LEDGER_TABLE} WHERE table_name = ? AND partition_date BETWEEN ? AND ?"
    found = [id for (id,) in connection.execute(query, [contract.table, *span]).fetchall()]
    if len(found) != 1:
        return not found
    known = {definition.id: definition for definition in read_definitions(connection, [contract.table])}
    return found[0] in known and not known[found[0]].lacking(columns, {})


def refuse_older(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    columns: Iterable[Column] | None = None,
    days: Collection[date] | DayRange | None = None,
) -> None:
    """Raise OlderDefinition where one of the published days does not serve the columns."""
    if older := older_days(connection, contract, columns, days):
        raise of_an_older_definition(contract.table, older)


def of_an_older_definition(table: str, older: Mapping[date, list[str]]) -> OlderDefinition:
    """The refusal to read `older` days of the table, with what they lack."""
    return OlderDefinition(
        f"{table} holds days of an older definition, {which_days(older)}: {lacked_columns(older)} there; "
        "run 'churn-assets backfill' first."
    )


def which_days(days: Iterable[date]) -> str:
    """Days in words; of many ranges the first ones."""
    return first_few([str(span) for span in contiguous(days)], MOST_SHOWN)


def lacked_columns(older: Mapping[date, list[str]]) -> str:
    """Which columns are missing, in words."""
    names = list(dict.fromkeys(name for lacking in older.values() for name in lacking))
    verb = "are" if len(names) > 1 else "is"
    return f"{first_few(names, MOST_SHOWN, 'more columns')} {verb} missing or of another meaning"
