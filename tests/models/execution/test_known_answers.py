"""Agents in worlds whose best schedule is known: they come close, and nothing beats it. Short runs; the long ones are
`benchmarks.known_answers`."""

import dataclasses

import numpy as np
import pytest

from benchmarks.known_answers import (
    AC_NUMBERS,
    SCHEDULERS,
    almgren_chriss_answer,
    judged,
    obizhaeva_wang_answer,
    play,
)
from models.execution.config import PpoConfig
from models.execution.ppo import train_ppo

#: About two seconds each.
SHORT = PpoConfig(steps=80_000, seed=1)


def test_a_risk_neutral_agent_finds_twap():
    answer = almgren_chriss_answer(0.0)
    line = judged(answer, train_ppo(answer.make(64, discrete=True), SHORT).policy)
    assert 1.0 - 1e-6 <= line["utility_over_optimum"] < 1.02
    assert line["z_better"] < 3.0


def test_a_risk_averse_agent_closes_nine_tenths_of_the_way_from_twap_to_the_optimum():
    answer = almgren_chriss_answer(1e-6)
    assert answer.even / answer.optimum == pytest.approx(1.369, abs=5e-4)
    line = judged(answer, train_ppo(answer.make(64, discrete=False), SHORT).policy)
    assert 0.9 < line["gap_closed"] <= 1.0 + 1e-6
    assert line["z_better"] < 3.0


def test_an_agent_in_a_resilient_book_trades_a_block_then_evenly_then_a_block():
    answer = obizhaeva_wang_answer()
    assert answer.even / answer.optimum == pytest.approx(1.09, abs=5e-4)
    line = judged(answer, train_ppo(answer.make(64, discrete=False), dataclasses.replace(SHORT, steps=120_000)).policy)
    trades = np.array(line["trades"])
    assert min(trades[0], trades[-1]) > 2.0 * trades[1:-1].mean()
    assert 1.0 - 1e-6 <= line["utility_over_optimum"] < 1.03


@pytest.mark.parametrize("make", [lambda: almgren_chriss_answer(1e-6), obizhaeva_wang_answer], ids=["ac", "ow"])
def test_the_known_schedules_have_the_known_utilities(make):
    answer = make()
    for name, schedule in SCHEDULERS.items():
        line = judged(answer, schedule(answer), episodes=4000)
        wanted = answer.optimum if name == "optimum" else answer.even
        assert line["utility_bps"] == pytest.approx(wanted, rel=1e-5)
        assert abs(line["z_realised"]) < 4.0


def test_an_agent_that_beats_the_optimum_would_be_noticed():
    # the same schedule where trading is cheaper than the closed form was told
    answer = almgren_chriss_answer(0.0)
    cheap = dataclasses.replace(AC_NUMBERS, temporary=0.9 * AC_NUMBERS.temporary)
    cheated = dataclasses.replace(answer, numbers=cheap)
    line = judged(cheated, SCHEDULERS["even"](answer), episodes=4000)
    assert line["utility_over_optimum"] < 0.99
    assert play(cheated, SCHEDULERS["even"](answer), 10).utility.max() < answer.optimum
