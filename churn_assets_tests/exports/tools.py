"""The happenings as each tool would export them: a function per tool that writes into a folder and gives the path."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exports.world import Happening, happenings


def amplitude(folder: Path) -> Path:
    """Export API: a folder of gzipped JSON lines, one file per hour of upload (here: per day)."""
    place = folder / "amplitude"
    place.mkdir()
    by_day: dict[str, list[dict[str, Any]]] = {}
    for one in happenings():
        time = f"{one.time:%Y-%m-%d %H:%M:%S.%f}"
        anonymous = one.number % 10 == 0
        by_day.setdefault(time[:10], []).append({
            "$insert_id": f"ins-{one.id}", "$schema": None, "adid": None, "amplitude_id": 900_000_000 + one.user,
            "app": 123456, "city": None, "client_event_time": time, "client_upload_time": time, "country": one.country,
            "data": {"path": "/2/httpapi", "group_first_event": {}}, "device_id": one.device_id, "device_type": "phone",
            "event_id": one.number % 37, "event_properties": one.properties, "event_time": time, "event_type": one.type,
            "groups": {}, "ip_address": "203.0.113.7", "language": "English", "library": "amplitude-ts/2.1",
            "location_lat": None, "os_name": one.platform, "platform": one.platform, "processed_time": time,
            "server_received_time": time, "server_upload_time": time, "session_id": int(one.time.timestamp() * 1000),
            "user_id": None if anonymous else one.user_id, "user_properties": one.user_properties, "uuid": one.id,
            "version_name": "4.2",
        })  # fmt: skip
    for day, rows in by_day.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"123456_{day}_0#0.json.gz").write_bytes(gzip.compress(lines.encode()))
    return place


def mixpanel(folder: Path) -> Path:
    """Raw Event Export API: JSON lines of an event's name and its properties, time in seconds."""
    place = folder / "mixpanel.jsonl"
    rows = [
        {
            "event": one.type,
            "properties": {
                "time": int(one.time.timestamp()),
                "distinct_id": one.user_id,
                "$insert_id": one.id.replace("-", ""),
                "$os": one.platform,
                "$city": "Berlin",
                "mp_country_code": one.country,
                "mp_lib": "web",
                "mp_processing_time_ms": int(one.time.timestamp() * 1000) + 900,
                **one.properties,
            },
        }
        for one in happenings()
    ]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return place


def posthog(folder: Path) -> Path:
    """Batch export of events as CSV: properties as JSON text."""
    place = folder / "posthog.csv"
    rows = [
        {
            "uuid": one.id,
            "event": one.type,
            "properties": json.dumps(
                {**one.properties, "$os": one.platform, "$geoip_country_code": one.country, "$set": {}}
            ),
            "distinct_id": one.device_id if one.number % 7 == 0 else one.user_id,
            "person_id": str(one.device_id).replace("0000", "1111", 1),
            "person_properties": json.dumps(one.user_properties),
            "timestamp": f"{one.time:%Y-%m-%dT%H:%M:%S.%f}+00:00",
            "created_at": f"{one.time:%Y-%m-%dT%H:%M:%S}Z",
            "team_id": "77",
            "elements_chain": "",
        }
        for one in happenings()
    ]
    _csv(place, rows)
    return place


def segment(folder: Path) -> Path:
    """The warehouse table `tracks` as CSV; here with the properties of all events joined to it, as is usual."""
    place = folder / "tracks.csv"
    names = sorted({name for one in happenings() for name in one.properties})
    rows = [
        {
            "id": f"ajs-{one.id}",
            "event": re.sub(r"\W", "_", one.type.lower()),
            "event_text": one.type,
            "user_id": "" if one.number % 12 == 0 else one.user_id,
            "anonymous_id": one.device_id,
            "timestamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "original_timestamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "received_at": f"{one.time:%Y-%m-%d %H:%M:%S}",
            "sent_at": f"{one.time:%Y-%m-%d %H:%M:%S}",
            "context_ip": "203.0.113.7",
            "context_locale": "de-DE" if one.user % 2 else "en-GB",
            "context_library_name": "analytics.js",
            "context_traits_plan": one.user_properties["plan"],
            **{name: _text(one.properties.get(name)) for name in names},
        }
        for one in happenings()
    ]
    _csv(place, rows)
    return place


