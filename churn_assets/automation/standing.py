"""Where a deployment stands: what is published, what is not up to date and why, and the command that goes on from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from churn_assets.assets.model_step import due_model
from churn_assets.assets.online_step import due_snapshot
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import missing_training_set
from churn_assets.automation.backfill import Failing, known_failures, planned
from churn_assets.automation.plan import Plan
from churn_assets.calendar import DayRange, calendar_days
from churn_assets.errors import ChurnError
from churn_assets.landing.unclaimed import sentences

BACKFILL = "churn-assets backfill"


@dataclass(frozen=True)
class Standing:
    """`waiting`: days of each table to be computed. `unclaimed`: sentences about what was delivered and no run looks at. `behind`:
    a sentence where the online store does not hold the newest day.
    """

    warehouse: str
    calendar: DayRange
    plan: Plan
    tables: tuple[str, ...]
    waiting: Mapping[str, int]
    failing: Failing
    unclaimed: tuple[str, ...]
    training_set_is_due: bool
    model_is_due: bool
    behind: str | None

    @classmethod
    def of(cls, deployment: Deployment) -> Standing:
        todo = planned(deployment)
        waiting: Counter[str] = Counter()
        for work in todo.works:
            waiting.update(dict.fromkeys(work.tables, len(work.days)))
        return cls(
            warehouse=str(deployment.settings.warehouse_path),
            calendar=calendar_days(deployment.settings),
            plan=todo,
            tables=tuple(deployment.contracts),
            waiting=waiting,
            failing=known_failures(deployment),
            unclaimed=tuple(sentences(deployment.settings)),
            training_set_is_due=missing_training_set(deployment) is not None,
            model_is_due=due_model(deployment) is not None,
            behind=_behind(deployment),
        )

    @property
    def next_command(self) -> str | None:
        """What a backfill would change, it is for; None where it would change nothing."""
        is_due = self.plan.works or self.training_set_is_due or self.model_is_due or self.behind
        return BACKFILL if is_due else None

    @property
    def is_well(self) -> bool:
        """Whether everything is there, up to date, and passes its blocking checks."""
        return not (self.next_command or self.plan.impossible or self.unclaimed or self.failing)

    def as_json(self) -> dict[str, Any]:
        """As docs/status.md has it."""
        return {
            "warehouse": self.warehouse,
            "calendar": _days(self.calendar),
            "tables": [self._table(name) for name in self.tables],
            "why": [str(reason) for reason in self.plan.reasons],
            "not_possible": list(self.plan.impossible),
            "failing": [
                {
                    "check": name,
                    "days": [day.isoformat() if day else None for day in days],
                    "what": next(iter(days.values())),
                }
                for name, days in sorted(self.failing.items())
            ],
            "unclaimed": list(self.unclaimed),
            "training_set_is_due": self.training_set_is_due,
            "model_is_due": self.model_is_due,
            "online_store": self.behind,
            "next": self.next_command,
            "is_well": self.is_well,
        }

    def _table(self, name: str) -> dict[str, Any]:
        known = self.plan.ledger.extent(name)
        return {
            "table": name,
            "days": known.days if known else 0,
            "first": known.first.isoformat() if known else None,
            "last": known.last.isoformat() if known else None,
            "rows": known.rows if known else 0,
            "to_do": self.waiting.get(name, 0),
        }


def _days(days: DayRange) -> dict[str, str]:
    return {"first": days.first.isoformat(), "last": days.last.isoformat()}


def _behind(deployment: Deployment) -> str | None:
    try:
        due = due_snapshot(deployment)
    except ChurnError as error:
        return str(error)
    return f"The online store does not hold {due.as_of_date} as it is published now." if due else None
