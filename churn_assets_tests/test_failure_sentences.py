"""What the terminal says of a step that failed: our own sentence, or the kind of an error whose words may quote a row."""

from __future__ import annotations

import sys

import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

import churn_assets.models.candidates
import churn_assets.transforms.training  # noqa: F401  both have errors of their own
from churn_assets.automation.backfill import failure_sentence
from churn_assets.errors import ChurnError, names_ours

SENTENCE = "measure 'm': cannot be computed: correct it."


def recorded(error: Exception, cause: Exception | None = None) -> object:
    try:
        raise error from cause
    except Exception:
        return serializable_error_info_from_exc_info(sys.exc_info())


def ours() -> list[type[ChurnError]]:
    kinds: list[type[ChurnError]] = [ChurnError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


@pytest.mark.parametrize("kind", ours(), ids=lambda kind: kind.__name__)
def test_the_words_of_every_error_of_ours_are_shown(kind: type[ChurnError]) -> None:
    assert failure_sentence("user_daily", recorded(kind(SENTENCE))) == SENTENCE


def test_also_around_the_error_that_caused_it() -> None:
    assert failure_sentence("user_daily", recorded(ChurnError(SENTENCE), KeyError("a value"))) == SENTENCE


def test_of_any_other_only_its_kind() -> None:
    found = failure_sentence("user_daily", recorded(ValueError("a value of a row")))
    assert found.startswith("user_daily failed with ValueError;") and "a value" not in found
    assert not names_ours("ValueError")


def test_a_full_disk_is_named_whatever_is_around_it() -> None:
    found = failure_sentence("user_daily", recorded(ChurnError(SENTENCE), OSError(28, "No space left on device")))
    assert "The disk is full" in found
