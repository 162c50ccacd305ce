"""The step of served_consistency: what a service gave out, held against the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from churn_assets.assets.online_step import ONLINE_STORE
from churn_assets.assets.step import Beside, Step
from churn_assets.calendar import SAME_DAY
from churn_assets.contracts import contracts
from churn_assets.online.consistency import served_consistency
from churn_assets.online.served import ServedLog
from churn_assets.settings import Settings
from churn_assets.training.write import FEATURES
from churn_assets.warehouse import Ledger, Warehouse

CONSISTENCY = "served_consistency"


@dataclass(frozen=True)
class Served:
    """The log of what was given out, and the content hash of each published day of features."""

    log: ServedLog
    versions: Mapping[date, str]

    def version(self, day: date) -> str:
        return self.log.version(day)


def served_step(settings: Settings) -> Step:
    features = contracts(settings)[FEATURES].values
    return Step(
        name=CONSISTENCY,
        description="Sampled vectors that a service gave out, compared with the table. Computed again when more were given out.",
        group="serving",
        outputs=(CONSISTENCY,),
        reads={FEATURES: SAME_DAY},
        compute=lambda inputs, days: (
            served_consistency(
                inputs[FEATURES],
                days=days,
                log=inputs.beside.log,
                versions=inputs.beside.versions,
                features=features,
            ),
        ),
        sized_by=FEATURES,
        bucket_by=None,
        beside=Beside(ONLINE_STORE, partial(_served, settings)),
    )


def _served(settings: Settings) -> Served:
    published: Mapping[date, str] = {}
    if settings.warehouse_path.exists():
        with Warehouse(settings.warehouse_path, settings.lock_timeout_seconds).reading() as connection:
            ledger = Ledger.read(connection, [FEATURES])
        published = {day: entry.content_hash for day, entry in ledger.of(FEATURES).items()}
    return Served(ServedLog(settings.served_dir), published)
