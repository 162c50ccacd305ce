"""The online store, as a SQLite file and in Redis: one day, whole, replaced at one moment by a newer one alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn_assets.assets import online_step
from churn_assets.assets.online_step import due_snapshot, publish_online, what_is_wrong
from churn_assets.errors import ChurnError
from churn_assets.online.redis_store import RedisStore
from churn_assets.online.sqlite_store import SqliteStore
from churn_assets.online.store import Row, Snapshot, Store, Vector, checksum_of, open_store
from churn_assets.settings import Settings
from churn_assets.warehouse import read_days
from online_worlds import redis_server, rows, served_world, serving, snapshot
from worlds import DAYS, SHORT_LABELS, churn, day, days, deployment_of, hashes, run_plainly, tamper, write_settings

Opened = Callable[[], Store]
KINDS = ("sqlite", "redis")
USERS = 1_000


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def store_setting(kind: str, request: pytest.FixtureRequest) -> str:
    return kind if kind == "sqlite" else str(request.getfixturevalue("redis_url"))


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """What opens the store anew each time, as another process would."""
    setting = {"store": store_setting(request.param, request), "key_prefix": f"t{random.randrange(10**9)}"}
    settings = Settings.model_validate({"data_dir": tmp_path, "serving": setting}).model_copy(
        update={"data_dir": tmp_path}
    )
    return lambda: open_store(settings)


def values(found: tuple[Snapshot, list[Vector | None]] | None) -> set[Any]:
    assert found is not None
    snapshot_read, vectors = found
    of_users = {value for vector in vectors if vector for value in (*vector.features, *(vector.score or []))}
    return of_users | {snapshot_read.as_of_date.day}


def test_a_user_is_found_with_what_was_stored_and_in_the_order_asked(opened: Opened) -> None:
    assert opened().snapshot() is None and opened().read([1]) is None
    opened().replace(snapshot(1, USERS), rows(1, USERS))
    assert opened().snapshot() == snapshot(1, USERS)
    found = opened().read([3, 10**12, 2, 3])
    assert found is not None and found[0] == snapshot(1, USERS)
    assert [vector and (vector.features, vector.score) for vector in found[1]] == [
        ([1, 1], [1]),
        None,
        ([1, 1], None),
        ([1, 1], [1]),
    ]


def test_every_user_of_a_large_request_is_found(opened: Opened) -> None:
    opened().replace(snapshot(1, USERS), rows(1, USERS))
    found = opened().read(range(1, USERS + 2))
    assert found is not None and [vector is None for vector in found[1]] == [False] * USERS + [True]


def test_a_reader_never_sees_two_days_mixed(opened: Opened) -> None:
    opened().replace(snapshot(1, USERS), rows(1, USERS))
    seen: list[set[Any]] = []
    stop = threading.Event()

    def read() -> None:
        store = opened()
        while not stop.is_set():
            seen.append(values(store.read(range(1, USERS + 1, 7))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        writer = opened()
        for number in range(2, 12):
            writer.replace(snapshot(number, USERS), rows(number, USERS))
    finally:
        stop.set()
        reader.join(timeout=60)
    assert all(len(found) == 1 for found in seen)
    assert len({*map(frozenset, seen)}) > 1, "the reader ran beside the writer"


def _killed(opened: Opened, after: int) -> None:
    """Ends this process, without a word, once so many batches were handed over."""

    def some() -> Iterator[Sequence[Row]]:
        for number, batch in enumerate(rows(2, USERS)):
            if number == after:
                os._exit(9)
            yield batch

    opened().replace(snapshot(2, USERS), some())
    os._exit(0)


@pytest.mark.parametrize("after", [0, 5, 9])
def test_a_publisher_that_is_killed_leaves_the_day_before(opened: Opened, after: int, tmp_path: Path) -> None:
    opened().replace(snapshot(1, USERS), rows(1, USERS))
    before = sorted(tmp_path.rglob("*"))
    publisher = multiprocessing.get_context("fork").Process(target=_killed, args=(opened, after))
    publisher.start()
    publisher.join(timeout=60)
    assert publisher.exitcode == 9
    assert values(opened().read(range(1, USERS + 1))) == {1}
    opened().replace(snapshot(3, 10), rows(3, 10))
    assert values(opened().read(range(1, USERS + 1))) == {3}
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"
    if isinstance(store := opened(), SqliteStore):
        return
    keys = {key.decode().rsplit(":", 1)[0] for key in store._redis.keys(f"{store._prefix}:*")}  # type: ignore[attr-defined]
    assert len(keys - {store._prefix}) == 1, "nor a generation of the killed one's"  # type: ignore[attr-defined]


def test_a_user_is_taken_out_and_no_byte_of_them_left(opened: Opened, tmp_path: Path) -> None:
    users = 500
    marked = [[(user, f'["mark{user}x"]', None) for user in range(1, users + 1)]]
    opened().replace(snapshot(1, users, names=["a"]), marked)
    assert opened().remove([7, 10**9]) == 1
    assert opened().remove([7]) == 0
    found = opened().read([6, 7])
    assert found is not None and found[0].users == users - 1
    assert [vector and (vector.features, vector.score) for vector in found[1]] == [(["mark6x"], None), None]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"mark7x" not in path.read_bytes()


# -- what a deployment publishes ---------------------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def published(request: pytest.FixtureRequest, computed: Path) -> Path:
    """A computed deployment with a store that holds its last day."""
    prefix = f'key_prefix = "t{random.randrange(10**9)}"\n'
    serving(computed, store_setting(request.param, request), prefix)
    run_plainly(computed)
    assert publish_online(deployment_of(computed)).is_new
    return computed


def table_rows(data: Path, table: str, number: int) -> pd.DataFrame:
    deployment = deployment_of(data)
    with deployment.warehouse.reading() as connection:
        return read_days(connection, deployment.contracts[table], days(number))


def test_it_holds_the_newest_day_value_for_value(published: Path) -> None:
    features, scores = (table_rows(published, table, DAYS) for table in ("user_features", "churn_scores"))
    assert len(scores) < len(features), "some are not at risk"
    found = open_store(deployment_of(published).settings).read(features["user_id"].tolist())
    assert found is not None
    held, vectors = found
    assert (held.as_of_date, held.users) == (day(DAYS), len(features))
    for frame, names, of_user in (
        (features, list(held.features), lambda vector: vector.features),
        (scores, held.scores or [], lambda vector: vector.score),
    ):
        assert {*names} == {*frame.columns} - {"user_id", "as_of_date"}
        by_user = frame.set_index("user_id")
        for user, vector in zip(features["user_id"], vectors, strict=True):
            assert vector is not None
            if user not in by_user.index:
                assert of_user(vector) is None
                continue
            for name, value in zip(names, of_user(vector), strict=True):
                stored = by_user.at[user, name]
                assert (value is None and pd.isna(stored)) or value == stored, name


def test_the_same_and_an_older_state_replace_nothing(published: Path) -> None:
    deployment = deployment_of(published)
    store = open_store(deployment.settings)
    first = store.snapshot()
    assert first is not None
    assert due_snapshot(deployment) is None
    again = publish_online(deployment)
    assert (again.is_new, again.snapshot, again.why) == (False, first, "the store holds it already")
    newer = replace(first, as_of_date=day(DAYS + 1))
    store.replace(newer, [[(1, "[]", None)]])
    late = publish_online(deployment)
    assert (late.is_new, store.snapshot()) == (False, newer)
    assert late.why == f"the store holds {day(DAYS + 1)}, which is newer"
    of_later = replace(first, published_at="2999-01-01T00:00:00.000000")
    store.replace(of_later, [[(1, "[]", None)]])
    assert not publish_online(deployment).is_new, "a state of the same day that was published later"
    assert publish_online(deployment, replace=True).is_new
    assert store.snapshot() == first


def test_a_restated_day_takes_its_place(published: Path) -> None:
    before = open_store(deployment_of(published).settings).snapshot()
    users = published / f"landing/users/date={day(DAYS)}/users.csv"
    users.write_text(users.read_text() + "1,2026-01-01,paid,1,FR,ads\n")
    run_plainly(published)
    due = due_snapshot(deployment_of(published))
    assert before is not None and due is not None and due.version != before.version
    assert publish_online(deployment_of(published)).is_new
    found = open_store(deployment_of(published).settings).read([1])
    assert found is not None and found[0].version == hashes(published)["user_features", day(DAYS)]
    (vector,) = found[1]
    assert vector is not None
    assert dict(zip(found[0].features, vector.features, strict=True))["country"] == "FR"


def test_what_is_not_as_declared_is_said(published: Path) -> None:
    deployment = deployment_of(published)
    store = open_store(deployment.settings)
    held = store.snapshot()
    assert held is not None and what_is_wrong(deployment, held) is None
    less = {name: meaning for name, meaning in held.features.items() if name != "plan"}
    other = {**held.features, "plan": "another", "country": "another"}
    for features, sentence in (
        (less, "no value of plan, which is declared"),
        (other, "plan and 1 more of another definition"),
    ):
        assert sentence in str(what_is_wrong(deployment, replace(held, features=features)))
    by_another = replace(held, scored_by="0123456789abcdef model")
    assert f"scores of another model than the one that serves {day(DAYS)}" in str(what_is_wrong(deployment, by_another))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_one_sentence(computed: Path) -> None:
    data = served_world(computed)
    publish_online(deployment_of(data))
    path = data / "online.sqlite"
    for damage in (b"", b"no database at all" * 100, path.read_bytes()[:5000]):
        path.write_bytes(damage)
        with pytest.raises(
            ChurnError,
            match=r"online\.sqlite cannot be used as an online store .*'churn-assets online publish --replace'",
        ):
            SqliteStore(path).read([*range(1, 60)])
    path.unlink()
    assert publish_online(deployment_of(data)).is_new


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_is_another_value(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Values of a row, as they were written, or a refusal: of every bit of a row, and of the snapshot."""
    whole = Vector.checked(7, "[1, 2.5]", "[3]", checksum_of(7, "[1, 2.5]", "[3]"), "it")
    assert (whole.features, whole.score) == ([1, 2.5], [3])
    for field in ("[1, 2.5]", "[3]"):
        for at in range(len(field)):
            for bit in range(7):
                other = field[:at] + chr(ord(field[at]) ^ 1 << bit) + field[at + 1 :]
                parts = (other, "[3]") if field == "[1, 2.5]" else ("[1, 2.5]", other)
                with pytest.raises(
                    ChurnError, match="values in it are not as they were written; run 'churn-assets online publish"
                ):
                    Vector.checked(7, *parts, checksum_of(7, "[1, 2.5]", "[3]"), "it")
    text = snapshot(1, 5).as_json()
    for at in range(len(text)):
        with pytest.raises(ChurnError, match="no snapshot that this release can read"):
            Snapshot.from_json(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :], "it")
    settings = {"store": store_setting(kind, request), "key_prefix": f"t{random.randrange(10**9)}"}
    store = open_store(Settings.model_validate({"serving": settings}).model_copy(update={"data_dir": tmp_path}))
    store.replace(snapshot(1, 1), [[(1, "[1, 1]", "[1]")]])
    if isinstance(store, SqliteStore):
        with sqlite3.connect(store.path) as connection:
            connection.execute("UPDATE users SET features = '[1, 2]'")
    else:
        assert isinstance(store, RedisStore)
        key = next(key for key in store._redis.scan_iter(f"{store._prefix}:*:0"))
        store._redis.hset(key, "1", b"[1, 2]\n[1]\n" + store._redis.hget(key, "1").split(b"\n")[-1])
    with pytest.raises(ChurnError, match="values in it are not as they were written"):
        store.read([1])


