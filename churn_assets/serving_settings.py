"""Settings of what is served to other programs, `[serving]` of churn.toml: where features and scores of the newest day are kept, and limits."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

NOWHERE, SQLITE = "none", "sqlite"
PASSWORD_VARIABLE = "CHURN_REDIS_PASSWORD"  # noqa: S105
DATABASE = re.compile(r"(/\d*)?")
REDIS = ("redis://", "rediss://", "unix://")


class ServingSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = NOWHERE
    """none, sqlite (a file in the data folder), or the URL of a Redis."""
    key_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "churn"
    """What keys in Redis begin with: deployments that share one need different ones."""
    sample: float = Field(default=0.01, ge=0, le=1)
    """Share of served vectors that are noted, to be compared with the tables."""
    stale_after_days: int = Field(default=2, ge=1)
    """Values older than this are marked as stale. Those of yesterday are one day old."""
    batch_users: int = Field(default=10_000, ge=1)
    """Most users of one request."""
    requests_per_second: float = Field(default=1000, gt=0)
    """Requests beyond this, of one process, are turned away."""

    @field_validator("store")
    @classmethod
    def _is_known(cls, store: str) -> str:
        if store not in (NOWHERE, SQLITE) and not store.startswith(REDIS):
            raise ValueError(
                f"this is no store; give '{NOWHERE}', '{SQLITE}', or the URL of a Redis, redis://host:6379/0"
            )
        parts = urlsplit(store)
        is_file = parts.scheme in ("", "unix")
        if parts.query or parts.fragment or not (is_file or DATABASE.fullmatch(parts.path)):
            raise ValueError("the URL of a Redis is redis://host:port/number, and nothing after it")
        if parts.password:
            raise ValueError(
                f"the URL holds a password, which settings show; leave it out, and set {PASSWORD_VARIABLE}"
            )
        return store

    @property
    def is_on(self) -> bool:
        return self.store != NOWHERE
