"""A user in the online store and in the log of what was given out: found, and taken out."""

from __future__ import annotations

from collections.abc import Iterator

from churn_assets.online.served import ServedLog
from churn_assets.online.sqlite_store import SqliteStore
from churn_assets.online.store import Store, UserId, alone_at, open_store
from churn_assets.serving_settings import SQLITE
from churn_assets.settings import Settings


def count_online(settings: Settings, user: str) -> int:
    """How many entries there are of the user. Raises ChurnError where the store cannot be reached."""
    own = _typed(settings, user)
    found = [read[1] for store in _stores(settings) if (read := store.read([own]))]
    return sum(vector is not None for (vector,) in found) + _log(settings).holding({own})


def remove_online(settings: Settings, user: str) -> None:
    own = _typed(settings, user)
    with alone_at(settings):
        for store in _stores(settings):
            store.remove([own])
    _log(settings).remove({own})


def _stores(settings: Settings) -> Iterator[Store]:
    """The one in use, and the file of one that was, before the setting was another."""
    if settings.serving.is_on:
        yield open_store(settings)
    if settings.serving.store != SQLITE and settings.online_path.exists():
        yield SqliteStore(settings.online_path)


def _log(settings: Settings) -> ServedLog:
    return ServedLog(settings.served_dir)


def _typed(settings: Settings, user: str) -> UserId:
    return int(user) if settings.sources.users.id_type == "integer" else user
