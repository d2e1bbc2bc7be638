"""Our bars against the vendor's: build bars of trades by the vendor's rules, compare, say what differs and why.

The rules of AlgoSeek's minute bars of US stocks are not published; these were found on trades and bars of the same
days (IBM, BAC, AIG, SPY, 2013-10-07 to 09) and give all 6,767 bars there exactly, in all five fields. They were chosen
on the days they are judged on: other years may know further conditions.

* A bar holds the trades with ``open <= ts_event < open + bar``, from midnight New York on, extended hours included.
* Volume: every trade whatever its condition, but official opens and closes (they repeat an auction print) and the
  auction prints after the listing market's first.
* Price: no intermarket sweep, derivatively priced trade, or exempt trade at an average price in regular hours (all of
  them count in extended hours), no official price.
* The listing market's opening print makes the open of the session's first bar, and may make its high or low, where it
  falls into that bar; later ones count nowhere. Its first closing print, seconds after the close, counts as volume and
  close of the session's *last* bar, and as a price, not as volume, of the bar it was printed in.
* Trades of a minute without any price add their volume to the bar before; no bar is empty.

Here: `vendor_rule_bars`, `plain_bars`, `match_bars`. Not here: reading a vendor's bars (feeds/adapters), the bars that
models are trained on (models/bars.py), which sales count for them (feeds/cleaning/sale_conditions.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feeds.errors import SchemaError
from feeds.schema import VENDOR_BARS, conform

MINUTE_NS = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume_lots")


@dataclass(frozen=True)
class VendorRules:
    """Condition bits the vendor's bars go by; the module docstring says what for.

    Attributes:
        official: Official open and close.
        opening: Opening print.
        closing: Closing print.
        elsewhere: Auction of a market the stock is not listed on.
        extended: Extended hours.
        sweep_or_derived: Intermarket sweep, derivatively priced.
        average: Average price.
        exempt: Exempt from the trade-through rule.
    """

    official: int = 0x0500_0000
    opening: int = 0x40
    closing: int = 0x80
    elsewhere: int = 0x20_0000
    extended: int = 0x2000
    sweep_or_derived: int = 0x220
    average: int = 0x10_0000
    exempt: int = 0x2000_0000


ALGOSEEK = VendorRules()


def plain_bars(raw: pl.DataFrame, bar_ns: int = MINUTE_NS) -> pl.DataFrame:
    """Bars of every trade and fill, whatever its condition.

    Args:
        raw: RAW_TICKS.
        bar_ns: Length of a bar; edges are whole multiples since 1970.

    Returns:
        VENDOR_BARS, ascending; no bar without trades.
    """
    trades = _prints(raw, bar_ns)
    return _conformed(_prices(trades).join(_volume(trades, "ts_open"), on="ts_open", how="left"), bar_ns)


def vendor_rule_bars(
    raw: pl.DataFrame, bounds: tuple[int, int], bar_ns: int = MINUTE_NS, rules: VendorRules = ALGOSEEK
) -> pl.DataFrame:
    """Bars by the rules of the vendor, see the module docstring.

    Args:
        raw: RAW_TICKS of a US consolidated tape.
        bounds: Open and close of the session, ns UTC.
        bar_ns: Length of a bar; edges are whole multiples since 1970.
        rules: Condition bits.

    Returns:
        VENDOR_BARS, ascending.
    """
    trades = _classified(_prints(raw, bar_ns), bounds, bar_ns, rules)
    auctions = trades.select(
        open_print=pl.col("price").filter("is_open").first(), close_print=pl.col("price").filter("is_close").first()
    )
    first_bar, last_bar = bounds[0], bounds[1] - bar_ns
    at_open = (pl.col("ts_open") == first_bar) & pl.lit(auctions["open_print"][0]).is_not_null()
    at_close = (pl.col("ts_open") == last_bar) & pl.lit(auctions["close_print"][0]).is_not_null()
    prices = _prices(trades.filter("makes_price")).with_columns(
        open=pl.when(at_open).then(pl.lit(auctions["open_print"][0])).otherwise(pl.col("open")),
        close=pl.when(at_close).then(pl.lit(auctions["close_print"][0])).otherwise(pl.col("close")),
    )
    volume = _volume(trades.filter("makes_volume"), "volume_bar").rename({"volume_bar": "ts_open"})
    # Volume of bars without a price goes to the last bar with one.
    placed = volume.sort("ts_open").join_asof(
        prices.select("ts_open", bar=pl.col("ts_open")).sort("ts_open"), on="ts_open"
    )
    totals = placed.drop_nulls("bar").group_by("bar", maintain_order=True).agg(pl.col("volume_lots").sum())
    return _conformed(prices.join(totals, left_on="ts_open", right_on="bar", how="left"), bar_ns)


def match_bars(
    ours: pl.DataFrame, vendor: pl.DataFrame, bounds: tuple[int, int], raw: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Compare bar by bar, field by field.

    Outcomes, the first that holds: ``equal``; ``only ours`` and ``only vendor``: the other has no such bar; with
    ``raw``, ``condition 0x..``: for a volume, the trades of that condition in the bar sum up to the difference; for an
    open or close, ours is that of the bar's first or last print and that is its condition; for a high or low, prints of
    that condition alone have it; ``session edge``: the first or last bar of the session or the
    one after it, where auctions print; ``off session``; ``rounding``: prices one tick apart; ``other``.

    Args:
        ours: VENDOR_BARS.
        vendor: VENDOR_BARS of the same instrument-day and bar length.
        bounds: Open and close of the session, ns UTC.
        raw: RAW_TICKS that ``ours`` was built from.

    Returns:
        ``field`` (str), ``outcome`` (str), ``bars`` (int), ``share`` (float, of all bars of either side); per field
        ``equal`` first, always present, then the other outcomes by frequency.

    Raises:
        SchemaError: A frame has two bars of one stamp.
    """
    for name, frame in (("ours", ours), ("vendor", vendor)):
        if frame["ts_open"].is_duplicated().any():
            raise SchemaError(
                f"bars ({name})", received="two bars of one ts_open", expected="one", remedy="Pass one instrument-day."
            )
    pairs = ours.join(vendor, on="ts_open", how="full", suffix="_vendor", coalesce=True).sort("ts_open")
    bar_ns = int((ours["ts"] - ours["ts_open"]).to_numpy().max(initial=0)) or MINUTE_NS
    makers = None if raw is None else _makers(raw, bar_ns)
    return pl.concat(_outcomes(pairs, name, bounds, makers) for name in FIELDS)


