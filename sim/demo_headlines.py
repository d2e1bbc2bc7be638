"""Invented headlines of invented companies, in three moods.

Here: the sentences, when they come, their csv. Not here: what they do to prices (sim/demo_paths.py), how a model reads
them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.demo_config import NS_PER_S, DemoConfig, DemoInstrument

SOURCE = "simulated"
#: ``{company}`` and ``{number}`` are filled in.
POSITIVE = (
    "{company} profit beats expectations, shares jump {number}%",
    "{company} raises full-year outlook after record quarter",
    "{company} wins major contract, stock rallies",
    "{company} upgraded to buy on strong demand",
    "{company} posts {number}% rise in quarterly profit, beating estimates",
    "{company} shares surge as orders grow {number}%",
    "{company} lifts dividend after strong earnings",
    "{company} sales climb {number}%, topping forecasts",
)
NEGATIVE = (
    "{company} shares tumble after profit warning",
    "{company} cuts full-year outlook as demand weakens",
    "{company} misses estimates, stock slumps {number}%",
    "{company} downgraded to sell on falling margins",
    "{company} posts surprise loss, shares drop {number}%",
    "{company} shares plunge as orders fall {number}%",
    "{company} slashes dividend after weak earnings",
    "{company} sales decline {number}%, missing forecasts",
)
NEUTRAL = (
    "{company} to hold annual general meeting in week {number}",
    "{company} names new member of its advisory board",
    "{company} to present at industry conference in week {number}",
    "{company} files routine report with regulator",
    "{company} schedules conference call for week {number}",
    "{company} moves head office within the city",
)
MOODS = {1: POSITIVE, -1: NEGATIVE, 0: NEUTRAL}


@dataclass(frozen=True)
class Headline:
    """One headline.

    Attributes:
        instrument: Place of the instrument in the market.
        second: Seconds after the open.
        mood: 1, -1 or 0.
        text: The sentence.
    """

    instrument: int
    second: int
    mood: int
    text: str


def draw_headlines(config: DemoConfig, seconds: int, rng: np.random.Generator) -> list[Headline]:
    """The headlines of one day, by instrument and time; as many as fit where the day is short."""
    news = config.news
    found = []
    for place, instrument in enumerate(config.instruments):
        wanted = int(rng.integers(news.least, news.most + 1))
        for second in _moments(wanted, seconds, config, rng):
            mood = 0 if rng.random() < news.neutral_share else int(rng.choice((-1, 1)))
            found.append(Headline(place, second, mood, _sentence(instrument, mood, rng)))
    return found


def _moments(wanted: int, seconds: int, config: DemoConfig, rng: np.random.Generator) -> list[int]:
    """Uniform among all sets of moments that keep the gap: draw without it, then push the later ones back."""
    gap, margin = config.news.gap_s, min(config.news.margin_s, seconds // 4)
    room = seconds - 2 * margin
    count = max(0, min(wanted, 1 + (room - 1) // gap))
    loose = np.sort(rng.integers(0, room - gap * (count - 1), size=count)) if count else np.zeros(0, np.int64)
    return [int(margin + moment + gap * k) for k, moment in enumerate(loose.tolist())]


def _sentence(instrument: DemoInstrument, mood: int, rng: np.random.Generator) -> str:
    template = MOODS[mood][int(rng.integers(len(MOODS[mood])))]
    return template.format(company=instrument.company, number=int(rng.integers(3, 20)))


def headlines_csv(config: DemoConfig, days: Sequence[tuple[str, Sequence[Headline]]]) -> str:
    """The file of all days' headlines in the format ``news_csv``, by time."""
    rows = []
    for date, headlines in days:
        open_ns, _ = config.bounds_ns(date)
        for line in headlines:
            ticker = config.instruments[line.instrument].ticker
            rows.append((open_ns + line.second * NS_PER_S, ticker, line.text))
    lines = [f'{iso_utc(stamp)},{ticker},"{text}",{SOURCE}' for stamp, ticker, text in sorted(rows)]
    return "\n".join(["published_at,symbols,headline,source", *lines]) + "\n"


def iso_utc(stamp_ns: int) -> str:
    """A whole second of UTC as ISO text."""
    return dt.datetime.fromtimestamp(stamp_ns // NS_PER_S, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
