"""What the sale conditions of a source say about a print.

Condition bits mean what their source says they mean: the vocabulary goes with the venue of the instrument.

Here: vocabularies and the two questions asked of them. Not here: reading conditions (feeds/adapters), the conditions
a vendor's own bars leave out (feeds/bar_match.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_AUCTION

#: Bits of the US tapes (AlgoSeek's) of prints whose price is not the market's at that moment, after the consolidated
#: tape's last-sale eligibility: cash 0x2, next day 0x4, seller's option 0x8, derivatively priced 0x200, sold 0x800, out
#: of sequence 0x4000, acquisition 0x10000, stock option 0x40000, distribution 0x80000, average price 0x100000, price
#: variation 0x400000, prior reference price 0x2000000; and the official open 0x4000000 and close 0x1000000, which
#: repeat an auction print. Intermarket sweeps 0x20 are eligible: they print at the market (the vendor's own minute bars
#: count their volume but leave their prices out).
NOT_LAST_SALE = 0x075D4A0E
#: Bits of the US tapes of auctions: opening 0x40, closing 0x80, reopening 0x100.
US_AUCTIONS = 0x1C0
#: Of IEX's sale condition flags (TOPS and DEEP specification 1.6 and 1.0, "Trade Report Message"): single-price cross.
IEX_AUCTIONS = 0x08


@dataclass(frozen=True)
class SaleConditions:
    """A vocabulary.

    Attributes:
        ineligible: Bits of prints that do not make the last sale.
        auctions: Bits of the prints of auctions.
    """

    ineligible: int = 0
    auctions: int = 0


#: Venue of the instrument id -> its vocabulary; others have none.
VOCABULARIES: Mapping[str, SaleConditions] = {
    "US": SaleConditions(NOT_LAST_SALE, US_AUCTIONS),
    "IEX": SaleConditions(auctions=IEX_AUCTIONS),
}


def vocabulary(spec: InstrumentSpec) -> SaleConditions:
    """The vocabulary of the instrument's venue."""
    return VOCABULARIES.get(spec.id.rpartition(".")[2], SaleConditions())


def is_ineligible(spec: InstrumentSpec) -> pl.Expr:
    """T2: trades whose price is not the market's."""
    return (pl.col("action") == "T") & (pl.col("condition") & vocabulary(spec).ineligible > 0)


def is_auction_print(spec: InstrumentSpec) -> pl.Expr:
    """Trades of auctions, by the flag or by the source's condition. Fills of resting orders: `is_auction_fill`."""
    by_condition = pl.col("condition") & vocabulary(spec).auctions > 0
    return (pl.col("action") == "T") & (by_condition | (pl.col("flags") & FLAG_AUCTION > 0))


def is_auction_fill() -> pl.Expr:
    """Fills of resting orders in an auction: they change the book, so they go only after it is built."""
    return (pl.col("action") == "F") & (pl.col("flags") & FLAG_AUCTION > 0)