def test_what_a_killed_publisher_left_goes_with_the_next_publication_even_of_nothing(computed: Path) -> None:
    data = served_world(computed)
    publish_online(deployment_of(data))
    left = data / ".online.sqlite.new"
    left.write_text("half of it")
    assert not publish_online(deployment_of(data)).is_new
    assert not left.exists()


@pytest.mark.parametrize(
    "serving_settings, sentence",
    [
        ('key_prefix = "a*b"', "serving.key_prefix"),
        ('store = "redis://127.0.0.1:1/0?password=x"', "redis://host:port/number, and nothing after it"),
        ('store = "redis://127.0.0.1:1/abc"', "redis://host:port/number, and nothing after it"),
        ("sample = 1.5", "serving.sample"),
        ("batch_users = 0", "serving.batch_users"),
    ],
)
def test_settings_that_cannot_be_are_refused(computed: Path, serving_settings: str, sentence: str) -> None:
    write_settings(computed, labels=f"{SHORT_LABELS}[serving]\n{serving_settings}\n")
    with pytest.raises(ChurnError, match=re.escape(sentence)):
        deployment_of(computed)


def test_a_snapshot_of_another_release_is_refused_and_replaced(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = served_world(computed)
    with monkeypatch.context() as patched:
        patched.setattr("churn_assets.online.store.FORMAT", 99)
        publish_online(deployment_of(data))
    with pytest.raises(
        ChurnError, match=r"no snapshot that this release can read; run 'churn-assets online publish --replace'"
    ):
        publish_online(deployment_of(data))
    assert publish_online(deployment_of(data), replace=True).is_new


def test_a_redis_that_does_not_answer_is_one_sentence(computed: Path) -> None:
    serving(computed, "redis://127.0.0.1:1/0")
    for arguments in (["online", "publish"], ["online", "status"]):
        done = churn(computed, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(
            "Error: Redis at 127.0.0.1 cannot be used as an online store (ConnectionError); see that"
        )


def test_the_password_of_a_redis_is_no_setting_and_is_never_shown(computed: Path, tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    serving(computed, f"redis://:{secret}@127.0.0.1:1/0")
    refused = churn(computed, "online", "status")
    assert (
        "serving.store: the URL holds a password, which settings show; leave it out, and set CHURN_REDIS_PASSWORD"
        in refused.stderr
    )
    with redis_server(tmp_path, "--requirepass", secret) as url:
        serving(computed, url)
        run_plainly(computed)
        without = churn(computed, "online", "publish")
        assert without.returncode == 1 and "and that CHURN_REDIS_PASSWORD is its password." in without.stderr
        published = churn(computed, "online", "publish", CHURN_REDIS_PASSWORD=secret)
        assert "Published: " in published.stdout
    assert secret not in "".join(text for done in (refused, without, published) for text in (done.stdout, done.stderr))


def test_without_a_setting_there_is_no_store_and_nothing_more_in_the_graph(computed: Path) -> None:
    assert due_snapshot(deployment_of(computed)) is None
    with pytest.raises(ChurnError, match=r'set \[serving\] store = "sqlite" in .*churn\.toml and run'):
        open_store(deployment_of(computed).settings)
    assert "served_consistency" not in deployment_of(computed).contracts
    write_settings(computed, labels=SHORT_LABELS + '[serving]\nstore = "nowhere"\n')
    with pytest.raises(
        ChurnError, match=r"serving\.store: this is no store; give 'none', 'sqlite', or the URL of a Redis"
    ):
        deployment_of(computed)


def test_a_day_of_an_older_definition_is_not_published(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = served_world(computed)
    write_settings(
        data,
        labels=(data / "churn.toml").read_text().split("\n", 2)[2]
        + '[[features]]\nname = "early_{window}d"\nof = "total_events"\nwindows = [2]\n',
    )
    with pytest.raises(
        ChurnError, match="early_2d is missing or of another meaning there; run 'churn-assets backfill' first"
    ):
        publish_online(deployment_of(data))


def test_status_says_what_it_holds_and_what_mends_it(computed: Path) -> None:
    data = served_world(computed)
    empty = churn(data, "online", "status", "--json")
    assert (empty.returncode, json.loads(empty.stdout)["wrong"]) == (
        1,
        "The store is empty; run 'churn-assets backfill'.",
    )
    assert "Published: " in churn(data, "online", "publish").stdout
    done = churn(data, "online", "status")
    assert done.returncode == 0 and f" of {day(DAYS)}, scored by recency." in done.stdout
    assert "online store" not in churn(data, "status").stdout
    found = json.loads(churn(data, "online", "status", "--json").stdout)
    assert {*found} == {"place", "as_of_date", "users", "scored_by", "published_at", "wrong"}
    assert (found["as_of_date"], found["wrong"]) == (day(DAYS).isoformat(), None)
    tamper(
        data,
        "UPDATE churn.publish_ledger SET published_at = published_at + INTERVAL 1 HOUR WHERE table_name = 'user_features'",
    )
    assert "does not hold the newest state" in churn(data, "online", "status").stdout
    whole = churn(data, "status").stdout
    assert f"The online store does not hold {day(DAYS)} as it is published now." in whole
    assert "Next: churn-assets backfill" in whole and "Everything is up to date" not in whole
    (data / "online.sqlite").write_bytes(b"nothing of a database" * 50)
    assert "online.sqlite cannot be used as an online store" in churn(data, "status").stdout


def test_batches_are_of_many_users(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_step, "ROWS_AT_ONCE", 7)
    data = served_world(computed)
    held = publish_online(deployment_of(data)).snapshot
    assert held is not None
    found = open_store(deployment_of(data).settings).read(table_rows(data, "user_features", DAYS)["user_id"].tolist())
    assert found is not None and len(found[1]) == held.users and None not in found[1]
