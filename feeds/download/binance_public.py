"""The exchange's public archive: which files there are for symbols, kinds and dates, and downloading them.

Layout: ``data/<spot|futures/um|futures/cm>/<daily|monthly>/<kind>/<symbol>/[<interval>/]<symbol>-<kind or
interval>-<date>.zip``, each with a ``.CHECKSUM`` beside it. Source: README of the repository
"binance/binance-public-data".

Files get their market into their name (``BTCUSDT@BINANCE_USDM-trades-2024-08-08.zip``), which the archive's own names
leave out; the checksum lies hidden beside each, so that a later reader can verify it, too.

Here: addresses, plan, parallel downloads. Not here: one download (http_files.py), printing (pipelines/download.py).
"""

from __future__ import annotations

import calendar
import datetime as dt
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from feeds.download.http_files import State, fetch_file, sha256_of, write_whole
from feeds.download.http_requests import HttpOptions, Pace, fetch_text
from feeds.errors import NotPublishedError, StudyError, T2TError

Market = Literal["spot", "um", "cm"]
Period = Literal["daily", "monthly"]
BASE_URL_VARIABLE = "T2T_BINANCE_URL"
DEFAULT_BASE_URL = "https://data.binance.vision"
KINDS = ("trades", "aggTrades", "bookTicker", "bookDepth", "klines_<interval>")
_FOLDERS = {"spot": "spot", "um": "futures/um", "cm": "futures/cm"}
VENUES = {"spot": "BINANCE", "um": "BINANCE_USDM", "cm": "BINANCE_CM"}
_SYMBOL = re.compile(r"[A-Z0-9]{2,}(_[A-Z0-9]+)?")
_KIND = re.compile(r"trades|aggTrades|bookTicker|bookDepth|klines_(\d{1,2}(?:s|m|h|d|w|mo))")
_CHECKSUM = re.compile(r"\s*[0-9a-fA-F]{64}(\s|$)")


@dataclass(frozen=True)
class RemoteFile:
    """One file of the archive.

    Attributes:
        path: Below the base address.
        name: Of the local copy, with its market.
        folder: Of the local copy, below the target.
    """

    path: str
    name: str
    folder: str


@dataclass(frozen=True)
class FileProgress:
    """Where one file stands.

    Attributes:
        file: Which.
        state: None while it is being downloaded.
        bytes_done: Bytes here.
        bytes_total: Its length, 0 while unknown.
        text: Why it failed.
    """

    file: RemoteFile
    state: State | None
    bytes_done: int = 0
    bytes_total: int = 0
    text: str = ""


@dataclass(frozen=True)
class Fetched:
    """What became of one file.

    Attributes:
        file: Which.
        path: Where its copy is or would be.
        state: ``downloaded``; ``present``: it was there and right; ``not_published``; ``failed``.
        verified: Whether the archive states a checksum and the copy has it.
        text: Why it failed.
    """

    file: RemoteFile
    path: Path
    state: State
    verified: bool = False
    text: str = ""


def plan(
    symbols: Sequence[str], kinds: Sequence[str], start: str, end: str, market: Market, period: Period = "daily"
) -> list[RemoteFile]:
    """Files of the archive for all symbols, kinds and dates from ``start`` to ``end``, both included.

    Args:
        symbols: E.g. ``BTCUSDT``, of COIN-M ``BTCUSD_PERP``.
        kinds: See `KINDS`.
        start: ISO date.
        end: ISO date.
        market: ``spot``, ``um`` (USD-M futures) or ``cm`` (COIN-M futures).
        period: ``monthly``: one file for each month that begins or ends between the dates.

    Raises:
        StudyError: An argument is none of those.
    """
    if market not in _FOLDERS:
        raise StudyError("market", received=repr(market), expected=f"one of {sorted(_FOLDERS)}")
    dates = list(_dates(start, end, period))
    files = []
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise StudyError("symbol", received=repr(symbol), expected="capital letters and digits, e.g. BTCUSDT")
        for kind in kinds:
            match = _KIND.fullmatch(kind)
            if match is None or (market == "spot" and kind in ("bookTicker", "bookDepth")):
                raise StudyError("kind", received=f"{kind!r} of {market}", expected=f"one of {KINDS} (book*: futures)")
            files += [_remote(symbol, kind, match[1], date, market, period) for date in dates]
    return files


