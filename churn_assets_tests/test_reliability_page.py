"""docs/reliability.md: every test it names exists, and every promise names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`(\*?)", PAGE)


def named_in(file: str) -> dict[str, bool]:
    """The tests of a file, and whether each runs with the long ones only."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    whole_file = any(
        isinstance(node, ast.Assign) and ast.unparse(node) == "pytestmark = pytest.mark.long" for node in tree.body
    )
    return {
        node.name: whole_file or any("mark.long" in ast.unparse(mark) for mark in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_exists_and_is_marked_as_it_is() -> None:
    assert len(NAMED) > 25
    for file, name, star in NAMED:
        tests = named_in(file)
        assert name in tests, f"{file}::{name}"
        assert tests[name] == bool(star), f"{file}::{name} is {'not ' if star else ''}marked long"


def test_every_promise_names_its_proof() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.split("## Measured")[0], re.M)
    promises = [(promise, proof) for promise, proof in rows if promise not in ("promise", "---")]
    assert len(promises) > 20
    assert [promise for promise, proof in promises if "::" not in proof] == []
