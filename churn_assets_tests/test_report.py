"""`churn-assets report` and the pictures in the UI: real files, nothing run or fetched, one sentence where there is nothing."""

from __future__ import annotations

import os
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, MarkdownMetadataValue
from PIL import Image

from churn_assets.automation.backfill import dagster_instance
from churn_assets.checks.profile import expectations
from churn_assets.graph import build_definitions
from churn_assets.report import gather, page, write_report
from churn_assets.report.asset import CHURN_REPORT
from churn_assets.report.data_docs import write_data_docs
from churn_assets.report.write import pictures_of
from test_cli import said
from worlds import DAYS, churn, day, days, deliver, deployment_of, query, run_plainly, run_with_dagster, tamper

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_it_writes_a_page_and_pictures_into_the_data_folder_and_says_where(computed: Path) -> None:
    done = churn(computed, "report")
    assert done.returncode == 0, done.stderr
    folder = computed / "reports"
    names = ["report.html", "active_users.png", "growth_accounting.png", "retention.png"]
    assert done.stdout.split() == [str(folder / name) for name in names]
    for name in names[1:]:
        with Image.open(folder / name) as image:
            image.verify()


def test_another_folder_may_be_named(computed: Path, tmp_path: Path) -> None:
    assert churn(computed, "report", "--out", tmp_path / "a" / "b").returncode == 0
    assert (tmp_path / "a" / "b" / "report.html").exists() and not (computed / "reports").exists()


