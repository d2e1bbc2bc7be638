"""Where a training stood, in one file that a kill cannot spoil.

Environments are not kept: a training that keeps checkpoints starts all of them afresh at each, from a seed made of its
own and the number of the start, whether it was interrupted or not. So the run that goes on after a kill and the
one that was never stopped do the same.

Here: the file. Not here: what goes in (dqn.py, ppo.py).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.atomic import write_atomically
from feeds.errors import LakeError

Array = npt.NDArray[Any]
_FORMAT = "execution training, 1"


def write_checkpoint(target: Path, settings: object, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
    """Replace ``target`` as a whole.

    Args:
        target: The file.
        settings: Of the training; only one of equal settings goes on from the file.
        arrays: What is large.
        state: The rest, as JSON holds it.

    Raises:
        LakeError: The disk is full or the folder not writable; ``target`` is as it was.
    """
    head = json.dumps({"format": _FORMAT, "settings": repr(settings), "state": dict(state)})
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, head=np.array(head), **arrays)
    write_atomically(target, sink.getvalue())


def read_checkpoint(target: Path, settings: object) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Arrays and state of ``target``; None where there is no such file. Nothing in it is run.

    Raises:
        LakeError: The file holds something else, or the training had other settings.
    """
    try:
        with np.load(target, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(str(arrays.pop("head")))
        found = str(head["format"]), str(head["settings"])
        state = dict(head["state"])
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise LakeError(f"checkpoint {target.name}", received=repr(error), expected="a whole checkpoint") from error
    if found != (_FORMAT, repr(settings)):
        raise LakeError(
            f"checkpoint {target.name}",
            received=f"{found}",
            expected=f"{(_FORMAT, repr(settings))}",
            remedy="Remove the file to train anew, or go back to its settings.",
        )
    return arrays, state


def fresh_seed(seed: int, start: int) -> int:
    """Seed of the environments from their ``start``-th fresh start on."""
    return int(np.random.SeedSequence(seed, spawn_key=(2**31, start)).generate_state(1)[0])
