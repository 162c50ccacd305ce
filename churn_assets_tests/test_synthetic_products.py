"""A world for every declaration: each shipped one has its own, any other gets one derived from its entries."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.errors import ChurnError
from churn_assets.product import Attribute, EventType, Measure, Product, Property, read_product, shipped_products
from churn_assets.synthetic import GeneratedWorld, generate
from churn_assets.synthetic.derived import event_names, world_of
from churn_assets.synthetic.world import shipped_world
from oracles_rows import event_fate, found, user_fate
from sizes import examples

START = date(2026, 1, 1)
DAYS = 75
WORLDS = tuple(name for name in shipped_products() if read_product(name).event_types)
"""Shipped products with words of a domain, as all but the blank one have."""
BYTES = {
    "commerce": "0f57c5ad719256416d58f2b613d089b8362cd2860b0fd86613b972f1bb51a0fc",
    "e_learning": "d865f51c1c576a6a8aafcf9ed61f3397c23b9a46239584da38e1052941fa7bba",
    "music": "7f69b3ca01ab2f7ea4fadb7c117ff2c03e8f3da5616e31a94a424945df4c77d4",
    "saas": "8efd936c9942c1314e1b329e126b23754afb5659d8d926832257197bcf5eb0d6",
}
"""SHA-256 of three days of 50 users."""
Row = dict[str, Any]


def rows_of(landing: Path, source: str) -> Iterator[tuple[date, Row]]:
    """Landing day and row, null where a text is empty."""
    for path in sorted((landing / source).rglob(f"{source}.*")):
        day = date.fromisoformat(path.parent.name.removeprefix("date="))
        if path.suffix == ".parquet":
            rows = pq.read_table(path).to_pylist()
        elif path.suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines() if line]
        else:
            # Not in text mode, which would end lines at a CR in a value.
            rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
        yield from ((day, {name: None if value == "" else value for name, value in row.items()}) for row in rows)


@pytest.fixture(scope="module", params=WORLDS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Product, GeneratedWorld, list[tuple[date, Row]], list[tuple[date, Row]]]:
    """Users and events of each shipped product's world, as landed."""
    landing = tmp_path_factory.mktemp(request.param) / "landing"
    summary = generate(landing, product=request.param, start=START, days=DAYS, users=100)
    return read_product(request.param), summary, list(rows_of(landing, "users")), list(rows_of(landing, "events"))


Made = tuple[Product, GeneratedWorld, list[tuple[date, Row]], list[tuple[date, Row]]]


def test_every_shipped_product_has_a_world_that_fits_it_as_it_is() -> None:
    for name in WORLDS:
        assert world_of(read_product(name)) == shipped_world(name) is not None


@pytest.mark.parametrize("product", WORLDS)
def test_bytes_are_those_of_every_platform_and_version(tmp_path: Path, product: str) -> None:
    generate(tmp_path / "landing", product=product, start=START, days=3, users=50, seed=7)
    files = sorted(path for path in (tmp_path / "landing").rglob("*.csv"))
    assert hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest() == BYTES[product]


def test_every_event_type_attribute_and_property_occurs(made: Made) -> None:
    product, summary, users, events = made
    assert summary.events == len(events)
    assert {row["event_type"] for _, row in events} == set(product.event_vocabulary)
    for source, entries, rows in (("users", product.attributes, users), ("events", product.properties, events)):
        for entry in entries:
            values = {found(row, product, entry, source) for _, row in rows}
            assert len(values - {None}) > 1, entry.name


@pytest.mark.long
def test_every_row_is_clean_by_the_rules_of_its_declaration(made: Made) -> None:
    product, _, users, events = made
    assert {user_fate(row, product) for _, row in users} == {("", frozenset())}
    assert {event_fate(row, product, day, lateness_days=3) for day, row in events} == {("", frozenset())}


def test_every_measure_sees_an_event_that_counts(made: Made) -> None:
    """No example of a condition is on a value that never comes."""
    product, _, _, events = made
    properties = {entry.name: entry for entry in product.properties}
    for measure in product.daily.values():
        on_properties = [condition for condition in measure.conditions if condition.key in properties]
        assert any(
            (measure.events is None or row["event_type"] in measure.events)
            and (measure.value is None or found(row, product, properties[measure.value], "events") is not None)
            and all(
                (found(row, product, properties[c.key], "events") or "").lower() in {str(v).lower() for v in c.values}
                for c in on_properties
            )
            for _, row in events
        ), measure.name


