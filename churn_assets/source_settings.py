"""Settings of the sources, `[sources]` of churn.toml: how each writes its files, and where users come from."""

from __future__ import annotations

import codecs
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from churn_assets.time_formats import ISO_8601, known_formats

MEBIBYTE = 1024 * 1024

SourceName = Literal["users", "events"]
IdType = Literal["integer", "string"]
SOURCES: tuple[SourceName, ...] = ("users", "events")


_timezones = cache(available_timezones)
"""Looks through a folder of hundreds of files each time."""


NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
"""Names among the zones' files that are none: of no place, or of whatever place a machine is in."""


def _known_timezone(name: str) -> str:
    if name not in _timezones() or name in NO_ZONES:
        raise ValueError(f"'{name}' is not an IANA timezone such as 'UTC' or 'Europe/Berlin'")
    return name


def _known_encoding(name: str) -> str:
    try:
        if codecs.lookup(name).name in NO_ENCODINGS:
            raise ValueError
        "\n".encode(name).decode(name)
    except (LookupError, ValueError, AttributeError):
        raise ValueError(f"'{name}' is no encoding of text that Python knows, such as 'utf-8' or 'cp1252'") from None
    return name


NO_ENCODINGS = frozenset(
    {"idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape", "utf-7"}
)
"""What Python has among its encodings of text, and no file of rows is written in: values would be read as others."""


def _separator(character: str) -> str:
    if not character.isascii() or character.isalnum() or character in '"\\\0\r\n._+-':
        raise ValueError(
            f"{character!r} stands in names and values or ends lines, so that it separates nothing; write one ASCII character such as "
            "',', ';', '|' or a tab"
        )
    return character


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


TimezoneName = Annotated[str, AfterValidator(_known_timezone)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Formats = Annotated[str | Annotated[tuple[str, ...], Field(min_length=1)], AfterValidator(known_formats)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]


class SourceSettings(BaseModel):
    """How one source writes its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["csv", "jsonl", "parquet"] | None = None
    """Only files of this format are accepted. None: each file's own suffix decides."""
    encoding: Encoding = "utf-8"
    delimiter: Annotated[str, AfterValidator(_separator)] = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', pattern='^"?$')
    """Around a CSV field that holds delimiters, line ends or quotes. Empty: nothing quotes, each line is a record."""
    escape: str = Field(default="", pattern=r"^\\?$")
    """Before a quote inside a quoted field, and before itself. Empty: a quote inside is doubled."""
    timezone: TimezoneName | None = None
    """Zone of timestamps that carry no offset. None: the deployment's zone."""
    timestamp_format: Formats = ISO_8601
    """`iso8601`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a strptime pattern such as `%d/%m/%Y %H:%M`. Of
    several, the first that reads a value counts.
    """
    landing_timezone: TimezoneName | None = None
    """Zone at whose midnight the day folders are cut. None: the deployment's."""
    quiet_days: Literal["missing", "empty"] = "missing"
    """Whether a day without a file is yet to be delivered, or is an empty day."""
    id_type: IdType = "integer"
    schema_policy: Literal["flexible", "add_only", "strict"] = "flexible"
    columns: dict[str, Names] = Field(default_factory=dict)
    """Contract column -> names it may have at the source."""
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Contract column -> {source value: contract value}."""
    lacks: Names = ()
    """Optional columns that the source does not have, so that nothing warns of it."""
    missing: Names = ()
    """Texts that mean no value, in whatever column: `\\N`, `NULL`, a placeholder such as `1970-01-01`. Blanks around them do not count."""
    max_file_mebibytes: int = Field(default=2048, ge=1)
    """Size of one file after decompression, in MiB, past which it is refused."""
    max_compression_ratio: int = Field(default=200, ge=1)
    """Decompressed : compressed size past which a file is refused as a decompression bomb."""

    @model_validator(mode="after")
    def _quotes_are_there_to_be_escaped(self) -> SourceSettings:
        if self.escape and not self.quote:
            raise ValueError('escape stands before quotes, and with quote = "" there are none; leave it out')
        return self


class UsersSettings(SourceSettings):
    """Besides these keys a declaration may name some by which attributes get other values (`values_setting`)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    from_events: bool = False
    """No users are delivered: each id seen in an accepted event is a user."""
    attributes_as_of: date | None = None
    """Day from which the delivered attributes are known: that of a dump, say. Before it they are missing."""
    valid_from: Names = ()
    """Column that dates a user's versions, by the names it may have at the source. None: a version counts from its landing on."""


class EventsSettings(SourceSettings):
    event_types: Names = ()
    """Event types of the product besides the known ones. Any other is kept too, but raises a warning."""
    event_id_from: Names = ()
    """Columns that make up an event's id where the source has none. Exact copies are then duplicates."""


class Sources(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    users: UsersSettings = UsersSettings()
    events: EventsSettings = EventsSettings()
