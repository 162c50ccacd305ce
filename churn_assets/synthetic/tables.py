"""One day of the made-up world as the tables that a source would land: keys, and each declared entry where it stands there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.product import Attribute, Product, Property
from churn_assets.product.reserved import EXTRA
from churn_assets.settings import SourceName
from churn_assets.synthetic.events import DAY_SECONDS
from churn_assets.synthetic.properties import decoded, values_of
from churn_assets.synthetic.users import Users


def place_of(product: Product, entry: Attribute | Property, source: SourceName) -> str:
    """The column of a landed table that holds an entry; steps below a column follow it after dots."""
    steps = product.path_of(entry, source)
    return ".".join(steps[1:] if steps[0] == EXTRA else steps)


def users_table(users: Users, product: Product, start: date, number: int, *, with_latent: bool) -> pa.Table:
    """Rows that land on day `number`: users who are new to the source, and those who changed."""
    rows = np.flatnonzero((users.landing_day == number) | users.changes_on(number))
    signup = np.datetime64(start, "D") + users.signup_day[rows]
    columns = {"user_id": pa.array(rows + 1), "signup_date": pa.array(signup)}
    for declared in product.attributes:
        made = users.world.attribute(declared.name)
        if made.where:
            values = pa.array(users.match(made.where, number)[rows].astype(np.int64))
        else:
            values = values_of(made.values, declared.type, users.codes(made.name, number)[rows], signup)
        columns.setdefault(place_of(product, declared, "users"), values)
    if with_latent:
        columns["engagement_score"] = pa.array(np.round(users.engagement[rows] * 10_000) / 10_000)
    return nested(columns)


def events_table(
    landing: npt.NDArray[np.void], users: Users, product: Product, types: tuple[str, ...], day: date, *, first_id: int
) -> pa.Table:
    """The events that land on `day`, by the time they happened, numbered from `first_id`."""
    moment = landing["second"] - DAY_SECONDS * landing["delay"]
    order = np.lexsort((landing["type"], landing["user"], moment))
    events, moment = landing[order], moment[order]
    midnight = np.datetime64(datetime.combine(day, time()), "s")
    happened = np.datetime64(day, "D") - events["delay"]
    columns = {
        "event_id": pa.array(np.arange(first_id, first_id + len(events))),
        "user_id": pa.array(events["user"] + 1),
        "event_time": pa.array(midnight + moment.astype("timedelta64[s]")),
        "event_type": pa.array(types).take(pa.array(events["type"])),
    }
    made = {entry.name: entry for entry in users.world.properties}
    for declared in product.properties:
        values = decoded(events[declared.name], made[declared.name], declared, happened)
        columns.setdefault(place_of(product, declared, "events"), values)
    return nested(columns)


def with_text_times(table: pa.Table) -> pa.Table:
    """Dates and times as ISO 8601 text with a `T`."""
    return pa.table({name: _text_times(table[name].combine_chunks()) for name in table.column_names})


def flat(table: pa.Table) -> pa.Table:
    """Every value as text, what lies in objects as columns with dots in their names."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return pa.table([column.cast(pa.string()) for column in table.columns], names=table.column_names)


def nested(columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """A table in which `a.b` and `a.c` are one column `a` of objects; null where nothing is in an object."""
    inner: dict[str, dict[str, pa.Array]] = {}
    for name, values in columns.items():
        column, _, rest = name.partition(".")
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        inner.setdefault(column, {})[rest] = array
    return pa.table({name: parts[""] if set(parts) == {""} else _object(parts) for name, parts in inner.items()})


def _object(parts: Mapping[str, pa.Array]) -> pa.Array:
    table = nested({name: values for name, values in parts.items() if name})
    fields = [column.combine_chunks() for column in table.columns]
    fields = [field if isinstance(field, pa.Array) else field.chunk(0) for field in fields]
    is_null = np.all([field.is_null().to_numpy(zero_copy_only=False) for field in fields], axis=0)
    return pa.StructArray.from_arrays(fields, names=table.column_names, mask=pa.array(is_null))


def _text_times(values: pa.Array) -> pa.Array:
    if pa.types.is_struct(values.type):
        fields = [_text_times(values.field(n)) for n in range(values.type.num_fields)]
        return pa.StructArray.from_arrays(fields, names=[f.name for f in values.type], mask=values.is_null())
    if not pa.types.is_temporal(values.type):
        return values
    return pc.replace_substring(values.cast(pa.string()), " ", "T")
