"""Where a tape begins."""

import polars as pl
import pytest

from assets.tape import CLOSED_NS, trading_begins

S = 1_000_000_000


def rows(*events: tuple[int, str]) -> pl.DataFrame:
    return pl.DataFrame({"ts_recv": [at for at, _ in events], "action": [action for _, action in events]})


@pytest.mark.parametrize("trade", ["F", "T"])
def test_orders_of_a_market_that_is_still_closed_are_before_the_tape(trade):
    opened = CLOSED_NS + 5 * S
    found = trading_begins(rows((0, "A"), (3 * S, "A"), (opened, trade), (opened + S, trade)), 0)
    assert found == opened


def test_a_quiet_beginning_belongs_to_the_tape_and_so_does_a_day_without_trades():
    assert trading_begins(rows((0, "A"), (CLOSED_NS, "T")), 0) == 0
    assert trading_begins(rows((0, "A"), (5 * CLOSED_NS, "C")), 0) == 0
    # what traded before the session does not open it
    assert trading_begins(rows((0, "T"), (3 * CLOSED_NS, "T")), S) == 3 * CLOSED_NS