def snowplow(folder: Path) -> Path:
    """atomic.events as a tab-separated file with a header, a self-describing event as JSON in its own column."""
    place = folder / "atomic_events.tsv"
    rows = [
        {
            "app_id": "player",
            "platform": one.platform.lower(),
            "etl_tstamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "collector_tstamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "dvce_created_tstamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "event": "unstruct",
            "event_id": one.id,
            "name_tracker": "sp1",
            "v_tracker": "js-3.5.0",
            "user_id": one.user_id if one.number % 5 == 0 else "",
            "domain_userid": one.device_id,
            "domain_sessionidx": str(one.number % 9 + 1),
            "network_userid": "",
            "geo_country": one.country,
            "page_url": "https://player.example/",
            "br_lang": "de",
            "event_vendor": "com.example",
            "event_name": re.sub(r"\W", "_", one.type.lower()),
            "event_version": "1-0-0",
            "derived_tstamp": f"{one.time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "unstruct_event_com_example_play_1": json.dumps(one.properties),
        }
        for one in happenings()
    ]
    _csv(place, rows, delimiter="\t")
    return place


def ga4_rows() -> list[dict[str, Any]]:
    return [
        {
            "event_date": f"{one.time:%Y%m%d}",
            "event_timestamp": int(one.time.timestamp() * 1_000_000),
            "event_name": re.sub(r"\W", "_", one.type.lower()),
            "event_params": [
                _param(key, value) for key, value in {"ga_session_id": one.number // 3, **one.properties}.items()
            ],
            "event_bundle_sequence_id": one.number,
            "event_value_in_usd": one.properties.get("price"),
            "user_id": one.user_id if one.number % 6 == 0 else None,
            "user_pseudo_id": f"{one.user}.{1_700_000_000 + one.user}",
            "device": {"category": "mobile" if one.user % 2 else "desktop", "operating_system": one.platform},
            "geo": {"continent": "Europe", "country": one.country},
            "traffic_source": {"name": "(direct)", "medium": ("(none)", "organic")[one.user % 2], "source": "google"},
            "stream_id": "4400",
            "platform": one.platform.upper(),
            "items": [],
        }
        for one in happenings()
    ]


def ga4_jsonl(folder: Path) -> Path:
    """The BigQuery table events_* exported as JSON lines: 64-bit integers are texts, nulls are left out."""
    place = folder / "ga4.json"
    rows = [
        {key: str(value) if type(value) is int else value for key, value in row.items() if value is not None}
        for row in ga4_rows()
    ]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return place


def ga4_parquet(folder: Path) -> Path:
    """The same as Parquet, with structs and a list of structs."""
    place = folder / "ga4.parquet"
    value = pa.struct(
        [
            ("string_value", pa.string()),
            ("int_value", pa.int64()),
            ("float_value", pa.float64()),
            ("double_value", pa.float64()),
        ]
    )
    rows = ga4_rows()
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["event_params"] = pa.array(
        columns["event_params"], pa.list_(pa.struct([("key", pa.string()), ("value", value)]))
    )
    columns["items"] = pa.array(columns["items"], pa.list_(pa.struct([("item_id", pa.string())])))
    pq.write_table(pa.table(columns), place)
    return place


TOOLS: dict[str, Callable[[Path], Path]] = {
    "Amplitude": amplitude,
    "Mixpanel": mixpanel,
    "PostHog": posthog,
    "Segment": segment,
    "Snowplow": snowplow,
    "GA4 (BigQuery)": ga4_jsonl,
    "GA4 (BigQuery) Parquet": ga4_parquet,
}


def days_of(rows: list[Happening]) -> set[datetime]:
    return {one.time.replace(hour=0, minute=0, second=0, microsecond=0) for one in rows}


def _param(key: str, value: Any) -> dict[str, Any]:
    kinds = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    if isinstance(value, int) and not isinstance(value, bool):
        return {"key": key, "value": kinds | {"int_value": value}}
    if isinstance(value, float):
        return {"key": key, "value": kinds | {"double_value": value}}
    return {"key": key, "value": kinds | {"string_value": str(value)}}


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _csv(place: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> None:
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0]], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
