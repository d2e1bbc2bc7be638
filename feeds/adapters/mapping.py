"""What the columns of a foreign csv or Parquet file mean, as a YAML beside it says; see docs/mapping.md.

Here: the schema of a mapping and its errors. Not here: which mapping belongs to a file (mapping_files.py), reading the
file (mapped.py).
"""

from __future__ import annotations

import datetime as dt
import difflib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from feeds.errors import UnreadableFileError
from feeds.schema import SIDES

Rows = Literal["trades", "quotes", "levels", "orders"]
TimeUnit = Literal["ns", "us", "ms", "s", "iso", "clock", "timestamp"]
#: Columns a kind of rows must have, and those it may have.
NEEDED: dict[str, tuple[str, ...]] = {
    "trades": ("price", "size"),
    "quotes": ("bid_price", "ask_price"),
    "levels": ("price", "size", "side"),
    "orders": ("price", "size", "side", "order_id", "action"),
}
ALLOWED: dict[str, tuple[str, ...]] = {
    "trades": ("price", "size", "side", "order_id"),
    "quotes": ("bid_price", "bid_size", "ask_price", "ask_size"),
    "levels": ("price", "size", "side"),
    "orders": ("price", "size", "side", "order_id", "action"),
}
VALUE_COLUMNS = ("price", "size", "side", "order_id", "action", "bid_price", "bid_size", "ask_price", "ask_size")
#: Actions of rows of ``orders``.
ORDER_ACTIONS = ("A", "M", "C", "F", "T", "R")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Time(_Strict):
    """Where a row's time stands.

    Attributes:
        column: Column of the time.
        unit: ``ns``, ``us``, ``ms``, ``s``: a count since 1970-01-01 UTC, or since midnight where a date is given,
            whole or with decimals; ``iso``: an ISO date and time; ``clock``: a clock time beside a date;
            ``timestamp``: a timestamp column of a Parquet file.
        timezone: Zone of clock times that state none and of midnight, e.g. ``America/New_York``.
        date: The date of all rows.
        date_column: Column of each row's date.
    """

    column: str
    unit: TimeUnit
    timezone: str | None = None
    date: dt.date | None = None
    date_column: str | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            return value if value is None else ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("a time zone such as UTC or America/New_York") from error

    @model_validator(mode="after")
    def _consistent(self) -> Time:
        dated = self.date is not None or self.date_column is not None
        if self.date is not None and self.date_column is not None:
            raise ValueError("date or date_column, not both")
        if self.unit == "clock" and not dated:
            raise ValueError("unit clock together with date or date_column")
        if self.unit in ("iso", "timestamp") and dated:
            raise ValueError(f"unit {self.unit} without date or date_column")
        if dated and self.timezone is None:
            raise ValueError("a timezone together with date or date_column: it says whose midnight")
        return self

    @property
    def dated(self) -> bool:
        """Whether the time counts from a midnight."""
        return self.date is not None or self.date_column is not None


class Symbol(_Strict):
    """Whose rows they are.

    Attributes:
        column: Column of the symbol.
        constant: The one symbol of the file.
        names: Symbol in the file -> ticker to use; others stay as they are.
    """

    column: str | None = None
    constant: str | None = None
    names: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> Symbol:
        if (self.column is None) == (self.constant is None):
            raise ValueError("either column or constant")
        return self


