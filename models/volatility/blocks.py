"""Realised variance per block, made of bars.

Here: gathering bars into blocks, and the order of blocks inside a day. Not here: sampling the mid
(models/bars.py).
"""

from __future__ import annotations

import polars as pl

from feeds.errors import SchemaError, StudyError

NS_PER_S = 1_000_000_000
#: Columns every function on blocks needs.
BLOCK_COLUMNS = ("ts_start", "ts", "symbol", "rv")


def block_variance(bars: pl.DataFrame, block_s: int) -> pl.DataFrame:
    """Sum the bars' realised variance in consecutive blocks (Andersen et al. 2003).

    Blocks start at whole multiples of ``block_s`` UTC. A bar that is not there had no event, hence a still
    mid: it adds nothing. The first and last block are left out where the bars do not reach their edges,
    because a variance over part of a block is no variance of a block.

    Args:
        bars: BARS of one instrument-day, ascending.
        block_s: Block length, seconds; bars must nest in it.

    Returns:
        ``ts_start``, ``ts`` (right edge, when it is known), ``rv`` (not annualised), ``return_log`` (of the
        mid, over the block), ``bars`` (bars with a mid), ascending; plus ``symbol`` where ``bars`` has it.

    Raises:
        StudyError: A bar straddles two blocks.
    """
    length = block_s * NS_PER_S
    known = bars.filter(pl.col("realised_variance").is_not_null())
    start = (pl.col("ts_open") // length * length).alias("ts_start")
    known = known.with_columns(start)
    straddling = known.filter(pl.col("ts") > pl.col("ts_start") + length).height
    if straddling:
        raise StudyError(
            "models.volatility.block_s",
            received=f"{block_s} s, which {straddling} bars straddle",
            expected="a multiple of bar_ms",
        )
    first, last = known["ts_open"].min(), known["ts"].max()
    return (
        known.group_by("ts_start", maintain_order=True)
        .agg(
            (pl.col("ts_start").first() + length).alias("ts"),
            pl.col("realised_variance").sum().alias("rv"),
            (pl.col("mid_close_ticks").last() / pl.col("mid_open_ticks").first()).log().alias("return_log"),
            pl.len().cast(pl.Int64).alias("bars"),
            *([pl.col("symbol").first()] if "symbol" in bars.columns else []),
        )
        .filter((pl.col("ts_start") >= first) & (pl.col("ts") <= last))
        .sort("ts_start")
    )


def prepare(blocks: pl.DataFrame, block_s: int) -> pl.DataFrame:
    """Blocks in the order the models work in, with what they need to know of each.

    Args:
        blocks: `BLOCK_COLUMNS`; ``date`` optional (else the UTC date of ``ts_start``).
        block_s: Block length, seconds.

    Returns:
        ``ts_start, ts, symbol, rv, date``, ``slot`` (blocks since the first block of the date over all
        instruments, so that daylight saving does not move it) and ``next_rv`` (of the block that follows at
        once on the same date; null where none does), sorted by symbol and time.

    Raises:
        SchemaError: A column is missing, or two blocks share instrument and time.
    """
    missing = [name for name in BLOCK_COLUMNS if name not in blocks.columns]
    if missing:
        raise SchemaError("blocks", received=f"columns {blocks.columns}", expected=f"also {missing}")
    length = block_s * NS_PER_S
    if "date" not in blocks.columns:
        day = pl.from_epoch("ts_start", time_unit="ns").dt.date().cast(pl.String)
        blocks = blocks.with_columns(day.alias("date"))
    ordered = blocks.select(*BLOCK_COLUMNS, "date").sort("symbol", "ts")
    if ordered.select("symbol", "ts").is_duplicated().any():
        raise SchemaError("blocks", received="two blocks of one instrument and time", expected="one")
    following = pl.col("ts").shift(-1).over("symbol") == pl.col("ts") + length
    same_date = pl.col("date").shift(-1).over("symbol") == pl.col("date")
    first = pl.col("ts_start").min().over("date")
    return ordered.with_columns(
        ((pl.col("ts_start") - first) // length).alias("slot"),
        pl.when(following & same_date).then(pl.col("rv").shift(-1).over("symbol")).alias("next_rv"),
    )


def complete_dates(prepared: pl.DataFrame, share: float = 0.9) -> list[str]:
    """Dates that hold at least ``share`` of the blocks of the fullest one, ascending."""
    if prepared.is_empty():
        return []
    counts = prepared.group_by("date").agg(pl.col("slot").n_unique().alias("slots"))
    fullest = int(counts["slots"].max())  # type: ignore[arg-type]
    return sorted(counts.filter(pl.col("slots") >= share * fullest)["date"].to_list())
