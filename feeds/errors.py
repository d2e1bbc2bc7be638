"""The project's error tree. Every text says what was received, what was expected and what to do.

Here: the exception classes only. Not here: logging, alerting, conversion to Dagster failures (assets/ does that).
"""

from __future__ import annotations


class T2TError(Exception):
    """Root of every error this project raises on purpose.

    Args:
        what: The subject, e.g. ``"studies/foo.yaml: key 'horizon'"``.
        received: What was found.
        expected: What would have been right.
        remedy: What the reader can do about it.
    """

    def __init__(self, what: str, received: object = "", expected: object = "", remedy: str = "") -> None:
        self.what = what
        self.received = str(received)
        self.expected = str(expected)
        self.remedy = remedy
        parts = [what]
        if self.received:
            parts.append(f"received {self.received}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        text = "; ".join(parts)
        super().__init__(f"{text}. {remedy}" if remedy else f"{text}.")


class StudyError(T2TError):
    """A study file has a wrong key or value, or names something that is not there."""


class UnreadableFileError(T2TError):
    """A file in the landing zone cannot be read whole.

    Args:
        path: The file.
        position: Byte or line where reading stopped, e.g. ``"line 17"``.
        expected: What should have stood there.
        found: What stood there.
    """

    def __init__(self, path: object, position: str, expected: object, found: object) -> None:
        self.path = str(path)
        self.position = position
        self.found = str(found)
        super().__init__(
            f"{path} at {position}",
            received=found,
            expected=expected,
            remedy="The file was not ingested; replace it with a whole one in the landing zone.",
        )


class UnknownFormatError(UnreadableFileError):
    """No adapter recognises the content of a file."""


class CorruptTapeError(T2TError):
    """A tape holds what no source can have told: arrays that do not fit together, impossible codes or sizes.

    Args:
        source: The file, or what the tape is where it has none.
        row: The first row that is wrong; None where the tape as a whole is.
        expected: What would have been right.
        found: What is there.
    """

    def __init__(self, source: object, row: int | None, expected: object, found: object) -> None:
        self.source = str(source)
        self.row = row
        super().__init__(
            str(source) if row is None else f"{source} at row {row}",
            received=found,
            expected=expected,
            remedy="Nothing of it was replayed; decode its source again (`t2t lake verify` finds damaged partitions).",
        )


class LakeError(T2TError):
    """A partition or artefact is missing, or its bytes are not what its manifest says."""


class RowAccountingError(T2TError):
    """Rows went missing: rows in differ from rows out plus rows rejected."""


class InsufficientDataError(T2TError):
    """There are too few observations to do what was asked."""


class CoverageError(T2TError):
    """Too few instruments of a date passed their checks."""


class SchemaError(T2TError):
    """A table does not have the columns or types of its contract."""


class IncompleteDropError(UnreadableFileError):
    """A file says too little without another one that belongs beside it and is not there (yet)."""


class ApprovalError(T2TError):
    """A model is not approved for what was asked, or may not be approved."""


class NotPublishedError(T2TError):
    """A server has no such file."""


class JobError(T2TError):
    """One of several pieces of work failed, here or in another process; the others were stopped.

    Args:
        job: Name of the piece.
        executor: Where it ran: ``in_process``, ``processes`` or ``ray``.
        cause: What it raised, or how its process ended.
    """

    def __init__(self, job: str, executor: str, cause: str) -> None:
        self.job, self.executor = job, executor
        super().__init__(
            f"job '{job}' (executor {executor})",
            received=cause,
            expected="a result",
            remedy="The other jobs were stopped; correct the cause and materialise again.",
        )
