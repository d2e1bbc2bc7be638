"""The decoder of TotalView-ITCH in plain Python: what rows messages become, one at a time, with a dictionary of orders.

Here: the twin. Not here: writing messages (itch_files.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

PARTIAL, AUCTION = 8, 16
STATES = {"H": -1, "P": -1, "Q": 0, "T": 1}
#: action, side, order_id, price, size, condition, flags, reason
Row = tuple[str, str, int, int, int, int, int, str | None]


@dataclass
class Twin:
    """Rows by locate code, each with its stamp (ns since midnight) in front; ignored messages by type."""

    rows: dict[int, list[tuple[int, Row]]] = field(default_factory=dict)
    orders: dict[int, list] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)

    def read(self, messages: Iterable[bytes]) -> Twin:
        for one in messages:
            kind = chr(one[0])
            locate, stamp = int.from_bytes(one[1:3], "big"), int.from_bytes(one[5:11], "big")
            made = self._rows(kind, locate, one)
            if made is None:
                self.ignored[kind] = self.ignored.get(kind, 0) + 1
                continue
            for row in made:
                self.rows.setdefault(locate, []).append((stamp, row))
        return self

    def _rows(self, kind: str, locate: int, one: bytes) -> list[Row] | None:
        if kind in "AF":
            return [self._add(locate, one)]
        if kind in "ECXDU":
            return self._change(kind, locate, one)
        if kind == "P":
            side = "B" if one[19:20] == b"S" else "N"
            return [("T", side, 0, number(one, 32, 4), number(one, 20, 4), 0, 0, None)]
        if kind == "Q" and number(one, 11, 8):
            shares = number(one, 11, 8)
            fits = shares < 2**32
            row = (
                "T",
                "N",
                0,
                number(one, 27, 4),
                shares if fits else 0,
                0,
                AUCTION,
                None if fits else "size_too_large",
            )
            return [row]
        if kind == "H" or (kind == "h" and one[19:20] == b"Q"):
            state = STATES.get(chr(one[19 if kind == "H" else 20]))
            return [("H", "N", 0, 0, 0, state or 0, 0, "unknown_state" if state is None else None)]
        return None

    def _add(self, locate: int, one: bytes) -> Row:
        ref, shares, price = signed(one, 11), number(one, 20, 4), number(one, 32, 4)
        side = {"B": "B", "S": "A"}.get(chr(one[19]), "N")
        reason = "unknown_side" if side == "N" else "duplicate_order" if ref in self.orders else None
        if reason is None:
            self.orders[ref] = [locate, side, price, shares]
        return ("A", side, ref, price, shares, 0, 0, reason)

    def _change(self, kind: str, locate: int, one: bytes) -> list[Row]:
        ref = signed(one, 11)
        shares = number(one, 19, 4) if kind in "ECX" else 0
        action = "F" if kind in "EC" else "C"
        if ref not in self.orders:
            return [(action, "N", ref, 0, shares, 0, 0, "unknown_order")]
        own, side, price, left = self.orders[ref]
        reason = None
        if own != locate:
            reason = "other_instrument"
        elif shares > left:
            reason = "exceeds_order"
        elif kind == "U" and signed(one, 19) != ref and signed(one, 19) in self.orders:
            reason = "duplicate_order"
        if reason:
            return [(action, side, ref, price, shares, 0, 0, reason)]
        if kind == "D":
            del self.orders[ref]
            return [("C", side, ref, price, left, 0, 0, None)]
        if kind == "U":
            del self.orders[ref]
            new, new_shares, new_price = signed(one, 19), number(one, 27, 4), number(one, 31, 4)
            self.orders[new] = [locate, side, new_price, new_shares]
            return [
                ("C", side, ref, price, left, 0, PARTIAL, None),
                ("A", side, new, new_price, new_shares, 0, 0, None),
            ]
        self.orders[ref][3] -= shares
        if self.orders[ref][3] == 0:
            del self.orders[ref]
        same = ("C", side, ref, price, shares, 0, 0, None)
        if kind == "C" and one[31:32] != b"Y":
            return [same]
        traded = number(one, 32, 4) if kind == "C" else price
        if traded != price:
            return [("T", "A" if side == "B" else "B", 0, traded, shares, 0, PARTIAL, None), same]
        return [(action, *same[1:])]


def number(one: bytes, at: int, size: int) -> int:
    return int.from_bytes(one[at : at + size], "big")


def signed(one: bytes, at: int) -> int:
    return int.from_bytes(one[at : at + 8], "big", signed=True)
