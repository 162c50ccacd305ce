"""What the online_store asset does: the newest day of features, and its scores, put where a service finds single users.

Knows no Dagster, like the steps. It is none of them, because a store holds one day and no partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import duckdb

from churn_assets.assets.scoring_steps import SCORES, declared_features, serving_models
from churn_assets.assets.step import Deployment
from churn_assets.contracts import Column, Kind
from churn_assets.errors import first_few
from churn_assets.online.store import Row, Snapshot, Store, alone_at, open_store
from churn_assets.training.write import FEATURES
from churn_assets.warehouse import Ledger
from churn_assets.warehouse.frames import qualified, quoted
from churn_assets.warehouse.ledger import LEDGER_TABLE
from churn_assets.warehouse.older import refuse_older

ONLINE_STORE = "online_store"
ROWS_AT_ONCE = 20_000


class Published(NamedTuple):
    """What a publication came to. `snapshot` is what the store holds now."""

    snapshot: Snapshot | None
    is_new: bool
    why: str


def due_snapshot(deployment: Deployment, store: Store | None = None) -> Snapshot | None:
    """What is to be published; None where the store holds it, or a newer one, or nothing is published yet."""
    if not deployment.settings.serving.is_on or not deployment.settings.warehouse_path.exists():
        return None
    with deployment.warehouse.reading() as connection:
        wanted = _wanted(deployment, connection)
    held = (store or open_store(deployment.settings)).snapshot()
    return wanted if wanted and _is_newer(wanted, held) else None


def publish_online(deployment: Deployment, *, replace: bool = False) -> Published:
    """The newest day of user_features and, where it is scored, its churn_scores, into the store, unless that holds the same or a
    newer state. `replace`: whatever it holds, an older state after a restore say.

    Raises ChurnError where there is no store, it cannot be reached, or the day is of an older definition.
    """
    store = open_store(deployment.settings)
    with alone_at(deployment.settings), deployment.warehouse.reading() as connection:
        wanted = _wanted(deployment, connection)
        held = None if replace else store.snapshot()
        if wanted is None:
            return Published(held, False, f"{FEATURES} is not published yet; run 'churn-assets backfill' first")
        if not _is_newer(wanted, held):
            assert held is not None
            why = (
                "the store holds it already"
                if held.state == wanted.state
                else f"the store holds {held.as_of_date}, which is newer"
            )
            return Published(held, False, why)
        store.replace(wanted, _batches(deployment, connection, wanted))
        return Published(wanted, True, f"{wanted.users:,} users of {wanted.as_of_date}")


def what_is_wrong(deployment: Deployment, held: Snapshot) -> str | None:
    """A sentence where the store does not hold what is declared now; None where it does."""
    declared = declared_features(deployment.settings.declaration)
    missing = [name for name in declared if name not in held.features]
    other = [name for name, meaning in declared.items() if held.features.get(name, meaning) != meaning]
    remedy = "run 'churn-assets backfill'"
    if missing:
        return f"The store has no value of {first_few(missing, 1)}, which {_is(missing)} declared now; {remedy}."
    if other:
        return f"The store holds {first_few(other, 1)} of another definition than is declared now; {remedy}."
    if held.scored_by and held.scored_by != serving_models(deployment.settings).version(held.as_of_date):
        return f"The store holds scores of another model than the one that serves {held.as_of_date} now; {remedy}."
    return None


def _wanted(deployment: Deployment, connection: duckdb.DuckDBPyConnection) -> Snapshot | None:
    ledger = Ledger.read(connection, (FEATURES, SCORES))
    day = max(ledger.of(FEATURES), default=None)
    if day is None:
        return None
    scored = ledger.of(SCORES).get(day)
    if scored:
        refuse_older(connection, deployment.contracts[SCORES], days=[day])
    refuse_older(connection, deployment.contracts[FEATURES], days=[day])
    ((published_at,),) = connection.execute(
        f"SELECT max(published_at) FROM {LEDGER_TABLE} WHERE partition_date = $1 AND list_contains($2, table_name)",
        [day, [FEATURES, SCORES]],
    ).fetchall()
    entry = ledger.of(FEATURES)[day]
    return Snapshot(
        as_of_date=day,
        published_at=published_at.isoformat(timespec="microseconds"),
        version=entry.content_hash,
        features=declared_features(deployment.settings.declaration),
        scores=[column.name for column in deployment.contracts[SCORES].values] if scored else None,
        scores_version=scored.content_hash if scored else None,
        scored_by=serving_models(deployment.settings).version(day) if scored else None,
        users=entry.rows,
        id_type=deployment.settings.sources.users.id_type,
    )


def _is_newer(wanted: Snapshot, held: Snapshot | None) -> bool:
    return held is None or wanted.state > held.state


def _batches(
    deployment: Deployment, connection: duckdb.DuckDBPyConnection, wanted: Snapshot
) -> Iterator[Sequence[Row]]:
    features = {column.name: column for column in deployment.contracts[FEATURES].values}
    of_features = _json([features[name] for name in wanted.features], "features")
    of_score, joined = "NULL", ""
    if wanted.scores is not None:
        of_score = (
            f"CASE WHEN scores.user_id IS NOT NULL THEN {_json(deployment.contracts[SCORES].values, 'scores')} END"
        )
        joined = (
            f"LEFT JOIN {qualified(SCORES)} AS scores ON scores.user_id = features.user_id AND scores.as_of_date = $day"
        )
    found = connection.execute(
        f"SELECT features.user_id, {of_features}, {of_score} FROM {qualified(FEATURES)} AS features {joined} "
        "WHERE features.as_of_date = $day ORDER BY 1",
        {"day": wanted.as_of_date},
    )
    while rows := found.fetchmany(ROWS_AT_ONCE):
        yield rows


def _json(columns: Sequence[Column], table: str) -> str:
    """SQL of the values as a JSON list: instants in ISO 8601, and null for what is no finite number, which JSON has not."""
    return f"json_array({', '.join(_value(column, f'{table}.{quoted(column.name)}') for column in columns)})"


def _value(column: Column, name: str) -> str:
    if column.kind is Kind.NUMBER:
        return f"CASE WHEN isfinite({name}) THEN {name} END"
    return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')" if column.kind is Kind.INSTANT else name


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
