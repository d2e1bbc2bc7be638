"""Work for the tests of `assets.parallel`; processes of any kind find it by name."""

from __future__ import annotations

import os
import signal

from feeds.errors import UnreadableFileError


def square(number, *, tell):
    tell(f"squaring {number}")
    return number * number, os.getpid()


def refuse(path, *, tell):
    # an exception that cannot be pickled and unpickled
    raise UnreadableFileError(path, "line 17", "a price", "a cat")


def die(*, tell):
    os.kill(os.getpid(), signal.SIGKILL)


def unsendable(*, tell):
    return lambda: None