class Coded(_Strict):
    """A column of codes.

    Attributes:
        column: The column.
        values: Text in the file -> code of the project. A row with another text is rejected.
    """

    column: str
    values: dict[str, str] = Field(min_length=1)

    @field_validator("values", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        # YAML reads 1 and -1 as numbers; they are texts of the file.
        plain = isinstance(value, dict) and not any(isinstance(key, bool) for key in value)
        return {str(key): code for key, code in value.items()} if plain else value


class Mapping(_Strict):
    """A mapping; see the module docstring and docs/mapping.md.

    Attributes:
        files: Globs of the names of the files it speaks of; not needed in ``<file>.t2t.yaml``.
        format: ``csv`` (plain or gzip) or ``parquet``.
        rows: What a row is: a trade, a best quote of both sides, a level's new total, an order's event.
        venue: Venue of the instruments.
        symbol: See `Symbol`.
        time: When the venue stamped the row.
        receive_time: When it was received; by default at ``time``.
        price: Column of the price.
        size: Column of the size.
        side: Of the aggressor (trades), of the level or the resting order; B, A or N.
        order_id: Column of whole numbers.
        action: One of A M C F T R; see feeds/schema.py.
        bid_price: Column; likewise the next three. Without sizes a quote has one lot.
        bid_size: See ``bid_price``.
        ask_price: See ``bid_price``.
        ask_size: See ``bid_price``.
        delimiter: Character between the cells of a csv.
        header: Whether a csv's first line names its columns.
        columns: Names of the columns of a csv without such a line.
        tick_size: Price per unit of the integer prices; a price between two of them is rejected.
        lot_size: Size per unit of the integer sizes.
        quote_increment_ticks: See `feeds.instruments.InstrumentSpec`.
        currency: See there.
    """

    files: tuple[str, ...] = ()
    format: Literal["csv", "parquet"]
    rows: Rows
    venue: str = Field(pattern=r"^[A-Z0-9_]+$")
    symbol: Symbol
    time: Time
    receive_time: Time | None = None
    price: str | None = None
    size: str | None = None
    side: Coded | None = None
    order_id: str | None = None
    action: Coded | None = None
    bid_price: str | None = None
    bid_size: str | None = None
    ask_price: str | None = None
    ask_size: str | None = None
    delimiter: str = Field(default=",", pattern=r"^[,;|\t ]$")
    header: bool = True
    columns: tuple[str, ...] = ()
    tick_size: float = Field(gt=0, allow_inf_nan=False)
    lot_size: float = Field(gt=0, allow_inf_nan=False)
    quote_increment_ticks: int = Field(default=1, ge=1)
    currency: str = "USD"

    @field_validator("files", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Mapping:
        given = [name for name in VALUE_COLUMNS if getattr(self, name) is not None]
        if missing := [name for name in NEEDED[self.rows] if name not in given]:
            raise ValueError(f"rows {self.rows} together with {missing}")
        if foreign := [name for name in given if name not in ALLOWED[self.rows]]:
            raise ValueError(f"rows {self.rows} without {foreign}")
        if (self.bid_size is None) != (self.ask_size is None):
            raise ValueError("bid_size and ask_size, or neither")
        self._check_codes()
        self._check_format()
        return self

    def _check_codes(self) -> None:
        for coded, allowed in ((self.side, SIDES), (self.action, ORDER_ACTIONS)):
            wrong = sorted(set(coded.values.values()) - set(allowed)) if coded is not None else []
            if wrong:
                raise ValueError(f"values among {list(allowed)}, not {wrong}")

    def _check_format(self) -> None:
        if self.format == "csv" and not self.header and not self.columns:
            raise ValueError("columns: the names of all columns, as the file has no header")
        if (self.header or self.format == "parquet") and self.columns:
            raise ValueError("columns only for a csv without header")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns of different names")
        if self.columns and (unknown := sorted(set(self.wanted) - set(self.columns))):
            raise ValueError(f"columns that are listed, not {unknown}")
        times = [time for time in (self.time, self.receive_time) if time is not None]
        if self.format == "csv" and any(time.unit == "timestamp" for time in times):
            raise ValueError("unit timestamp only in Parquet files")

    @property
    def wanted(self) -> tuple[str, ...]:
        """Columns of the file that are read, each once."""
        names = [self.symbol.column, self.price, self.size, self.order_id]
        names += [self.bid_price, self.bid_size, self.ask_price, self.ask_size]
        names += [coded.column for coded in (self.side, self.action) if coded is not None]
        for time in (self.time, self.receive_time):
            names += [time.column, time.date_column] if time is not None else []
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @property
    def tick(self) -> Decimal:
        """``tick_size`` as it was written."""
        return Decimal(repr(self.tick_size))

    @property
    def lot(self) -> Decimal:
        """``lot_size`` as it was written."""
        return Decimal(repr(self.lot_size))


def parse_mapping(path: Path, text: str) -> Mapping:
    """Validate the YAML of a mapping.

    Args:
        path: Where it lies, for errors.
        text: The YAML.

    Raises:
        UnreadableFileError: A key or a value is wrong; names the key, what was found and what is allowed.
    """
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark is not None else "line 1"
        raise UnreadableFileError(path, place, "valid YAML", " ".join(str(error).split())) from error
    if not isinstance(tree, dict):
        raise UnreadableFileError(path, "line 1", "a mapping of keys", type(tree).__name__)
    try:
        return Mapping.model_validate(tree)
    except ValidationError as error:
        raise UnreadableFileError(path, *_explained(error.errors()[0])) from error


def _explained(item: Any) -> tuple[str, str, str]:
    """Key, what is allowed and what was found."""
    place = [str(part) for part in item["loc"]]
    key = f"key {'.'.join(place)}" if place else "the whole file"
    if item["type"] == "extra_forbidden":
        allowed = _keys(place[:-1])
        near = difflib.get_close_matches(place[-1], allowed, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return key, f"one of the keys {allowed}{hint}", "an unknown key"
    if item["type"] == "missing":
        return key, "this key", "nothing"
    message = item["msg"].removeprefix("Value error, ")
    found = repr(item["input"]) if item["type"] != "value_error" or place else "another combination"
    return key, message, found[:200]


def _keys(place: list[str]) -> list[str]:
    model: Any = Mapping
    for part in place:
        kinds = [model.model_fields[part].annotation] if part in model.model_fields else []
        kinds = [*kinds, *(kind for outer in kinds for kind in get_args(outer))]
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return sorted(model.model_fields)
