"""The one exception a user is meant to read: a sentence that says what is wrong and what to do."""


class ChurnError(Exception):
    """Something a person can put right. The message is one clear sentence and never quotes a value of a row."""


class RefusedFile(ChurnError):
    """A landing file that cannot be read for certain. Nothing of it is published."""


class RefusedFrame(ChurnError):
    """A frame that breaks its table's contract. The published partition stays as it was."""


class WarehouseBusy(ChurnError):
    """Somebody else held the warehouse for longer than the deployment waits. The same again later may well succeed."""
