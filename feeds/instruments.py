"""What an instrument is: identity and integer units.

Here: `InstrumentSpec`. Not here: calendars (feeds/calendar.py), which instruments a study uses (feeds/study.py).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class InstrumentSpec(BaseModel):
    """Units and identity of one instrument, ``SYMBOL.VENUE``.

    Attributes:
        id: E.g. ``"AMZN.NASDAQ"``: two tapes of one symbol never collide.
        tick_size: Currency per unit of the integer ``price`` column.
        lot_size: Shares (or coins, contracts) per unit of the integer ``size`` column.
        quote_increment_ticks: The venue's minimum quoting increment in ticks (100 for US stocks kept at 1e-4 dollars).
        currency: ISO or exchange code of the price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z0-9_-]+\.[A-Z0-9_]+$")
    tick_size: float = Field(gt=0)
    lot_size: float = Field(gt=0)
    quote_increment_ticks: int = Field(default=1, ge=1)
    currency: str = "USD"

    @property
    def symbol(self) -> str:
        """The part before the venue."""
        return self.id.split(".")[0]