def test_a_folder_that_cannot_be_written_is_named(computed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--out" in said(churn(computed, "report", "--out", tmp_path / "file" / "below"))


@pytest.mark.parametrize("begun", [False, True])
def test_where_nothing_is_published_it_says_so_in_one_sentence(landed: Path, begun: bool) -> None:
    if begun:
        with deployment_of(landed).warehouse.writing():
            pass
    assert "run 'churn-assets backfill' first" in said(churn(landed, "report"))
    assert not (landed / "reports").exists()


def test_the_same_warehouse_gives_the_same_bytes(computed: Path, tmp_path: Path) -> None:
    deployment = deployment_of(computed)
    one, other = (write_report(deployment, tmp_path / name) for name in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_hostile_name_is_text_and_nothing_runs_or_is_fetched(computed: Path) -> None:
    for column in ("plan", "country"):
        tamper(computed, f"UPDATE churn.user_daily SET {column} = '{HOSTILE}' WHERE as_of_date = '{day(DAYS)}'")
    html = page(gather(deployment_of(computed)), {})
    elements = Elements(html)
    assert elements.texts.count(HOSTILE) == 2
    assert {tag for tag, _ in elements.tags}.isdisjoint({"script", "img", "iframe", "link", "object", "form", "a"})
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert "default-src 'none'" in html


def test_its_pictures_are_inside_it(computed: Path, tmp_path: Path) -> None:
    html = write_report(deployment_of(computed), tmp_path)[0].read_text(encoding="utf-8")
    sources = [attributes["src"] or "" for tag, attributes in Elements(html).tags if tag == "img"]
    assert len(sources) == 3 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import", html)


def test_it_says_what_is_published_how_good_it_is_and_who_the_users_are(computed: Path) -> None:
    contents = gather(deployment_of(computed))
    assert contents.day == day(DAYS) and contents.judged == days(1, DAYS)
    counted = {table: (one.days, one.rows) for table, one in contents.published.items()}
    for table in deployment_of(computed).contracts:
        assert counted[table] == (DAYS, query(computed, f"SELECT count(*) FROM churn.{table}")[0][0])
    events = contents.quality[1]
    # Landing day 6 is the only one with rejected rows: six of them.
    assert (events.source, events.quarantined, events.worst_day) == ("events", 6, day(6))
    assert events.read == events.accepted + events.duplicate + events.unchanged + events.quarantined
    assert events.score == pytest.approx(100 * events.accepted / (events.accepted + 6))
    assert ("events", "too_late", 1) in contents.reasons
    users = query(computed, f"SELECT count(*) FROM churn.user_day_grid WHERE as_of_date = '{day(DAYS)}'")[0][0]
    for groups in contents.groups.values():
        assert sum(count for _, count, _ in groups) == users


def test_checks_that_fail_are_named_with_their_days(computed: Path) -> None:
    def warned() -> dict[str, tuple[bool, int, date]]:
        return {one.check: (one.blocking, one.days, one.last) for one in gather(deployment_of(computed)).warnings}

    assert warned()["unmatched_events.expectations"] == (False, 1, day(6))
    tamper(computed, f"UPDATE churn.growth_daily SET mau = mau + 1 WHERE as_of_date = '{day(4)}'")
    assert warned()["growth_daily.recounted"] == (True, 1, day(4))
    assert "1 of them should stop a release" in page(gather(deployment_of(computed)), {})


def test_where_a_blocking_check_keeps_tables_back_it_says_why(landed: Path) -> None:
    landed_rows = "".join(f"{n},99,{day(5)}T12:00:00,login\n" for n in range(800_000, 800_400))
    deliver(landed, "events", day(5), f"event_id,user_id,event_time,event_type\n{landed_rows}", name="strangers.csv")
    run_with_dagster(landed)
    contents = gather(deployment_of(landed))
    html = page(contents, pictures_of(contents))
    assert "user_daily" in contents.waiting and "Not yet: " in html and "should stop a release" in html
    (blocking,) = [one for one in contents.warnings if one.blocking]
    assert (blocking.check, blocking.last) == ("unmatched_events.share", day(5))
    assert "above checks.max_unmatched_share 0.01" in html


def materialized_report(data: Path) -> AssetMaterialization:
    key = AssetKey(CHURN_REPORT)
    job = build_definitions(deployment_of(data).settings).get_repository_def().get_implicit_job_def_for_assets([key])
    assert job is not None
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=[key])
    (event,) = result.get_asset_materialization_events()
    return event.materialization


@pytest.mark.long
def test_the_asset_writes_the_same_page_and_carries_the_pictures(computed: Path) -> None:
    metadata = materialized_report(computed).metadata
    assert set(metadata) == {"page", "active_users", "growth_accounting", "retention"}
    shown = [value.md_str or "" for value in metadata.values() if isinstance(value, MarkdownMetadataValue)]
    assert len(shown) == 3 and all("](data:image/png;base64," in text and len(text) < 60_000 for text in shown)
    assert metadata["page"].value == "reports/report.html"
    page = computed / "reports" / "report.html"
    before = page.read_bytes()
    write_report(deployment_of(computed), page.parent)
    assert page.read_bytes() == before


@pytest.mark.long
def test_no_run_over_tables_draws_a_picture(landed: Path) -> None:
    assert run_with_dagster(landed, days(1, 8)).succeeded
    with dagster_instance(deployment_of(landed)) as instance:
        for table in ("growth_daily", "retention_cohorts"):
            for record in instance.fetch_materializations(AssetKey(table), limit=10).records:
                assert record.asset_materialization
                values = record.asset_materialization.metadata.values()
                assert not any(isinstance(value, MarkdownMetadataValue) for value in values)


# --- Data Docs ---


def test_data_docs_have_a_page_for_each_table_and_mark_what_breached(computed: Path) -> None:
    done = churn(computed, "data-docs")
    assert done.returncode == 0, done.stderr
    site = computed / "data_docs"
    assert done.stdout.strip() == f"{site / 'index.html'}: open it in a browser."
    pages = {path.stem for path in (site / "expectations").glob("*.html")}
    assert pages == set(expectations(deployment_of(computed).settings))
    (odd,) = site.rglob("validations/unmatched_events/**/*.html")
    (fine,) = site.rglob("validations/feature_catalogue/**/*.html")
    assert ["></i> Failed" in path.read_text() for path in (odd, fine)] == [True, False]
    assert "every event finds its user-day" in (site / "expectations" / "unmatched_events.html").read_text()


@pytest.mark.long
def test_data_docs_are_written_anew_and_leave_nothing_beside(computed: Path, tmp_path: Path) -> None:
    site = tmp_path / "docs"
    assert write_data_docs(deployment_of(computed), site) == site / "index.html"
    (site / "old.html").write_text("from before")
    before = sorted(computed.rglob("*"))
    write_data_docs(deployment_of(computed), site)
    assert not (site / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir() if path != computed] == ["docs"]
    assert sorted(computed.rglob("*")) == before and os.environ["GX_ANALYTICS_ENABLED"] == "False"


def test_of_nothing_there_are_no_data_docs(landed: Path) -> None:
    run_plainly(landed, days(1, 1))
    tamper(landed, "DELETE FROM churn.publish_ledger")
    assert said(churn(landed, "data-docs")) == "Nothing is published yet; run 'churn-assets backfill' first."
    assert not (landed / "data_docs").exists()
