"""Models as bytes and back, for the project's own artefact store.

Here: joblib in memory and the check of what comes back. Not here: the store (feeds/artefacts.py).
"""

from __future__ import annotations

import io
from typing import TypeVar

import joblib

from feeds.errors import LakeError

T = TypeVar("T")


def saved(model: object) -> bytes:
    """``model`` as joblib bytes; equal models give equal bytes."""
    sink = io.BytesIO()
    joblib.dump(model, sink)
    return sink.getvalue()


def loaded(content: bytes, kind: type[T], what: str) -> T:
    """Load what `saved` wrote. Unpickles: only for bytes of the project's own artefact store.

    Args:
        content: The bytes.
        kind: The class expected.
        what: Name of the model in the error.

    Raises:
        LakeError: The bytes hold something else.
    """
    expected = f"{kind.__name__} bytes"
    try:
        model = joblib.load(io.BytesIO(content))
    except Exception as error:  # unpickling damaged bytes can raise anything
        raise LakeError(what, received=repr(error), expected=expected) from error
    if not isinstance(model, kind):
        raise LakeError(what, received=type(model).__name__, expected=expected)
    return model
