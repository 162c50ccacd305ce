"""Settings of one deployment: `<data>/churn.toml`, each key overridable by an environment variable `CHURN_...`.

What is here is read once and passed on; nothing else in the package looks at the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from churn_assets.check_settings import CheckSettings
from churn_assets.errors import ChurnError
from churn_assets.label_names import unknown_names
from churn_assets.label_settings import LabelSettings
from churn_assets.model_settings import ModelSettings
from churn_assets.product import DEFAULT_PRODUCT, Attribute, Product, UsersAre, read_product
from churn_assets.product.read import TABLES
from churn_assets.serving_settings import ServingSettings
from churn_assets.source_names import faults_of_columns
from churn_assets.source_settings import (
    MEBIBYTE,
    SOURCES,
    EventsSettings,
    IdType,
    Names,
    SourceName,
    Sources,
    SourceSettings,
    TimezoneName,
    UsersSettings,
)
from churn_assets.time_formats import fault_of_zone
from churn_assets.training_settings import TrainingSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "DATA_DIR_VARIABLE",
    "MEBIBYTE",
    "SETTINGS_FILE",
    "SOURCES",
    "EventsSettings",
    "IdType",
    "Settings",
    "SourceName",
    "SourceSettings",
    "Sources",
    "TimezoneName",
    "UsersSettings",
    "default_data_dir",
    "read_toml",
]
DATA_DIR_VARIABLE = "CHURN_DATA_DIR"
SETTINGS_FILE = "churn.toml"


class Settings(BaseSettings):
    """One deployment. `start_date` may be absent only before the first `land` or `generate`."""

    model_config = SettingsConfigDict(
        env_prefix="CHURN_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path("data")
    start_date: date | None = None
    """First landing day."""
    end_date: date | None = None
    """Last landing day, inclusive. None: until yesterday."""
    timezone: TimezoneName = "UTC"
    """Zone of the business day."""
    lateness_days: int = Field(default=3, ge=0, le=60)
    """An event of day d is admitted if it landed in [d, d + lateness_days]."""
    signup_lookahead_days: int = Field(default=0, ge=0, le=3650)
    """An unmatched event of day d is `before_signup`, not `unknown_user`, if its user landed by d + this (or lateness_days)."""
    block_rows: int = Field(default=500_000, ge=1)
    """Rows worked on at once: memory against overhead. Results do not depend on it."""
    backfill_chunk_days: int = Field(default=1500, ge=1)
    """Most days one Dagster run of `churn-assets backfill` covers."""
    lock_timeout_seconds: float = Field(default=600, gt=0)
    """How long to wait for another process that holds the warehouse."""
    product: str = DEFAULT_PRODUCT
    """A shipped declaration, or a file beside churn.toml."""
    attributes: tuple[dict[str, Any], ...] = ()
    properties: tuple[dict[str, Any], ...] = ()
    event_types: tuple[dict[str, Any], ...] = ()
    measures: tuple[dict[str, Any], ...] = ()
    features: tuple[dict[str, Any], ...] = ()
    drop: Names = ()
    """Entries that add to the product's, replace those of the same name, or take them out; docs/product.md."""
    sources: Sources = Sources()
    labels: LabelSettings = LabelSettings()
    training: TrainingSettings = TrainingSettings()
    model: ModelSettings = ModelSettings()
    serving: ServingSettings = ServingSettings()
    checks: CheckSettings = CheckSettings()

    @model_validator(mode="after")
    def _dates_in_order(self) -> Settings:
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} lies before start_date {self.start_date}")
        return self

    @model_validator(mode="after")
    def _embargo_covers_what_labels_look_at(self) -> Settings:
        given, reach = self.training.embargo_days, self.labels.reach_days
        if given is not None and given < reach:
            of = (
                "labels.horizon_days"
                if reach == self.labels.horizon_days
                else "labels.horizon_days + labels.grace_days ="
            )
            raise ValueError(
                f"training.embargo_days {given} is below {of} {reach}, so that a label of one part would look into the next; "
                "raise it, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _sources_do_not_contradict_themselves(self) -> Settings:
        users, events = self.sources.users, self.sources.events
        if events.event_id_from and "event_id" in events.columns:
            raise ValueError(
                "sources.events: columns names event_id, which event_id_from makes of others; keep one of them"
            )
        if users.from_events and users.valid_from:
            raise ValueError("sources.users: valid_from dates users that from_events does not read; keep one of them")
        if users.attributes_as_of and (users.from_events or users.valid_from):
            other = "from_events" if users.from_events else "valid_from"
            raise ValueError(
                f"sources.users: attributes_as_of dates attributes that {other} dates too; keep one of them"
            )
        if users.from_events and (users.columns or users.values):
            raise ValueError(
                "sources.users: columns and values are for users that from_events does not read; say it under sources.events"
            )
        return self

    @model_validator(mode="after")
    def _zones_have_an_effect(self) -> Settings:
        for name in SOURCES:
            own = self.source(name)
            if fault := fault_of_zone(own.timestamp_format, own.timezone, own.timezone or self.timezone):
                raise ValueError(f"sources.{name}: {fault}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @classmethod
    def load(cls, data_dir: Path | str | None = None) -> Settings:
        """Settings of the deployment in `data_dir` (default: $CHURN_DATA_DIR, else `data`).

        Raises ChurnError naming the file and each key that is wrong.
        """
        folder = Path(data_dir or default_data_dir())
        path = folder / SETTINGS_FILE
        written = read_toml(path) if path.exists() else {}
        unknown = sorted(set(written) - set(cls.model_fields) | {"data_dir"} & set(written))
        if unknown:
            raise ChurnError(f"{path}: unknown key {', '.join(map(repr, unknown))}; see docs/settings.md for the keys.")
        try:
            settings = cls(**written).model_copy(update={"data_dir": folder})
        except ValidationError as error:
            wrong = "; ".join(map(_said, error.errors()))
        else:
            # Refused here if they cannot be right, whatever is done next.
            wrong = "; ".join(
                [*(f"labels: {fault}" for fault in settings.unknown_names()), *settings.faults_of_columns()]
            )
            if not wrong:
                return settings
        # Out here it holds no ValidationError, which outlives the interpreter's end and makes DuckDB complain of leaks.
        raise ChurnError(f"{path} or a CHURN_ variable is not usable: {wrong}.")

    @property
    def declaration(self) -> Product:
        """What the product has. Raises ChurnError where a declaration cannot be right."""
        more = {table: entries for table in TABLES if (entries := getattr(self, table))}
        product = read_product(self.product, self.data_dir, more, users_are=self.users_are)
        return _with_given_values(product, self.sources.users.model_extra or {}, self.data_dir / SETTINGS_FILE)

    def unknown_names(self) -> Iterator[str]:
        """A sentence for each name under `[labels]` that the product does not have. Raises ChurnError as `declaration` does."""
        return unknown_names(self.labels, self.declaration, self.sources.events.event_types)

    def faults_of_columns(self) -> Iterator[str]:
        """A sentence for each thing said of a source's columns that cannot be. Raises ChurnError as `declaration` does."""
        for name in SOURCES:
            for fault in faults_of_columns(self.declaration, name, self.source(name)):
                yield f"sources.{name}: {fault}"

    @property
    def users_are(self) -> UsersAre:
        """Where users come from."""
        users = self.sources.users
        return "from_events" if users.from_events else "dated" if users.valid_from else "delivered"

    @property
    def landed_sources(self) -> tuple[SourceName, ...]:
        """The sources that deliver files."""
        return ("events",) if self.sources.users.from_events else SOURCES

    @property
    def event_id_type(self) -> IdType:
        """Type of the ids of events; made ones are texts."""
        return "string" if self.sources.events.event_id_from else self.sources.events.id_type

    def source(self, name: SourceName) -> SourceSettings:
        return self.sources.users if name == "users" else self.sources.events

    def source_timezone(self, name: SourceName) -> ZoneInfo:
        return ZoneInfo(self.source(name).timezone or self.timezone)

    @property
    def calendar_start(self) -> date:
        """First landing day. Raises ChurnError while nothing was landed."""
        if self.start_date is None:
            raise ChurnError(
                f"{self.data_dir / SETTINGS_FILE} has no start_date yet; run 'churn-assets land USERS EVENTS' or "
                "'churn-assets generate', or set it."
            )
        return self.start_date

    @property
    def landing_dir(self) -> Path:
        return self.data_dir / "landing"

    @property
    def warehouse_path(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / "dagster_home"

    @property
    def running_dir(self) -> Path:
        """A lock file for each run that is going on."""
        return self.data_dir / ".running"

    @property
    def embargo_days(self) -> int:
        """Whole days between two parts of a training set."""
        return self.training.embargo_days or self.labels.reach_days

    @property
    def training_sets_dir(self) -> Path:
        return self.data_dir / "training_sets"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def online_path(self) -> Path:
        """Features and scores of the newest day, where serving.store is sqlite."""
        return self.data_dir / "online.sqlite"

    @property
    def served_dir(self) -> Path:
        """A sample of what a service has given out."""
        return self.data_dir / "served"

    @property
    def reports_dir(self) -> Path:
        return self.data_dir / "reports"

    @property
    def data_docs_dir(self) -> Path:
        return self.data_dir / "data_docs"


def _with_given_values(product: Product, given: dict[str, Any], place: Path) -> Product:
    """The product with the labels that a deployment gives its attributes under `[sources.users]`."""
    by_setting = {entry.values_setting: entry for entry in product.attributes if entry.values_setting}
    replaced: dict[str, Attribute] = {}
    for key, values in given.items():
        if key not in by_setting:
            raise ChurnError(
                f"{place}: [sources.users] has the unknown key '{key}'; see docs/settings.md for the keys."
            )
        texts = (
            json.loads(values)
            if isinstance(values, str) and values.startswith("[")
            else [values]
            if isinstance(values, str)
            else values
        )
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ChurnError(f"{place}: [sources.users] {key} must be a list of texts.")
        entry = by_setting[key]
        replaced[entry.name] = entry.model_copy(update={"values": tuple(texts)})
    if not replaced:
        return product
    return replace(product, attributes=tuple(replaced.get(entry.name, entry) for entry in product.attributes))


def _said(error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}".removeprefix(": ").replace("Value error, ", "")


def default_data_dir() -> Path:
    """The deployment where none is named."""
    return Path(os.environ.get(DATA_DIR_VARIABLE) or "data")


def read_toml(path: Path) -> dict[str, Any]:
    """What the file says. Raises ChurnError where it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChurnError(f"{path} is not valid TOML: {error}.") from error
