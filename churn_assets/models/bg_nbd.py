"""BG/NBD: the chance that a customer does not come within the horizon, from how often and how lately they came. A model that analysts know.

Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Mktg. Sci. 24(2). While
alive a customer comes at a rate of their own (gamma, `r` and `alpha`), and after each coming is gone for good with a chance of their own (beta,
`a` and `b`). An active day counts as one coming. By this model nobody is gone who came but once.

Ranked is not by the chance to be alive, but by what a label asks: whether anything follows within the horizon. A customer who
comes once a year is alive and does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.errors import ChurnError
from churn_assets.models.candidates import Fitted, NothingToLearn
from churn_assets.models.transformer import Transformer
from churn_assets.product import Product
from churn_assets.product.measures import TOTAL_EVENTS

Floats = npt.NDArray[np.float64]
START = (0.5, 10.0, 0.5, 2.0)
SMALLEST, LARGEST = 1e-4, 1e4
"""Bounds of each parameter: beyond them the likelihood is flat."""
TENURE = "days_since_signup"
NEARLY_0 = 1e-9
FIGURES = ("gap_mean", "active_share", "silence_to_mean_gap")


@dataclass(frozen=True)
class Comings:
    """Of each row: active days after the first, days from the first to the last, and days from the first to the as-of day."""

    repeats: Floats
    last: Floats
    until: Floats


@dataclass(frozen=True)
class BgNbd:
    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fitted(cls, comings: Comings) -> BgNbd:
        """The parameters of largest likelihood. Raises ChurnError where nobody came again: then there is nothing to learn from."""
        from scipy.optimize import minimize

        if not (comings.repeats > 0).any():
            raise ChurnError("BG/NBD cannot be fitted: nobody was active on a second day.")

        def loss(logs: Floats) -> float:
            return -float(cls(*map(float, np.exp(logs))).log_likelihood(comings).mean())

        bounds = [(np.log(SMALLEST), np.log(LARGEST))] * len(START)
        found = minimize(loss, np.log(START), method="L-BFGS-B", bounds=bounds)
        return cls(*map(float, np.exp(found.x)))

    def log_likelihood(self, comings: Comings) -> Floats:
        """Of each row (the paper's equation 6)."""
        from scipy.special import betaln, gammaln

        x, last, until = comings.repeats, comings.last, comings.until
        common = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) - betaln(self.a, self.b)
        alive = betaln(self.a, self.b + x) - (self.r + x) * np.log(self.alpha + until)
        gone = betaln(self.a + 1, self.b + np.maximum(x, 1) - 1) - (self.r + x) * np.log(self.alpha + last)
        return np.asarray(common + np.logaddexp(alive, np.where(x > 0, gone, -np.inf)))

    def p_alive(self, comings: Comings) -> Floats:
        """Between 0 and 1; 1 of who came but once."""
        x, last, until = comings.repeats, comings.last, comings.until
        longer = (self.r + x) * np.log((self.alpha + until) / (self.alpha + last))
        odds = self.a / (self.b + np.maximum(x, 1) - 1) * np.exp(np.minimum(longer, 700))
        return np.where(x > 0, 1 / (1 + odds), 1.0)

    def p_silent(self, comings: Comings, days: int) -> Floats:
        """The chance of no coming within the next `days`: of who is gone 1, and of who is alive by the rate that their comings tell,
        gamma with `r + x` and `alpha + T`.
        """
        alive, until = self.p_alive(comings), self.alpha + comings.until
        return np.asarray(1 - alive + alive * (until / (until + days)) ** (self.r + comings.repeats))


class BgNbdEstimator:
    """The chance that nothing follows within `horizon_days`, in the manner of scikit-learn: `predict_proba` of frames with the
    columns of a rhythm, and `days_since_signup`.
    """

    def __init__(self, columns: Mapping[str, str], parameters: Sequence[float], horizon_days: int) -> None:
        self.columns, self.parameters, self.horizon_days = dict(columns), list(parameters), horizon_days

    def predict_proba(self, rows: pd.DataFrame) -> Floats:
        silent = BgNbd(*self.parameters).p_silent(comings_of(rows, self.columns), self.horizon_days)
        return np.column_stack([1 - silent, silent])


def fit_bg_nbd(train: pd.DataFrame, product: Product, horizon_days: int) -> Fitted:
    """BG/NBD fitted on the last row of each user. It sees the rhythm alone, and that whatever has moved since. Raises ChurnError where the
    product has no rhythm of all events, and NothingToLearn where nobody was active on a second day.
    """
    columns = rhythm_columns(product)
    if columns is None:
        raise ChurnError(
            "model.candidate 'bg_nbd' counts active days by the features of a rhythm, which the product does not declare; add [[features]] "
            f'rhythm = "{TOTAL_EVENTS}".'
        )
    known = comings_of(_last_rows(train), columns)
    if not (known.repeats > 0).any():
        raise NothingToLearn("Nobody was active on a second day.")
    model = BgNbd.fitted(known)
    return Fitted(
        BgNbdEstimator(columns, [model.r, model.alpha, model.a, model.b], horizon_days),
        Transformer.fitted(train, product=product).of([*columns.values(), TENURE]),
    )


def bg_nbd_score(train: pd.DataFrame, rows: pd.DataFrame, product: Product, horizon_days: int) -> Floats | None:
    """The chance that nothing follows within the horizon. None where the product has no rhythm of all events, or nobody came again."""
    try:
        return fit_bg_nbd(train, product, horizon_days).score(rows)
    except ChurnError:
        return None


def _last_rows(train: pd.DataFrame) -> pd.DataFrame:
    return train.sort_values("as_of_date", kind="stable").drop_duplicates("user_id", keep="last")


def rhythm_columns(product: Product) -> dict[str, str] | None:
    """The columns of the figures of the rhythm of all events; None where it is not declared."""
    found = {
        column.operation: column.name
        for column in product.feature_columns
        if column.operation in FIGURES and column.of == (TOTAL_EVENTS,)
    }
    return found if len(found) == len(FIGURES) else None


def comings_of(rows: pd.DataFrame, columns: Mapping[str, str]) -> Comings:
    """Counted back from the figures of a rhythm, within its days: the mean gap g, the share p of days since the first that were active, and
    the silence s give x = (p (s + 1) - 1) / (1 - p g), as x g + s + 1 days have x + 1 active ones.
    """
    gap, share, ratio = (rows[columns[figure]].to_numpy(dtype="float64", na_value=np.nan) for figure in FIGURES)
    silence = np.round(np.where(np.isnan(gap), np.nan, ratio * gap))
    came_once = np.isnan(gap)
    # Of who came but once the share is one day of all since the first.
    alone = np.round(1 / np.where(np.isnan(share), 1.0, share)) - 1
    rest = 1 - share * gap
    with np.errstate(divide="ignore", invalid="ignore"):
        repeats = np.round((share * (silence + 1) - 1) / rest)
    # Where p g is 1, any x would do: the first active day is taken to be that of the signup.
    is_open = ~came_once & (np.abs(rest) < NEARLY_0)
    tenure = rows[TENURE].to_numpy(dtype="float64", na_value=np.nan)
    since_signup = np.maximum(np.round(share * (tenure + 1)) - 1, 1.0)
    repeats = np.where(came_once, 0.0, np.where(is_open, since_signup, repeats))
    last = np.where(came_once, 0.0, np.round(repeats * np.where(came_once, 0.0, gap)))
    return Comings(repeats, last, last + np.where(came_once, alone, silence))
