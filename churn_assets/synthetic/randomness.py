"""Random numbers that are the same on every platform and numpy: PCG64 uniforms, and plain arithmetic on them.

numpy promises the stream of its bit generators, not of its distributions, so none of those is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BETA_GRID = 1000
"""Steps of the table the beta distribution is drawn from."""


class Purpose(IntEnum):
    """What a stream is for. A value belongs to the seed, so none may ever change."""

    USERS = 1
    DAY = 2
    FAULTS = 3


class Choice(Protocol):
    """Values of which one is drawn; `shares` are relative, none of them: all values alike."""

    @property
    def values(self) -> Sequence[object]: ...
    @property
    def shares(self) -> Sequence[float]: ...


def stream(seed: int, *path: int) -> np.random.Generator:
    """An independent stream for each path."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *path])))


def whole(mean: Floats | float, rng: np.random.Generator, size: int) -> Ints:
    """Counts from 0 with the given mean: a uniform amount from 0 to twice the mean, rounded up or down by chance."""
    return np.floor(2 * mean * rng.random(size) + rng.random(size)).astype(np.int64)


def bell(rng: np.random.Generator, size: int) -> Floats:
    """Mean 0, standard deviation 1, within +-3.5: four uniforms summed."""
    total: Floats = rng.random((4, size)).sum(axis=0)
    return (total - 2) * 3**0.5


def one_of(choice: Choice, uniforms: Floats) -> Ints:
    """Positions among the values, one per uniform."""
    if not choice.shares:
        return np.floor(uniforms * len(choice.values)).astype(np.int64)
    edges = np.cumsum(choice.shares)
    return np.searchsorted(edges[:-1] / edges[-1], uniforms, side="right")


def waiting_days(mean: Floats | float, uniforms: Floats) -> Floats:
    """Exponential waiting times, in days."""
    return -np.log1p(-uniforms) * mean


def beta_2_25(uniforms: Floats) -> Floats:
    """Beta(2, 2.5): mean 0.44, standard deviation 0.21."""
    x = np.linspace(0, 1, BETA_GRID + 1)
    density = x * (1 - x) * np.sqrt(1 - x)
    cumulative = np.cumsum(density)
    return np.interp(uniforms, cumulative / cumulative[-1], x)