def test_some_users_leave_and_most_stay(made: Made) -> None:
    _, _, users, events = made
    last: dict[str, date] = {}
    for _, row in events:
        last[row["user_id"]] = max(last.get(row["user_id"], START), datetime.fromisoformat(row["event_time"]).date())
    signed_up = {row["user_id"] for _, row in users if row["signup_date"] < "2026-02-01"}
    end = START + timedelta(days=DAYS - 1)
    silent = [user for user in signed_up if (end - last.get(user, START)).days >= 30]
    assert 0.02 < len(silent) / len(signed_up) < 0.3


def test_weeks_have_a_rhythm_and_so_have_days(made: Made) -> None:
    product, _, _, events = made
    times = [datetime.fromisoformat(row["event_time"]) for _, row in events]
    weekdays, hours = Counter(time.weekday() for time in times), Counter(time.hour for time in times)
    declared = world_of(product).activity.week
    busiest, quietest = declared.index(max(declared)), declared.index(min(declared))
    assert weekdays[busiest] > 1.05 * weekdays[quietest]
    assert max(hours.values()) > 5 * hours[3]


@pytest.mark.parametrize("product", WORLDS)
def test_the_volume_asked_for_comes(tmp_path: Path, product: str) -> None:
    made = generate(
        tmp_path / "landing", product=product, start=START, days=14, users=1000, churn=False, weekly=False,
        signup_during=0.0, late_share=0.0, events_per_user_day=1.5,
    )  # fmt: skip
    assert made.events / 14_000 == pytest.approx(1.5, rel=0.08)


def test_who_cancels_is_no_longer_paid_the_day_after(tmp_path: Path) -> None:
    generate(tmp_path / "landing", product="saas", start=START, days=60, users=600)
    versions: dict[str, dict[date, str]] = defaultdict(dict)
    for day, row in rows_of(tmp_path / "landing", "users"):
        versions[row["user_id"]][day] = row["is_paid"]
    cancelled = {
        row["user_id"]: datetime.fromisoformat(row["event_time"]).date()
        for _, row in rows_of(tmp_path / "landing", "events")
        if row["event_type"] == "cancelled"
    }
    end = START + timedelta(days=59)
    assert len(cancelled) > 10
    for user, day in cancelled.items():
        before = max(known for known in versions[user] if known <= day)
        assert versions[user][before] == "1"
        assert day == end or versions[user][day + timedelta(days=1)] == "0"


def test_a_membership_is_paid_for_its_term(tmp_path: Path) -> None:
    generate(tmp_path / "landing", product="commerce", start=START, days=70, users=300, file_format="jsonl")
    terms = Counter(
        (datetime.fromisoformat(row["paid_until"]).date() - datetime.fromisoformat(row["event_time"]).date()).days
        for _, row in rows_of(tmp_path / "landing", "events")
        if row["paid_until"]
    )
    assert set(terms) == {30, 365}


def test_a_path_is_a_column_or_an_object_alike_in_every_format(tmp_path: Path) -> None:
    product = read_product("music")
    values: dict[str, list[tuple[str | None, ...]]] = {}
    for file_format in ("csv", "jsonl", "parquet"):
        landing = tmp_path / file_format
        generate(landing, product=product, start=START, days=2, users=40, file_format=file_format)  # type: ignore[arg-type]
        values[file_format] = [
            tuple(
                (found(row, product, entry, "events") or "").lower().removesuffix(".0") for entry in product.properties
            )
            for _, row in rows_of(landing, "events")
        ]
    assert values["csv"] == values["jsonl"] == values["parquet"]
    [line, *_] = (tmp_path / "jsonl/events/date=2026-01-01/events.jsonl").read_text().splitlines()
    assert isinstance(json.loads(line)["client"], dict | None) and "ms_played" in json.loads(line)


def test_a_shipped_product_that_a_deployment_changed_has_a_world_that_fits(tmp_path: Path) -> None:
    order = {"name": "order", "needs": ["amount"], "keeps": ["category", "quantity", "amount", "discount", "device"]}
    parcel_lost = {"name": "parcel lost", "needs": ["weight", "fee"]}
    of_coupons = ["coupon", "coupon_orders", "coupon_share_90d"]
    of_visits = [
        "visit",
        "visits",
        "visits_{window}d",
        "sessions",
        "orders_per_visit_30d",
        "visit_trend_7d_30d",
        "days_since_last_visit",
    ]
    more = {
        "drop": ["country", *of_coupons, *of_visits],
        "attributes": [{"name": "loyalty", "type": "integer", "limits": [1, 3]}],
        "properties": [{"name": "weight", "type": "number", "from": "extra.parcel.grams", "scale": "1/1000"}],
        "event_types": [order, parcel_lost],
    }
    product = read_product("commerce", more=more)
    generate(tmp_path / "landing", product=product, start=START, days=40, users=200)
    users, events = list(rows_of(tmp_path / "landing", "users")), list(rows_of(tmp_path / "landing", "events"))
    assert "country" not in users[0][1] and "coupon" not in events[0][1]
    assert {row["loyalty"] for _, row in users} <= {"1", "2", "3"}
    assert {row["event_type"] for _, row in events} == set(product.event_vocabulary)
    assert {event_fate(row, product, day, lateness_days=3) for day, row in events} == {("", frozenset())}


