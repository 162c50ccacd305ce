"""clean_users -> versions of users with the days on which each is the one that counts. Local to a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.product import Attribute, UsersAre
from churn_assets.product.reserved import VALID_FROM
from churn_assets.transforms.attributes import filled

FAR_FUTURE = np.datetime64("9999-12-31", "D")
Days = npt.NDArray[np.datetime64]


def user_versions(
    clean_users: pd.DataFrame, lateness_days: int, users_are: UsersAre, attributes: Sequence[Attribute] = ()
) -> pd.DataFrame:
    """The versions by user, in the order in which they begin to count, each with the days [counts_from, counts_until).

    Days are datetime64[s]. `signup_date` and `landed` are the user's: those of the first version landed. Of users made of
    events, signup_date is the first event's day. `attributes` are columns, too.
    """
    names = [entry.name for entry in attributes]
    if users_are == "delivered":
        return _by_landing(clean_users, lateness_days, names)
    if users_are == "dated":
        return _by_validity(clean_users, lateness_days, names, is_made_of_events=False)
    return _said_so_far(_by_validity(clean_users, lateness_days, names, is_made_of_events=True), attributes)


def _by_landing(clean_users: pd.DataFrame, lateness_days: int, attributes: Sequence[str]) -> pd.DataFrame:
    """A version counts from its landing to the next one's; a user's first from signup_date on, if it landed within lateness."""
    users = clean_users.reset_index(drop=True)
    user = pd.factorize(users["user_id"])[0]
    landed = days_of(users["landing_date"])
    order = np.lexsort((landed, user))
    users, user, landed = users.take(order), user[order], landed[order]
    is_first = _begins(user)
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(users)), 0))
    signup = days_of(users["signup_date"])[first]
    known_in_time = is_first & (landed <= signup + np.timedelta64(lateness_days, "D"))
    counts_from = np.where(known_in_time, np.minimum(signup, landed), landed)
    return _table(users, user, landed[first], signup, counts_from, attributes)


def _by_validity(
    clean_users: pd.DataFrame, lateness_days: int, attributes: Sequence[str], *, is_made_of_events: bool
) -> pd.DataFrame:
    """A version counts from valid_from on if it landed within lateness_days of it, else from its landing on; and until one
    counts that is valid from a later day, or from the same and landed later. One that never does is left out.
    """
    users = clean_users.reset_index(drop=True)
    user = pd.factorize(users["user_id"])[0]
    landed, valid = days_of(users["landing_date"]), days_of(users[VALID_FROM])
    counts_from = np.where(landed <= valid + np.timedelta64(lateness_days, "D"), valid, landed)
    first_landed = np.lexsort((valid, landed, user))
    first_of_user = first_landed[_begins(user[first_landed])]
    signup, known = days_of(users["signup_date"])[first_of_user], landed[first_of_user]
    age = np.empty(len(users), dtype="int64")
    age[np.lexsort((landed, valid, user))] = np.arange(len(users))
    order = np.lexsort((landed, valid, counts_from, user))
    # Users come one after the other in both orders, so the largest so far is the user's own.
    order = order[age[order] == np.maximum.accumulate(age[order])]
    users, user, counts_from = users.take(order), user[order], counts_from[order]
    if is_made_of_events:
        signup = counts_from[_begins(user)]
    return _table(users, user, known[user], signup[user], counts_from, attributes)


def _said_so_far(versions: pd.DataFrame, attributes: Sequence[Attribute]) -> pd.DataFrame:
    """Each attribute as it was last said, and where it never was, as what is missing."""
    is_first = _begins(pd.factorize(versions["user_id"])[0])
    at = np.arange(len(versions))
    columns: dict[str, Any] = {}
    for entry in attributes:
        given = versions[entry.name]
        last = np.maximum.accumulate(np.where(given.notna().to_numpy() | is_first, at, 0))
        said = given.take(last).reset_index(drop=True)
        values = said if said.dtype.kind == "M" else said.array
        columns[entry.name] = filled(values, np.asarray(said.isna()), entry, columns)
    return versions.assign(**columns)


def _table(
    users: pd.DataFrame,
    user: npt.NDArray[Any],
    landed: Days,
    signup: Days,
    counts_from: Days,
    attributes: Sequence[str],
) -> pd.DataFrame:
    counts_until = np.full(len(users), FAR_FUTURE)
    counts_until[:-1] = np.where(_begins(user)[1:], FAR_FUTURE, counts_from[1:])
    return pd.DataFrame(
        {
            "user_id": users["user_id"].array,
            "landed": landed.astype("datetime64[s]"),
            "signup_date": signup.astype("datetime64[s]"),
            "counts_from": counts_from.astype("datetime64[s]"),
            "counts_until": counts_until.astype("datetime64[s]"),
            **{name: users[name].array for name in attributes},
        },
        copy=False,
    )


def _begins(user: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows, in order of users, are the first of theirs."""
    is_first = np.ones(len(user), dtype=bool)
    is_first[1:] = user[1:] != user[:-1]
    return is_first


def days_of(instants: pd.Series[Any]) -> Days:
    """Instants as whole days."""
    return instants.to_numpy().astype("datetime64[D]")
