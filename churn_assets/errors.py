"""The one exception a user is meant to read: a sentence that says what is wrong and what to do; and what a disk says."""

from __future__ import annotations

from collections.abc import Sequence


class ChurnError(Exception):
    """Something a person can put right. The message is one clear sentence and never quotes a value of a row. What a terminal would not
    show of it is escaped: a name from a file or a setting may hold anything.
    """

    def __init__(self, *words: object) -> None:
        super().__init__(*(_printable(word) if isinstance(word, str) else word for word in words))


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shown_name(name: str) -> str:
    """A name from a file, escaped as a whole where a terminal would not show all of it."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


class RefusedFile(ChurnError):
    """A landing file that cannot be read for certain. Nothing of it is published."""


class RefusedFrame(ChurnError):
    """A frame that breaks its table's contract. The published partition stays as it was."""


class OlderDefinition(ChurnError):
    """Days of a table were published without a column that is asked for, or with another meaning of it."""


class WarehouseBusy(ChurnError):
    """Somebody else held the warehouse for longer than the deployment waits. The same again later may well succeed."""


def first_few(names: Sequence[str], most: int, more: str = "more") -> str:
    """Names in a sentence: the first ones, and how many more there are."""
    rest = f" and {len(names) - most:,} {more}" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def names_ours(class_name: str) -> bool:
    """Whether an exception of which only the class's name is known, as Dagster records it, is a ChurnError."""
    kinds: list[type[ChurnError]] = [ChurnError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return class_name in {kind.__name__ for kind in kinds}


FULL = "The disk is full, or does not work"
NOT_WRITABLE = "The data folder cannot be written to"
DISK = {
    "No space left on device": FULL,
    "Disk quota exceeded": FULL,
    "database or disk is full": FULL,  # SQLite, in which Dagster keeps its books
    "disk I/O error": FULL,
    "Read-only file system": NOT_WRITABLE,
    "Permission denied": NOT_WRITABLE,
    "attempt to write a readonly database": NOT_WRITABLE,
    "unable to open database file": NOT_WRITABLE,
}
"""What the system and SQLite say, in whatever exception a library wraps it."""


def about_the_disk(message: str) -> str | None:
    """A sentence if that is what is wrong, whatever library came upon it."""
    for phrase, what in DISK.items():
        if phrase in message:
            return f"{what}; put that right and run the same command again: what was published stays as it was."
    return None
