"""From a file to the bytes of its csv: zip, gzip or plain, read whole or refused with the place where it breaks.

Here: containers. Not here: what the bytes mean (strict_csv.py, one module per format).
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from feeds.errors import UnreadableFileError

#: Enough for the longest first line of any format (a book row of 200 levels).
HEAD_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_ZIP = b"PK"
#: What a damaged container raises: RuntimeError an encrypted member, NotImplementedError a compression zipfile does
#: not know.
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does; it may be damaged."""
    with path.open("rb") as handle:
        return handle.read(2) == _ZIP


def zip_names(path: Path) -> list[str]:
    """Names of a zip's members.

    Raises:
        UnreadableFileError: The archive is cut short or otherwise broken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except DAMAGE as error:
        raise UnreadableFileError(
            path, f"byte {path.stat().st_size}", "the directory at the end of a whole zip archive", error
        ) from error


def only_csv(path: Path) -> str | None:
    """Name of a zip's csv, None where it has none or several; see `zip_names`."""
    found = [name for name in zip_names(path) if name.lower().endswith(".csv")]
    return found[0] if len(found) == 1 else None


def member_head(path: Path, name: str) -> bytes:
    """First bytes of a zip member; see `zip_names`."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as handle:
            return handle.read(HEAD_BYTES)
    except DAMAGE as error:
        raise UnreadableFileError(path, f"member {name}", "a whole zip member", error) from error


def read_member(path: Path, name: str) -> bytes:
    """Bytes of a zip member, its length and checksum verified.

    Raises:
        UnreadableFileError: It is cut short or its checksum is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except DAMAGE as error:
        raise UnreadableFileError(path, f"member {name}", "a whole zip member", error) from error


def file_head(path: Path) -> bytes:
    """First bytes of a plain or gzipped file.

    Raises:
        UnreadableFileError: It is a gzip file whose first bytes cannot be unpacked.
    """
    with path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    if not head.startswith(_GZIP):
        return head
    try:
        # Not gzip.open: it reads ahead, and a file broken further on would already fail here.
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise UnreadableFileError(path, "byte 0", "a gzip file", error) from error


def read_whole(path: Path) -> bytes:
    """Content of a plain or gzipped text file.

    A gzip file carries its length and checksum. A plain one does not: there a missing last line end is taken as the
    sign of a copy that stopped.

    Raises:
        UnreadableFileError: The file is cut short or its checksum is wrong.
    """
    content = path.read_bytes()
    if content.startswith(_GZIP):
        try:
            return gzip.decompress(content)
        except DAMAGE as error:
            raise UnreadableFileError(path, f"byte {len(content)}", "a whole gzip file", error) from error
    if content and not content.endswith(b"\n"):
        lines = content.split(b"\n")
        found = f"the file stops after {lines[-1][-40:]!r}"
        raise UnreadableFileError(path, f"line {len(lines)}", "a line end", found)
    return content


def first_line(head: bytes) -> str:
    """First line of the first bytes of a text, without its end and byte-order mark."""
    return head.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace").strip()