def test_a_product_that_is_neither_shipped_nor_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="neither shipped"):
        generate(tmp_path / "landing", product="nobody's", start=START, days=2)


PATHS = (None, "extra.{name}", "extra.context.{name}", "extra.context.deep.{name}", "outer.{name}")


@st.composite
def declarations(draw: st.DrawFn) -> Product:
    """Products of up to four entries of each kind, of every type, limit and path."""

    def numeric(kind: str) -> dict[str, Any]:
        if kind not in ("number", "integer"):
            return {}
        low = draw(st.sampled_from([-50, 0, 3, 1000]))
        return {"limits": draw(st.sampled_from([None, (low, low + 2), (low, low + 9), (low, low + 1e6)]))}

    def path(name: str) -> str | None:
        given = draw(st.sampled_from(PATHS))
        return given and given.format(name=name)

    attributes = []
    for name in draw(st.lists(st.sampled_from(["one", "other"]), unique=True)):
        kind = draw(st.sampled_from(["label", "flag", "integer", "number", "date"]))
        said = {"name": name, "type": kind, "from": path(name), **numeric(kind)}
        attributes.append(Attribute.model_validate(said))
    properties = []
    for name in draw(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), unique=True)):
        kind = draw(st.sampled_from(["number", "integer", "flag", "label", "text", "time"]))
        scales = {"number": ["1/1000", "60", "1"], "integer": ["1/1000", "1"]}.get(kind, ["1"])
        said = {"name": name, "type": kind, "from": path(name), "scale": draw(st.sampled_from(scales)), **numeric(kind)}
        properties.append(Property.model_validate(said))
    names = [entry.name for entry in properties]
    event_types = []
    for name in draw(st.lists(st.sampled_from(["opened", "Order, paid", 'said "hi"', "daily"]), unique=True)):
        keeps = draw(st.none() | st.lists(st.sampled_from(names), unique=True)) if names else None
        kept = [entry for entry in properties if keeps is None or entry.name in keeps]
        needs = [entry.name for entry in kept if draw(st.booleans())]
        can_be_positive = [e.name for e in kept if e.type in ("number", "integer") and (e.limits or (0, 9))[1] > 0]
        positive, scheduled = can_be_positive[:1], draw(st.booleans())
        event_types.append(EventType(name=name, keeps=keeps, needs=needs, positive=positive, scheduled=scheduled))
    labels = [entry for entry in properties if entry.type == "label"]
    measures = [
        Measure.model_validate({"name": f"m_{entry.name}", "where": {entry.name: 'wanted, "so"'}}) for entry in labels
    ]
    return Product("own", tuple(attributes), tuple(properties), tuple(event_types), tuple(measures)).check()


@given(declarations(), st.sampled_from(["csv", "jsonl", "parquet"]))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_declaration_has_a_world_of_clean_rows_in_which_all_of_it_occurs(
    product: Product, file_format: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        generate(landing, product=product, start=START, days=32, users=12, file_format=file_format, churn=False)
        users, events = list(rows_of(landing, "users")), list(rows_of(landing, "events"))
    rows = [
        {**row, "event_time": row["event_time"].isoformat()} if file_format == "parquet" else row for _, row in events
    ]
    assert {row["event_type"] for row in rows} == set(event_names(product))
    fates = {event_fate(row, product, day, lateness_days=3) for (day, _), row in zip(events, rows, strict=True)}
    assert fates == {("", frozenset())}
    for entry in product.properties:
        is_kept = not product.event_types or any(e.keeps is None or entry.name in e.keeps for e in product.event_types)
        assert any(found(row, product, entry, "events") is not None for row in rows) or not is_kept
    for attribute in product.attributes:
        assert any(found(row, product, attribute, "users") is not None for _, row in users)
    if any(e.keeps is None for e in product.event_types):
        for entry in product.properties:
            if entry.type == "label":
                assert 'wanted, "so"' in {found(row, product, entry, "events") for row in rows}
