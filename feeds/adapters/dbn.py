"""Databento Binary Encoding (``.dbn``, ``.dbn.zst``), versions 1 to 3: market by order, by price, trades, definitions.

Market by order becomes order events (feeds/kernels/dbn_mbo.py tells how three records of one execution become one),
ten levels a level feed (dbn_levels.py), the best bid and offer and trades become quotes and trades (dbn_quotes.py),
always with both clocks: ``ts_event`` the venue's, ``ts_recv`` Databento's. Not kept are the sending stamp
(``ts_in_delta``) and the venue's own sequence numbers. A file of definitions becomes a tape without rows whose specs
are the contracts'.

Units: prices are stated in 1e-9; a tick is the largest power of ten of that, at most 1, which all prices and stated
price increments of the file are multiples of: never rounded, and the same file always gives the same. Where the file
defines its instruments, their increment is ``quote_increment_ticks``. Sizes are lots.

Rows belong to the UTC day of their ``ts_recv``. The venue is the dataset up to its dot.

Here: recognising and decoding files. Not here: metadata (dbn_header.py), reading (dbn_reader.py), records to rows
(dbn_fold.py), instruments (dbn_symbols.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from feeds.adapters.base import FileInfo, Progress
from feeds.adapters.byte_blocks import unpacked_head
from feeds.adapters.dbn_header import MAGIC, PREFIX
from feeds.adapters.dbn_reader import MAX_POWER, FinerUnitError, Records, read_header
from feeds.adapters.dbn_records import MARKET_SCHEMAS
from feeds.adapters.tape_batch import TapeBatch
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.tape_index import TapeIndex

_DEFINITION = "definition"
_SUPPORTED = (*MARKET_SCHEMAS, _DEFINITION)


class Dbn:
    """Adapter of the format; see the module docstring."""

    name = "dbn"

    def sniff(self, path: Path) -> FileInfo | None:
        """Role ``tape`` for market data, ``definition`` for a file of definitions.

        Raises:
            UnreadableFileError: The metadata are damaged, or of a version or schema that is not supported.
        """
        head = unpacked_head(path, PREFIX)
        if head is None or not head.startswith(MAGIC):
            return None
        schema = read_header(path).schema
        if schema is not None and schema not in _SUPPORTED:
            expected = f"one of the schemas {', '.join(_SUPPORTED)}"
            raise UnreadableFileError(path, f"byte {PREFIX + 16}", expected, f"schema {schema}")
        role = _DEFINITION if schema == _DEFINITION else "tape"
        return FileInfo(path, self.name, role, None, ())

    def decode(self, path: Path, folder: Path, progress: Progress | None = None) -> TapeIndex:
        """See `feeds.adapters.base.TapeAdapter`; reads anew with a finer unit where a later price asks for one."""
        power = MAX_POWER
        while True:
            try:
                return self._decode(Records(path, power), path, folder, progress)
            except FinerUnitError as finer:
                power = finer.power

    def _decode(self, source: Records, path: Path, folder: Path, progress: Progress | None) -> TapeIndex:
        from feeds.kernels.dbn_rows import REASONS
        from feeds.tape import TapeWriter

        defines = source.header.schema == _DEFINITION
        with TapeWriter(folder, format=self.name, day=None, reasons=REASONS) as writer:
            batch: TapeBatch | None = None
            for rows in source.rows():
                batch = batch or TapeBatch(source.names)
                batch.add(rows)
                if batch.full:
                    writer.append(batch.take())
                if progress is not None:
                    progress(writer.rows + batch.count, source.bytes_done, path.stat().st_size)
            if batch is not None and batch.count:
                writer.append(batch.take())
            return writer.close(
                source.symbols.specs(None if defines else source.unit),
                ignored=source.ignored(),
                problems=source.problems(),
                params={
                    "dataset": source.header.dataset,
                    "schema": source.header.schema or "mixed",
                    "version": source.header.version,
                    "contract_multipliers": source.symbols.multipliers(),
                },
            )

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices in the unit of the format."""
        return InstrumentSpec(id=instrument, tick_size=1e-9, lot_size=1)