def _remote(symbol: str, kind: str, interval: str | None, date: str, market: Market, period: Period) -> RemoteFile:
    label = interval or kind
    folder = f"klines/{symbol}/{interval}" if interval else f"{kind}/{symbol}"
    path = f"data/{_FOLDERS[market]}/{period}/{folder}/{symbol}-{label}-{date}.zip"
    return RemoteFile(path, f"{symbol}@{VENUES[market]}-{label}-{date}.zip", f"{VENUES[market]}/{symbol}")


def _dates(start: str, end: str, period: Period) -> Iterator[str]:
    try:
        first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    except ValueError as error:
        raise StudyError("dates", received=f"{start} to {end}", expected="ISO dates YYYY-MM-DD") from error
    if first > last:
        raise StudyError("dates", received=f"{start} to {end}", expected="a start that is not after the end")
    while first <= last:
        if period == "daily":
            yield first.isoformat()
            first += dt.timedelta(days=1)
        else:
            yield f"{first:%Y-%m}"
            first = first.replace(day=calendar.monthrange(first.year, first.month)[1]) + dt.timedelta(days=1)


class BinancePublic:
    """Downloads from the archive.

    Args:
        base_url: Address of the archive or of a mirror with its layout; default: the environment's
            ``T2T_BINANCE_URL``, else the public one.
        options: Of each request.
        parallel: Files at a time.
    """

    def __init__(self, base_url: str | None = None, options: HttpOptions | None = None, parallel: int = 4) -> None:
        self.base_url = (base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL).rstrip("/")
        self.pace = Pace(options or HttpOptions())
        self.parallel = max(1, parallel)

    def fetch(
        self,
        files: Sequence[RemoteFile],
        target: Path,
        progress: Callable[[FileProgress], None] | None = None,
        recheck: bool = False,
    ) -> list[Fetched]:
        """Download files; what is there whole and verified is left alone, a file that fails does not stop the others.

        Args:
            files: See `plan`.
            target: Folder of the copies.
            progress: Called from the threads of the downloads.
            recheck: Ask for the checksums of files that are here, too: the archive corrects files now and then.

        Returns:
            One result a file, in their order.
        """
        report = progress or (lambda _: None)
        pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="download")
        try:
            return list(pool.map(lambda file: self._fetch_one(file, target, report, recheck), files))
        except BaseException:
            self.pace.stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _fetch_one(
        self, file: RemoteFile, target: Path, report: Callable[[FileProgress], None], recheck: bool
    ) -> Fetched:
        path = target / file.folder / file.name
        try:
            state, verified = self._state(file, path, report, recheck)
            done = Fetched(file, path, state, verified)
        except NotPublishedError:
            done = Fetched(file, path, "not_published")
        except (T2TError, OSError) as error:
            done = Fetched(file, path, "failed", text=str(error))
        size = path.stat().st_size if done.state in ("downloaded", "present") else 0
        report(FileProgress(file, done.state, size, size, done.text))
        return done

    def _state(
        self, file: RemoteFile, path: Path, report: Callable[[FileProgress], None], recheck: bool
    ) -> tuple[State, bool]:
        url, beside = f"{self.base_url}/{file.path}", path.with_name(f".{path.name}.CHECKSUM")
        if path.is_file() and not recheck and (known := _first_word(beside)) and sha256_of(path) == known:
            return "present", True
        wanted = self._checksum(url)
        if path.is_file() and wanted is not None and sha256_of(path) == wanted:
            _write_checksum(beside, wanted, path.name)
            return "present", True

        def expected(again: bool) -> str | None:
            nonlocal wanted
            wanted = self._checksum(url) if again else wanted
            return wanted

        fetch_file(url, path, expected, self.pace, lambda done, total: report(FileProgress(file, None, done, total)))
        if wanted is not None:
            _write_checksum(beside, wanted, path.name)
        return "downloaded", wanted is not None

    def _checksum(self, url: str) -> str | None:
        """The SHA-256 the archive states, None where it states none."""
        try:
            text = fetch_text(f"{url}.CHECKSUM", _CHECKSUM, self.pace)
        except NotPublishedError:
            return None
        return text.split()[0].lower()


def _first_word(path: Path) -> str | None:
    try:
        words = path.read_text().split()
    except (OSError, ValueError):
        return None
    return words[0].lower() if words else None


def _write_checksum(path: Path, sha256: str, name: str) -> None:
    write_whole(path, f"{sha256}  {name}\n".encode())
