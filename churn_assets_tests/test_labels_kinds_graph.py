"""churn_labels of kind event and lapse within the graph: day by day as at once, restated by late events, and judged green."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from churn_assets.automation.backfill import planned
from test_checks import red_days
from worlds import (
    DAYS,
    Hashes,
    bring_back,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    query,
    run_plainly,
    withdraw,
    work_by_table,
    write_settings,
)

EVENT = """[labels]
kind = "event"
horizon_days = 4
event = "cancelled"
starts = "subscribed"
"""
LAPSE = """[labels]
kind = "lapse"
horizon_days = 3
grace_days = 1
paid_until = "renews_at"
renewal_events = "subscribed"
"""
DECLARED = """
[[properties]]
name = "renews_at"
type = "time"
[[event_types]]
name = "subscribed"
keeps = ["renews_at"]
[[event_types]]
name = "cancelled"
keeps = []
"""
CHECKS = [f"churn_labels.{name}" for name in ("complete", "observed", "recounted", "expectations")]
HEADER = "event_id,user_id,event_time,event_type,renews_at\n"
LATE_DAYS = 2


def first_users(data: Path) -> list[str]:
    """Nine who are there from the first day on."""
    rows = (data / "landing/users" / f"date={day(1)}" / "users.csv").read_text().splitlines()[1:10]
    return [row.split(",")[0] for row in rows]


def event(number: int, user: str, on: int, event_type: str, through: int | None = None) -> str:
    until = f"{day(through)}T12:00:00" if through else ""
    return f"{910000 + number},{user},{day(on)}T09:00:00,{event_type},{until}\n"


@pytest.fixture(scope="module", params=[EVENT, LAPSE], ids=["event", "lapse"])
def template(request: pytest.FixtureRequest, landed_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine subscribe on day 2 through days 3 to 11; the first three cancel on days 5, 6 and 7, of whom one had renewed."""
    landed = Path(shutil.copytree(landed_template, tmp_path_factory.mktemp("kind") / "data"))
    users = first_users(landed)
    subscribed = [event(at, user, 2, "subscribed", 3 + at) for at, user in enumerate(users)]
    deliver(landed, "events", day(2), HEADER + "".join(subscribed), name="subscribed.csv")
    for at, user in enumerate(users[:3]):
        deliver(landed, "events", day(5 + at), HEADER + event(20 + at, user, 5 + at, "cancelled"), name="cancelled.csv")
    deliver(landed, "events", day(4), HEADER + event(30, users[2], 4, "subscribed", 9), name="renewed.csv")
    write_settings(landed, request.param + DECLARED)
    run_plainly(landed)
    return landed


@pytest.fixture
def computed(tmp_path: Path, template: Path) -> Path:
    """The nine of each kind of label, computed at once."""
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def landed(computed: Path) -> Path:
    """The same, not computed."""
    (computed / "warehouse.duckdb").unlink()
    return computed


@pytest.fixture(scope="module")
def at_once(template: Path) -> Hashes:
    return hashes(template)


def label_rows(data: Path) -> list[tuple[object, ...]]:
    return query(
        data, f"FROM churn.churn_labels WHERE user_id IN ({', '.join(first_users(data))}) ORDER BY user_id, as_of_date"
    )


def test_some_churn_some_do_not_and_every_check_is_green(computed: Path) -> None:
    assert {churned for (churned,) in query(computed, "SELECT days_until_churn IS NULL FROM churn.churn_labels")} == {True, False}  # fmt: skip
    assert [red_days(computed, name) for name in CHECKS] == [[]] * len(CHECKS)


@pytest.mark.long
def test_each_day_on_its_own_gives_the_same_labels_as_all_at_once(landed: Path, at_once: Hashes) -> None:
    run_plainly(landed, days(1, 7))
    for number in range(8, DAYS + 1):
        run_plainly(landed, days(number))
    assert not differing(hashes(landed), at_once)
    run_plainly(landed, force=True, tables={"churn_labels"})
    assert not differing(hashes(landed), at_once)


def test_a_late_event_restates_the_labels_that_look_at_its_day(computed: Path) -> None:
    """On day 9 lands what happened on day 7: one cancelled, and one renewed who had until day 8."""
    before, rows = hashes(computed), label_rows(computed)
    users = first_users(computed)
    late = event(40, users[8], 7, "cancelled") + event(41, users[5], 7, "subscribed", 12)
    deliver(computed, "events", day(7 + LATE_DAYS), HEADER + late, name="late.csv")
    todo = run_plainly(computed)
    changed = {at for table, at in differing(hashes(computed), before) if table == "churn_labels"}
    assert changed and changed <= set(work_by_table(todo)["churn_labels"])
    # A label of kind event looks 4 days ahead, a lapse 3 and one of grace: that of day 3 sees day 7.
    assert min(changed) >= day(3)
    assert label_rows(computed) != rows
    assert not planned(deployment_of(computed)).works
    after = hashes(computed)
    run_plainly(computed, force=True, tables={"churn_labels"})
    assert not differing(hashes(computed), after)
    assert [red_days(computed, name) for name in CHECKS[:3]] == [[]] * 3


def test_a_new_day_leaves_labels_alone_whose_horizon_stays_open(landed: Path) -> None:
    settings = landed / "churn.toml"
    settings.write_text("lateness_days = 1\n" + settings.read_text())
    run_plainly(landed, days(1, 9))
    worked = work_by_table(run_plainly(landed, days(10)))["churn_labels"]
    # Of day 6 the last day comes in; of day 5 it did yesterday, and late rows come now; day 9 has late rows, too.
    assert worked == [day(5), day(6), day(9), day(10)]


@pytest.mark.long
def test_a_missing_day_censors_until_it_comes(landed: Path, at_once: Hashes) -> None:
    withdraw(landed, day(7))
    run_plainly(landed)
    why = dict(query(landed, "SELECT as_of_date, list(DISTINCT censor_reason) FROM churn.churn_labels GROUP BY 1"))  # fmt: skip
    assert [why[at] for at in days(4, 6)] == [["missing_day"]] * 3
    assert why[day(3)] == ["horizon_incomplete"], "what comes after its horizon is none of its business"
    assert [red_days(landed, name) for name in CHECKS[:3]] == [[day(7)]] * 3
    bring_back(landed, day(7))
    run_plainly(landed)
    assert not differing(hashes(landed), at_once)
