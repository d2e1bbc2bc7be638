"""Requests to a server that is asked politely: what is tried again, how often, after what pause.

Statuses after RFC 9110 and RFC 6585 (429); 418 is the exchange's answer to who went on after a 429. ``Retry-After`` of
429, 418 and 503 holds all downloads of the server, not only the one that was told.

Here: requests, retries, short texts. Not here: files (http_files.py).
"""

from __future__ import annotations

import email.utils
import http.client
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from feeds.errors import NotPublishedError, T2TError

_RETRIED = frozenset({408, 418, 425, 429})
_SLOW_DOWN = frozenset({418, 429, 503})
#: An attempt that brought that much does not count as one that failed.
_PROGRESS_BYTES = 1 << 20
_MOST_TEXT_BYTES = 4096


@dataclass(frozen=True)
class HttpOptions:
    """How politely and how long to try.

    Attributes:
        timeout_s: Without a byte for that long an attempt has failed.
        attempts: Failures in a row, without progress, after which a file is given up.
        backoff_s: Wait after the first failure; doubled after each further one, times 0.5 to 1.5 at random.
        longest_wait_s: Of one wait. A server that asks for more (Retry-After) is not asked again.
        most_bytes: A file longer than that is refused.
    """

    timeout_s: float = 30.0
    attempts: int = 6
    backoff_s: float = 1.0
    longest_wait_s: float = 300.0
    most_bytes: int = 64 << 30


class AttemptError(Exception):
    """An attempt failed in a way that another one may not; ``wait_s`` is what the server asked for."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class RangeError(AttemptError):
    """The server has nothing from the place on that was asked for (416)."""


@dataclass
class Pace:
    """What all downloads of a server share: when it may be asked again.

    Attributes:
        options: See `HttpOptions`.
        stop: Set: every download ends at its next step.
    """

    options: HttpOptions = field(default_factory=HttpOptions)
    stop: threading.Event = field(default_factory=threading.Event)
    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, seconds: float) -> None:
        """Nobody asks for that long."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)

    def wait(self) -> None:
        """Wait until the server may be asked.

        Raises:
            T2TError: The downloads were stopped.
        """
        while (left := self._free_at - time.monotonic()) > 0 and not self.stop.is_set():
            self.stop.wait(min(left, 1.0))
        self.check()

    def check(self) -> None:
        """Raise where the downloads were stopped."""
        if self.stop.is_set():
            raise T2TError("download", received="a stop", remedy="Start it again: it goes on where it was.")


def fetch_text(url: str, pattern: re.Pattern[str], pace: Pace) -> str:
    """A short text that begins as ``pattern`` says, e.g. a checksum file.

    Raises:
        NotPublishedError: There is none.
        T2TError: It could not be had.
    """

    def attempt() -> str:
        with opened(url, {}, pace) as response:
            content = response.read(_MOST_TEXT_BYTES + 1)
            if len(content) > _MOST_TEXT_BYTES or is_page(response):
                raise AttemptError(f"a page instead of a short text: {content[:60]!r}")
            if (length := response.headers.get("Content-Length")) and len(content) != int(length):
                raise AttemptError(f"{len(content)} of {length} bytes")
            text = content.decode("ascii", errors="replace")
            if not pattern.match(text):
                raise AttemptError(f"{text[:60]!r}")
            return text

    return str(tried(url, attempt, pace))


def tried(url: str, attempt: Callable[[], Any], pace: Pace, size: Callable[[], int] = lambda: 0) -> Any:
    """Try until it works, is known not to, or was tried often enough without progress."""
    options, failures, causes, most = pace.options, 0, [], size()
    while True:
        pace.wait()
        try:
            return attempt()
        except AttemptError as error:
            cause, asked_s = str(error), error.wait_s
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise no_room(url, error) from error
            cause, asked_s = f"{type(error).__name__}: {error}", None
        causes.append(cause)
        # More than ever before: a server that starts over and over does not count as progress.
        failures = 1 if size() - most >= _PROGRESS_BYTES else failures + 1
        most = max(most, size())
        if failures >= options.attempts or (asked_s or 0.0) > options.longest_wait_s:
            raise T2TError(
                f"download of {url}",
                received=f"after {len(causes)} attempts: {'; then '.join(dict.fromkeys(causes[-3:]))}",
                expected="the whole file with the right checksum",
                remedy="Try again later; what has come so far is kept where it can be continued.",
            )
        backoff_s = options.backoff_s * 2 ** (failures - 1) * random.uniform(0.5, 1.5)
        pace.stop.wait(min(max(backoff_s, asked_s or 0.0), options.longest_wait_s))


def no_room(what: object, error: OSError) -> T2TError:
    """The error of a file that cannot be written."""
    return T2TError(f"download of {what}", received=str(error), remedy="Check free space and permissions.")


@contextmanager
def opened(url: str, headers: dict[str, str], pace: Pace) -> Iterator[Any]:
    """The open answer of status 2xx to one GET; every other one is raised as what it means."""
    if not url.startswith(("http://", "https://")):
        raise T2TError("download", received=url, expected="an address that begins with http:// or https://")
    always = {"User-Agent": "tick2trade", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=always | headers)
    try:
        with urllib.request.urlopen(request, timeout=pace.options.timeout_s) as response:
            yield response
    except urllib.error.HTTPError as error:
        with error:
            _explain(url, error, pace)


def _explain(url: str, error: urllib.error.HTTPError, pace: Pace) -> None:
    """Raise what a status that is no success means."""
    if error.code == 404:
        raise NotPublishedError(f"download of {url}", received="404", expected="a published file") from error
    if error.code == 416:
        raise RangeError("416: nothing from the place on where the download stopped") from error
    if error.code not in _RETRIED and error.code < 500:
        raise T2TError(f"download of {url}", received=f"{error.code} {error.reason}", expected="200") from error
    wait_s = retry_after_s(error.headers.get("Retry-After"))
    if error.code in _SLOW_DOWN and wait_s is not None:
        # The server speaks to all downloads, not to this one.
        pace.hold(min(wait_s, pace.options.longest_wait_s))
    raise AttemptError(f"{error.code} {error.reason}", wait_s) from error


def retry_after_s(text: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number or a date (RFC 9110 section 10.2.3); None where it is neither."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def is_page(response: Any) -> bool:
    """Whether an answer is a page for people."""
    return str(response.headers.get_content_type()) in ("text/html", "application/xhtml+xml")
