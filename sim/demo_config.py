"""What is planted in the simulated demo market, and how much of it: every number of the plant in one place.

Nobody traded this market and nobody published its headlines; the companies are invented.

Here: the settings and their digest. Not here: paths of prices (sim/demo_paths.py), order flow (sim/demo_flow.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from feeds.calendar import session_bounds
from feeds.errors import StudyError

VENUE = "SIM"
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class DemoInstrument:
    """One invented company and its stock.

    Attributes:
        ticker: Symbol; the instrument is ``<ticker>.SIM``.
        company: As headlines name it.
        price_usd: Before the first open.
        volatility_bps: Of the efficient price in a calm minute.
        events_per_day: Events aimed at in a session of 6.5 hours.
        mean_lots: Mean size of a limit order, shares.
    """

    ticker: str
    company: str
    price_usd: float
    volatility_bps: float
    events_per_day: int
    mean_lots: int

    @property
    def symbol(self) -> str:
        """Instrument id."""
        return f"{self.ticker}.{VENUE}"


@dataclass(frozen=True)
class NewsPlant:
    """Headlines that move the efficient price, at a constant pace from the second they are published.

    Attributes:
        least, most: Headlines an instrument and day, each number equally likely.
        neutral_share: Probability that a headline is neutral and moves nothing; else its sign is a coin toss.
        drift_bps: Total move after a positive or negative headline.
        drift_s: Time the move takes.
        gap_s: Least time between two headlines of an instrument.
        margin_s: No headline in the first and last so many seconds of a session.
    """

    least: int = 3
    most: int = 4
    neutral_share: float = 0.2
    drift_bps: float = 20.0
    drift_s: int = 1200
    gap_s: int = 1500
    margin_s: int = 1200


@dataclass(frozen=True)
class RegimePlant:
    """Calm and turbulent stretches of the whole market: a semi-Markov chain with gamma-distributed stays.

    Attributes:
        calm_min: Mean stay in calm, minutes.
        turbulent_min: Mean stay in turbulence, minutes.
        shape: Shape of the gamma law; 1 would be a Markov chain.
        volatility_factor: Volatility in turbulence over calm.
        activity_factor: Pace of all orders in turbulence over calm.
    """

    calm_min: float = 50.0
    turbulent_min: float = 25.0
    shape: float = 4.0
    volatility_factor: float = 2.5
    activity_factor: float = 2.0


@dataclass(frozen=True)
class CrashPlant:
    """One flash crash: a fast fall of the efficient price, liquidity withdrawn, most of the fall recovered.

    Attributes:
        ticker: Whose.
        date: ISO date.
        start_s: Begin, seconds after the open.
        fall_bps: Depth of the fall.
        fall_s: Time it takes.
        hold_s: Time at the bottom.
        recovery_share: Share of the fall that is recovered.
        recovery_s: Time of the recovery.
        liquidity_share: Pace of limit orders against that of cancellations while it lasts, usually 1: the share of the
            resting depth at which the book would settle.
        market_factor: Market orders while it lasts, against that pace.
        lean_share: How far sides lean towards the efficient price while it lasts, usually 1: at a full lean towards a
            price a hundred spreads away nobody would be left to trade with.
        activity_factor: Pace of all orders while it lasts.
    """

    ticker: str = "ELM"
    date: str = "2026-03-12"
    start_s: int = 16_800
    fall_bps: float = 160.0
    fall_s: int = 90
    hold_s: int = 30
    recovery_share: float = 0.8
    recovery_s: int = 300
    liquidity_share: float = 0.3
    market_factor: float = 4.0
    lean_share: float = 0.1
    activity_factor: float = 8.0

    @property
    def end_s(self) -> int:
        """End, seconds after the open."""
        return self.start_s + self.fall_s + self.hold_s + self.recovery_s


@dataclass(frozen=True)
class SignalPlant:
    """Two external signals, a new standard normal value an instrument and slot, known when the slot begins.

    Attributes:
        slot_s: Length of a slot.
        weak_bps_per_min: Drift during the slot per unit of ``weak_signal``; ``placebo`` moves nothing.
    """

    slot_s: int = 1800
    weak_bps_per_min: float = 0.15


DEMO_INSTRUMENTS = (
    DemoInstrument("OAK", "Oakmere Tools", 84.20, 3.0, 62_000, 120),
    DemoInstrument("ELM", "Elmstead Freight", 62.70, 3.4, 60_000, 150),
    DemoInstrument("ASH", "Ashcombe Foods", 131.50, 2.6, 60_000, 90),
)
DEMO_DATES = (
    *("2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"),
    *("2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"),
)


@dataclass(frozen=True)
class DemoConfig:
    """A whole simulated market.

    Attributes:
        name: Of the market, for folders.
        seed: Of everything random in it.
        dates: ISO dates, all of them XNYS trading days, ascending.
        instruments: The companies.
        correlation: Of the efficient prices' random parts, one row an instrument.
        overnight_bps: Standard deviation of the move between a close and the next open.
        horizon_s: Over which the truth file states expected returns.
        latency_ms: Between a decision and the begin of that horizon.
        session_s: Seconds of a session that are simulated, None for all.
        levels: Price levels a side in the book files.
    """

    name: str = "demo_market"
    seed: int = 20_260_302
    dates: tuple[str, ...] = DEMO_DATES
    instruments: tuple[DemoInstrument, ...] = DEMO_INSTRUMENTS
    correlation: tuple[tuple[float, ...], ...] = ((1.0, 0.6, 0.2), (0.6, 1.0, 0.2), (0.2, 0.2, 1.0))
    overnight_bps: float = 40.0
    news: NewsPlant = NewsPlant()
    regimes: RegimePlant = RegimePlant()
    crash: CrashPlant | None = CrashPlant()
    signals: SignalPlant = SignalPlant()
    horizon_s: int = 300
    latency_ms: int = 100
    session_s: int | None = None
    levels: int = 5

    def __post_init__(self) -> None:
        k = len(self.instruments)
        if k == 0 or [len(row) for row in self.correlation] != [k] * k:
            raise StudyError(
                f"simulated market {self.name}",
                received=f"{k} instruments, correlation rows of {[len(row) for row in self.correlation]}",
                expected="at least one instrument and a square correlation matrix of their number",
            )
        # The calendar takes a second to load, which the shipped market, made on import, is not worth.
        for date in (date for date in self.dates if date not in DEMO_DATES):
            self.bounds_ns(date)

    def bounds_ns(self, date: str) -> tuple[int, int]:
        """Open and end of what is simulated of a date, ns UTC.

        Raises:
            StudyError: The exchange is closed on that date.
        """
        bounds = session_bounds("XNYS", date)
        if bounds is None:
            raise StudyError(f"simulated market {self.name}", received=date, expected="a trading day of XNYS")
        return bounds[0], bounds[1] if self.session_s is None else min(bounds[1], bounds[0] + self.session_s * NS_PER_S)

    def seconds(self, date: str) -> int:
        """Simulated seconds of a date."""
        start, end = self.bounds_ns(date)
        return (end - start) // NS_PER_S

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of all settings."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


DEMO_MARKETS = {"demo_market": DemoConfig()}