def _outcomes(pairs: pl.DataFrame, name: str, bounds: tuple[int, int], makers: _Makers | None) -> pl.DataFrame:
    mine, theirs = pl.col(name), pl.col(f"{name}_vendor")
    bar_ns = pl.col("ts") - pl.col("ts_open")
    opens = pl.col("ts_open")
    edge = (opens == bounds[0]) | (opens + bar_ns == bounds[1]) | (opens == bounds[1])
    outcome = (
        pl.when(mine == theirs)
        .then(pl.lit("equal"))
        .when(theirs.is_null())
        .then(pl.lit("only ours"))
        .when(mine.is_null())
        .then(pl.lit("only vendor"))
        .when(pl.col("condition").is_not_null())
        .then(pl.format("condition 0x{}", pl.col("condition")))
        .when(edge)
        .then(pl.lit("session edge"))
        .when(~opens.is_between(*bounds, closed="left"))
        .then(pl.lit("off session"))
        .when((mine - theirs).abs() == 1 if name != "volume_lots" else pl.lit(value=False))
        .then(pl.lit("rounding"))
        .otherwise(pl.lit("other"))
    )
    judged = pairs.join(_blamed(pairs, name, makers), on="ts_open", how="left", maintain_order="left")
    counts = judged.select(outcome.alias("outcome")).group_by("outcome", maintain_order=True).len("bars")
    equal = pl.DataFrame({"outcome": ["equal"], "bars": [0]}, schema=counts.schema)
    found = pl.concat([counts, equal]).group_by("outcome", maintain_order=True).agg(pl.col("bars").sum().cast(pl.Int64))
    return found.sort(pl.col("outcome") != "equal", -pl.col("bars"), "outcome").select(
        pl.lit(name).alias("field"), "outcome", "bars", share=pl.col("bars") / max(pairs.height, 1)
    )


@dataclass(frozen=True)
class _Makers:
    """Who could have made a bar's figures: per bar and condition its volume and prices, and the bar's outer prints."""

    by_condition: pl.DataFrame
    first: pl.DataFrame
    last: pl.DataFrame


