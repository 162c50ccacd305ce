"""Entries of a declaration as they are proposed: their names, which must be free, and the features of each measure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from churn_assets.inspection.roles import plain_name

Entry = dict[str, Any]

LONGEST_NAME = 40
WINDOWS = [7, 30, 90]
PERSONAL = re.compile(
    r"e_?mail|phone|first_name|last_name|full_name|username|user_name|street|address|birth|ssn|passw|token|(^|_)ip(_|$)|^name$"
)
NO_AMOUNT = re.compile(
    r"(^|_)(id|ids|uid|uuid|index|idx|height|width|lat|lon|lng|latitude|longitude|version|port|zip|postal|code|year|month|day|hour"
    r"|timestamp|ts|time|seq|sequence|offset|batch|colordepth|timezone|sample|build|schema|page|rank|position)(_|$)"
)
"""Names of numbers whose sum means nothing."""
TAKEN = {
    *("event_id", "user_id", "event_time", "event_date", "event_type", "landing_date", "source_file"),
    *("source_row", "extra", "read_error", "reason", "as_of_date", "signup_date", "is_active"),
    *("total_events", "days_since_signup", "day_of_week", "is_weekend", "days_since_last_event"),
    *("activity_segment", "cohort", "day", "date", "user", "event"),
}
"""Columns that tables have anyway."""
KEYWORDS = {
    *("all", "and", "as", "case", "desc", "distinct", "else", "end", "from", "group", "having", "in"),
    *("is", "join", "limit", "not", "null", "offset", "on", "or", "order", "select", "table", "then"),
    *("to", "union", "using", "when", "where", "window", "with"),
}
"""Of SQL, in which a column of that name would need quotes."""


@dataclass
class Proposals:
    """Entries of the declaration, each with its evidence; and the columns that were left out, by why."""

    attributes: list[tuple[Entry, str]] = field(default_factory=list)
    properties: list[tuple[Entry, str]] = field(default_factory=list)
    measures: list[tuple[Entry, str]] = field(default_factory=list)
    features: list[tuple[Entry, str]] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: set(TAKEN))

    def name_of(self, text: str, ending: str = "") -> str:
        """A free name for `text`, such as a column of a table may have."""
        stem = re.sub(r"^(?=[0-9])", "n_", plain_name(text))[:LONGEST_NAME].strip("_") or "unnamed"
        name = f"{stem}{ending}"
        number = 2
        while name in self.taken or name in KEYWORDS:
            name, number = f"{stem}_{number}{ending}", number + 1
        self.taken.add(name)
        return name

    def measure(self, entry: Entry, evidence: str, *, since: bool = False) -> None:
        """A measure with the features of its sum (of all different things, where it counts those)."""
        self.measures.append((entry, evidence))
        if entry.get("agg") == "distinct":
            self.features.append(({"of": entry["name"], "agg": "distinct", "windows": WINDOWS}, ""))
            return
        self.features.append(({"of": entry["name"], "agg": "sum", "windows": WINDOWS}, ""))
        if since:
            name = self.name_of(f"days_since_{entry['name'].removesuffix('_count')}")
            self.features.append(({"name": name, "since": entry["name"], "within": 180}, ""))
