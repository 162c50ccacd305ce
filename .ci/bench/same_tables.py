"""Whether two warehouses hold the same tables: rows, and of every column what a difference would show in.

Run as a command it makes a small world with faults in it, builds it both ways, and exits 1 where they differ.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from bench import duckdb_sql, plain_loop
from bench.store import Store, copied, landing_days

LEFT_OUT = {"digest", "repairs"}
"""Not what a table says: a digest is skipped by the SQL, and JSON may be spaced as one likes."""
TOLERANCE = 1e-6
FAULTS = """900001,1,{day}T08:00:00,video_watch,terraform,-5,,
900002,1,{day}T08:00:00,login,,,,
900002,1,{day}T08:00:00,login,,,,
900002,1,{day}T09:00:00,login,,,,
900003,999999,{day}T08:00:00,login,,0,,
900004,1,2025-11-01T08:00:00,login,,0,,
900005,1,2026-12-01T08:00:00,login,,0,,
900006,1,{day}T08:00:00,telepathy,,0,,
900007,1,yesterday,login,,0,,
900008,1,{day}T08:00:00,quiz_attempt,terraform,0,,
900009,1,{day}T08:00:00,quiz_attempt,terraform,0,101,
900010,1,{day}T08:00:00,payment_success,,0,,0
900011,1,{day}T08:00:00,login,,lots,,
900012,1,{day}T08:00:00,login,,0,55,7
12.7,1,{day}T08:00:00,login,,0,,
900013.0,1.0,{day}T08:00:00,login,,0,,
,1,{day}T08:00:00,login,,0,,
900014,,{day}T08:00:00,login,,0,,
900015,1,{day}T08:00:00,,,0,,
900016,1,{day}T08:00:00,login,,inf,,
"""
USER_FAULTS = """1,2025-12-01,paid,1,SG,ads
1,2025-12-01,paid,1,SG,ads
1,2025-12-01,free,0,SG,ads
,2025-12-01,paid,1,SG,ads
7,someday,paid,1,SG,ads
8,2025-12-01,gold,,,N/A
"""


def differences(one: Path, other: Path) -> Iterator[str]:
    """Sentences on what differs between the tables of `other` and those of the same name in `one`."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{one}' AS a (READ_ONLY)").fetchall()
        connection.execute(f"ATTACH '{other}' AS b (READ_ONLY)").fetchall()
        query = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'b' ORDER BY table_name"
        for (table,) in connection.execute(query).fetchall():
            left, right = (_said(connection, f"{side}.churn.{table}") for side in "ab")
            if left.keys() != right.keys():
                yield f"{table}: columns {sorted(left.keys() ^ right.keys())} on one side only"
            for figure in left.keys() & right.keys():
                if not _equal(left[figure], right[figure]):
                    yield f"{table}: {figure} is {left[figure]} here and {right[figure]} there"


def _said(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, object]:
    columns = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    figures = {"rows": "count(*)"}
    for name, kind in columns:
        if name in LEFT_OUT:
            continue
        figures[f"count({name})"] = f"count({name})"
        figures[f"min({name})"], figures[f"max({name})"] = f"min({name})", f"max({name})"
        if kind == "VARCHAR":
            figures[f"texts({name})"] = f"sum(hash({name}) % 1000000007) FILTER ({name} IS NOT NULL)"
        elif kind in ("DATE", "TIMESTAMP"):
            figures[f"sum({name})"] = f"sum(epoch({name}))"
        else:
            figures[f"sum({name})"] = f"sum({name}::DOUBLE)"
    # Columns alone could agree while rows do not: the key and the day tie them together.
    names = ", ".join(name for name, kind in columns if name not in LEFT_OUT and kind != "DOUBLE")
    figures["rows as a whole"] = f"sum(hash({names}) % 1000000007)"
    values = connection.execute(f"SELECT {', '.join(figures.values())} FROM {table}").fetchone()
    return dict(zip(figures, values or (), strict=True))


def _equal(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= TOLERANCE * max(1.0, abs(left), abs(right))
    return left == right


def _spoil(data: Path) -> None:
    for n, day in enumerate(landing_days(data)[2:40:5]):
        with (data / f"landing/events/date={day}/events.csv").open("a") as file:
            file.write(FAULTS.format(day=day))
        with (data / f"landing/users/date={day}/users.csv").open("a") as file:
            file.write(USER_FAULTS if n % 2 else USER_FAULTS.replace("SG", "US"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        data = store.world(300)
        _spoil(data)
        ours, theirs = copied(data, Path(folder) / "ours"), Path(folder) / "theirs.duckdb"
        plain_loop.build(ours)
        duckdb_sql.build(data / "landing", theirs)
        found = list(differences(ours / "warehouse.duckdb", theirs))
    print("\n".join(found) or "The same tables.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
