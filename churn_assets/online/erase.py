"""A user in the online store and in the log of what was given out: found, and taken out."""

from __future__ import annotations

from churn_assets.online.served import ServedLog
from churn_assets.online.store import UserId, alone_at, open_store
from churn_assets.settings import Settings


def count_online(settings: Settings, user: str) -> int:
    """How many entries there are of the user. Raises ChurnError where the store cannot be reached."""
    own = _typed(settings, user)
    found = open_store(settings).read([own]) if settings.serving.is_on else None
    return sum(vector is not None for vector in (found[1] if found else ())) + _log(settings).holding({own})


def remove_online(settings: Settings, user: str) -> None:
    own = _typed(settings, user)
    if settings.serving.is_on:
        with alone_at(settings):
            open_store(settings).remove([own])
    _log(settings).remove({own})


def _log(settings: Settings) -> ServedLog:
    return ServedLog(settings.served_dir)


def _typed(settings: Settings, user: str) -> UserId:
    return int(user) if settings.sources.users.id_type == "integer" else user
