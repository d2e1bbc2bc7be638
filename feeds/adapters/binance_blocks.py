"""Large text files in blocks of whole lines: plain, gzip or the one member of a zip, in bounded memory.

A gzip file or zip member carries its length and checksum, verified when its end is reached. A plain file does not:
there a missing last line end is taken as the sign of a copy that stopped.

Here: bytes. Not here: what a line says (one module per format).
"""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import IO, Any

from feeds.errors import UnreadableFileError

BLOCK_BYTES = 8 << 20
#: A line longer than that is no line of any format read so: a file without line ends is not read into memory whole.
MAX_LINE_BYTES = 64 << 20
_GZIP = b"\x1f\x8b"
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def text_head(path: Path, limit: int) -> bytes:
    """First bytes of a plain or gzipped file, at most ``limit``; of a damaged gzip file what can be unpacked."""
    with path.open("rb") as handle:
        head = handle.read(limit)
    if not head.startswith(_GZIP):
        return head
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(head, limit)
    except zlib.error as error:
        raise UnreadableFileError(path, "byte 0", "a gzip file", error) from error


def line_blocks(path: Path, member: str | None = None, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of whole lines, each ending in a line end, unpacked on a thread of their own.

    Args:
        path: Plain or gzipped text, or a zip.
        member: Name of the zip's member.
        block_bytes: About how long a block is.

    Raises:
        UnreadableFileError: The file is cut short, its checksum is wrong, or a line is too long.
    """
    queue: Queue[bytes | BaseException | None] = Queue(maxsize=2)
    stopped = Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def read() -> None:
        try:
            for block in _blocks(path, member, block_bytes):
                if not put(block):
                    return
            put(None)
        except BaseException as error:  # handed to the thread that asked
            put(error)

    thread = Thread(target=read, name="blocks", daemon=True)
    thread.start()
    try:
        while (item := _next(queue, thread)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _next(queue: Queue[bytes | BaseException | None], thread: Thread) -> bytes | BaseException | None:
    while True:
        try:
            return queue.get(timeout=1.0)
        except Empty:
            if not thread.is_alive() and queue.empty():
                return RuntimeError("the reading thread is gone")


def _blocks(path: Path, member: str | None, block_bytes: int) -> Iterator[bytes]:
    done, rest = 0, b""
    with ExitStack() as stack:
        handle, checked = _opened(path, member, stack)
        while True:
            try:
                piece = handle.read(block_bytes)
            except _DAMAGE as error:
                where = f"member {member}" if member else f"byte {done + len(rest)} of its text"
                raise UnreadableFileError(path, where, "a whole file with the right checksum", error) from error
            if not piece:
                break
            cut = piece.rfind(b"\n") + 1
            if not cut:
                rest += piece
                if len(rest) > MAX_LINE_BYTES:
                    raise UnreadableFileError(path, f"byte {done}", "a line end", f"{len(rest)} bytes without one")
                continue
            block, rest = rest + piece[:cut], piece[cut:]
            done += len(block)
            yield block
    if rest and not checked:
        raise UnreadableFileError(
            path, f"byte {done + len(rest)}", "a line end", f"the file stops after {rest[-40:]!r}"
        )
    if rest:
        yield rest + b"\n"


def _opened(path: Path, member: str | None, stack: ExitStack) -> tuple[IO[bytes], bool]:
    """The text, and whether its end is checked by the container."""
    try:
        if member is not None:
            archive = stack.enter_context(zipfile.ZipFile(path))
            return stack.enter_context(archive.open(member)), True
        with path.open("rb") as handle:
            packed = handle.read(2) == _GZIP
        text: Any = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115 - closed by the stack
        return stack.enter_context(text), packed
    except _DAMAGE as error:
        raise UnreadableFileError(path, f"member {member}", "a whole zip member", error) from error


def verify_checksum(path: Path) -> bool:
    """Hold a file against the ``.CHECKSUM`` file beside it (``<sha256>  <name>``), hidden or not, where there is one.

    Returns:
        Whether there is one.

    Raises:
        UnreadableFileError: The file is not what its checksum says, or the checksum file holds none.
    """
    for beside in checksum_paths(path):
        if beside.is_file():
            words = beside.read_bytes()[:4096].decode("ascii", errors="replace").split()
            stated = words[0].lower() if words else ""
            if len(stated) != 64 or set(stated) - set("0123456789abcdef"):
                raise UnreadableFileError(beside, "line 1", "a SHA-256 in hexadecimal", repr(stated[:80]))
            with path.open("rb") as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
            if found != stated:
                raise UnreadableFileError(path, "its SHA-256", f"{stated}, as {beside.name} says", found)
            return True
    return False


def checksum_paths(path: Path) -> tuple[Path, Path]:
    """Where the checksum of a file may lie: as the archive names it, and hidden, as the downloader does."""
    return path.with_name(f"{path.name}.CHECKSUM"), path.with_name(f".{path.name}.CHECKSUM")