def _makers(raw: pl.DataFrame, bar_ns: int) -> _Makers:
    trades = _prints(raw, bar_ns).select("ts_open", "condition", "price", "size")
    by_condition = trades.group_by("ts_open", "condition", maintain_order=True).agg(
        pl.col("size").sum().alias("lots"), pl.col("price").unique()
    )
    first, last = (trades.unique("ts_open", keep=which, maintain_order=True) for which in ("first", "last"))
    return _Makers(by_condition, first, last)


def _blamed(pairs: pl.DataFrame, name: str, makers: _Makers | None) -> pl.DataFrame:
    """``ts_open`` and, in hex, the one ``condition`` that explains the difference of the field."""
    empty = pl.DataFrame(schema={"ts_open": pl.Int64, "condition": pl.String})
    if makers is None:
        return empty
    differing = pairs.filter(pl.col(name) != pl.col(f"{name}_vendor")).select("ts_open", name, f"{name}_vendor")
    source = {"open": makers.first, "close": makers.last}.get(name, makers.by_condition)
    candidates = differing.join(source, on="ts_open", maintain_order="left")
    if name == "volume_lots":
        blamed = candidates.filter((pl.col(name) - pl.col(f"{name}_vendor")).abs() == pl.col("lots"))
    elif name in ("high", "low"):
        blamed = candidates.explode("price").filter(pl.col("price") == pl.col(name))
    else:
        blamed = candidates.filter(pl.col("price") == pl.col(name))
    alone = blamed.unique("ts_open", keep="none", maintain_order=True)
    return pl.concat([empty, alone.select("ts_open", pl.col("condition").map_elements(_hex, return_dtype=pl.String))])


def _hex(bits: int) -> str:
    return f"{bits:x}"


def _prints(raw: pl.DataFrame, bar_ns: int) -> pl.DataFrame:
    executed = raw.filter(pl.col("action").is_in(["T", "F"]) & (pl.col("size") > 0) & (pl.col("price") > 0))
    return executed.with_columns(ts_open=pl.col("ts_event") // bar_ns * bar_ns)


def _classified(trades: pl.DataFrame, bounds: tuple[int, int], bar_ns: int, rules: VendorRules) -> pl.DataFrame:
    """Add ``is_open``, ``is_close``, ``makes_price``, ``makes_volume`` and ``volume_bar``."""

    def has(bits: int) -> pl.Expr:
        return pl.col("condition") & bits > 0

    opening, closing = has(rules.opening) & ~has(rules.elsewhere), has(rules.closing) & ~has(rules.elsewhere)
    first_bar, last_bar = bounds[0], bounds[1] - bar_ns
    marked = trades.with_columns(
        is_open=opening & (opening.cum_sum() == 1) & (pl.col("ts_open") == first_bar),
        is_close=closing & (closing.cum_sum() == 1) & (pl.col("ts_open") >= last_bar),
    )
    regular = ~has(rules.extended)
    no_price = regular & (has(rules.sweep_or_derived) | (has(rules.average) & has(rules.exempt)))
    other_auction = (has(rules.opening) & ~pl.col("is_open")) | (has(rules.closing) & ~pl.col("is_close"))
    return marked.with_columns(
        makes_price=~no_price & ~has(rules.official) & ~(has(rules.opening) & ~pl.col("is_open")),
        makes_volume=~has(rules.official) & ~other_auction,
        volume_bar=pl.when("is_close").then(last_bar).otherwise(pl.col("ts_open")),
    )


def _prices(trades: pl.DataFrame) -> pl.DataFrame:
    price = pl.col("price")
    return trades.group_by("ts_open", maintain_order=True).agg(
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"), price.last().alias("close")
    )


def _volume(trades: pl.DataFrame, bar: str) -> pl.DataFrame:
    return trades.group_by(bar, maintain_order=True).agg(pl.col("size").sum().alias("volume_lots"))


def _conformed(bars: pl.DataFrame, bar_ns: int) -> pl.DataFrame:
    full = bars.with_columns(
        ts=pl.col("ts_open") + bar_ns, volume_lots=pl.col("volume_lots").fill_null(0), source=pl.lit("trades")
    )
    return conform(full.sort("ts_open").select(*VENDOR_BARS), "vendor_bars")
