"""Rules that follow volume, rules that are fitted, foresight: closed forms, brute force, and hand-made markets."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError, LakeError, SchemaError, StudyError
from models.execution.almgren_chriss import almgren_chriss_fractions
from models.execution.baselines import twap_passive, twap_taker
from models.execution.calibrated_schedule import measure_impact
from models.execution.evaluation import Episode, both_sides, play
from models.execution.foresight import Foresight, cheapest_plan
from models.execution.hendricks_wilcox import TILTS, tilted
from models.execution.no_order import no_order_run
from models.execution.participation import Popv, Pov
from models.execution.submit_and_leave import LimitAndLeave, optimise_level
from models.execution.tabular_q import (
    QConfig,
    Visits,
    columns_of,
    fill_table,
    inventory_level,
    learn_table,
    limit_order,
    table_from_json,
    table_to_json,
    train_tabular_q,
)
from tests.support.linear_impact_env import (
    ARRIVAL_TICKS,
    DECISIONS,
    IMPACT_BPS,
    OBSERVATIONS,
    PARENT_LOTS,
    LinearImpactEnv,
)

SEEN = np.zeros(3, dtype=np.float32)


def quotes(**changes):
    told = {"side": 0, "parent_lots": 100, "remaining_lots": 100, "decisions_left": 4, "bid_px": 99, "ask_px": 103}
    return told | {"increment_ticks": 1, "bid_lots": 30, "ask_lots": 7, "traded_lots_60s": 50} | changes


def test_pov_takes_its_share_of_the_pace_and_carries_fractions_of_a_lot():
    rule = Pov(0.05, interval_s=30.0)
    rule.begin(quotes(), seed=1)
    assert [rule.instruction(SEEN, quotes()) for _ in range(4)] == [(1, 0, 0), (1, 0, 0), (1, 0, 0), (2, 0, 0)]
    assert rule.instruction(SEEN, quotes(traded_lots_60s=10**6)) == (100, 0, 0)


def test_pov_forgets_the_last_order():
    rule = Pov(0.01, interval_s=30.0)
    rule.begin(quotes(), seed=1)
    first = [rule.instruction(SEEN, quotes()) for _ in range(5)]
    rule.begin(quotes(), seed=2)
    assert [rule.instruction(SEEN, quotes()) for _ in range(5)] == first


def test_popv_takes_from_the_opposite_side_at_every_so_many_decisions():
    rule = Popv(2, share=0.5)
    rule.begin(quotes(), seed=1)
    assert [rule.instruction(SEEN, quotes(decisions_left=left)) for left in (4, 3, 2, 1)] == [
        (4, 0, 0),
        (0, 0, 0),
        (4, 0, 0),
        (0, 0, 0),
    ]
    assert rule.instruction(SEEN, quotes(side=1)) == (15, 0, 0)


@pytest.mark.parametrize("make", [lambda: Pov(0.0, 30), lambda: Pov(0.1, 0), lambda: Popv(0), lambda: Popv(1, 1.5)])
def test_participation_out_of_range_is_refused(make):
    with pytest.raises(StudyError, match="rule PO"):
        make()


def test_a_left_order_stays_at_its_price_while_the_quotes_move():
    rule = LimitAndLeave(-2)
    rule.begin(quotes(), seed=1)
    assert rule.instruction(SEEN, quotes()) == (0, 100, -2)
    assert rule.instruction(SEEN, quotes(bid_px=95, ask_px=97, remaining_lots=40)) == (0, 40, 2)
    rule.begin(quotes(side=1), seed=1)
    assert rule.price_ticks == 105
    assert rule.instruction(SEEN, quotes(side=1, ask_px=101)) == (0, 100, -4)


def test_a_left_order_never_stands_where_it_would_trade():
    rule = LimitAndLeave(50)
    rule.begin(quotes(), seed=1)
    assert rule.price_ticks == 102
    rule.begin(quotes(side=1), seed=1)
    assert rule.price_ticks == 100


class FillsAtLevel(LinearImpactEnv):
    """What rests at ``level`` or nearer fills at once for a bps an increment; the rest is dear."""

    def execute(self, instruction):
        _, rest, offset = instruction
        if rest and offset >= -3 and self.done == 0:
            self.left -= rest
            self.spread += 1.0 * (offset + 3)
        return super().execute((0, 0, 0))


def test_the_level_that_was_cheapest_in_training_is_chosen_and_its_curve_is_u_shaped():
    found = optimise_level(lambda number: FillsAtLevel(0.0), both_sides(4, 1), levels=(-6, -4, -3, -2, 0))
    assert found.level == found.policy().level == -3
    assert found.curve["is_bps"].to_list() == pytest.approx([IMPACT_BPS, IMPACT_BPS, 0.0, 1.0, 3.0])
    assert found.curve["told_apart"].to_list() == [True, True, False, True, True]
    with pytest.raises(InsufficientDataError, match="submit and leave"):
        optimise_level(lambda number: FillsAtLevel(), [])


class RiskyBehind(LinearImpactEnv):
    """Behind the best quote an order is cheaper by a little in the mean and scatters much."""

    def execute(self, instruction):
        if self.done == 0 and instruction[2] < 0:
            self.spread += -0.01 + 40.0 * (1 - 2 * self.side)
        return super().execute((0, 0, 0))


def test_of_levels_that_cannot_be_told_apart_the_surest_is_taken():
    found = optimise_level(lambda number: RiskyBehind(0.0), both_sides(30, 1), levels=(-2, 0))
    assert found.level == 0 and not found.curve["told_apart"].any()


def test_measured_impact_is_that_of_the_world_and_gives_its_schedule():
    found = measure_impact(lambda number: LinearImpactEnv(4.0), both_sides(200, 3))
    assert found.concession_bps == pytest.approx(IMPACT_BPS)
    assert found.fixed_bps == pytest.approx(0.0, abs=1e-9)
    assert found.volatility_bps == pytest.approx(4.0, rel=0.1)
    # mean + lambda variance is least on the schedule: no neighbour in the cone of schedules is better
    risk = 0.5
    best = almgren_chriss_fractions(DECISIONS, found.kappa_t(risk))

    def utility(x):
        left = 1.0 - np.cumsum(x)
        return found.concession_bps * (x**2).sum() + risk * found.volatility_bps**2 * (left**2).sum()

    for first, second in product(range(DECISIONS), repeat=2):
        moved = best.copy()
        moved[first] += 1e-4
        moved[second] -= 1e-4
        assert utility(moved) >= utility(best) - 1e-12
    assert found.kappa_t(0.0) == 0.0


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 3)), min_size=1, max_size=4),
    st.integers(0, 6),
)
def test_the_programme_finds_what_trying_every_plan_finds(terms, lots):
    prices, walks = (np.array(part) for part in zip(*terms, strict=True))
    plan = cheapest_plan(prices, walks, lots)
    assert plan.sum() == lots and (plan >= 0).all()
    every = [q for q in product(range(lots + 1), repeat=len(terms)) if sum(q) == lots]
    least = min(float((np.array(q) * prices + walks * np.array(q) ** 2).sum()) for q in every)
    assert float((plan * prices + walks * plan**2).sum()) == pytest.approx(least, abs=1e-9)


def test_a_plan_of_parcels_adds_up_and_impossible_ones_are_refused():
    assert cheapest_plan(np.zeros(3), np.full(3, 1.0), 1001, parcels=10).sum() == 1001
    for bad in ((np.zeros(0), np.zeros(0), 5), (np.zeros(2), np.zeros(3), 5), (np.zeros(2), np.full(2, -1.0), 5)):
        with pytest.raises(StudyError, match="foresight"):
            cheapest_plan(*bad)


def known_path_optimum(env, seed, side):
    """Least cost in bps on a known path by the conditions of Karush, Kuhn and Tucker, bisected on their multiplier."""
    run = no_order_run(env, seed, side)
    sign = 1.0 if side == 0 else -1.0
    drift = sign * (run.mid / ARRIVAL_TICKS - 1.0) * 1e4
    low, high = drift.min(), drift.max() + 2 * IMPACT_BPS
    for _ in range(80):
        multiplier = (low + high) / 2
        shares = np.maximum(0.0, (multiplier - drift) / (2 * IMPACT_BPS))
        low, high = (multiplier, high) if shares.sum() < 1 else (low, multiplier)
    return float((shares * drift + IMPACT_BPS * shares**2).sum())


def test_foresight_reaches_the_optimum_of_a_known_path_and_no_rule_does():
    env = LinearImpactEnv(8.0)
    oracle = Foresight(LinearImpactEnv(8.0), [twap_taker()], concession_bps=IMPACT_BPS)
    gains = []
    for order in both_sides(20, 4):
        least = known_path_optimum(env, order.seed, order.side)
        found = play(env, oracle, order)[0]["is_bps"]
        assert least - 1e-9 <= found <= least + 0.02
        gains.append(play(env, twap_taker(), order)[0]["is_bps"] - found)
    assert min(gains) >= 0 and np.mean(gains) > 0.5


def test_foresight_works_the_cheapest_of_its_rules_where_plans_of_taking_are_dear():
    env = FillsAtLevel(0.0)
    info, _ = play(env, Foresight(FillsAtLevel(0.0), [LimitAndLeave(-3), twap_passive()]), Episode(3, 1))
    assert info["is_bps"] == pytest.approx(0.0)


def test_inventory_levels_round_up_and_the_last_actions_cross_the_displayed_lots_or_an_even_slice():
    assert [inventory_level(quotes(remaining_lots=left), 8) for left in (100, 88, 87, 1, 0)] == [7, 7, 6, 0, 0]
    meaning = limit_order((-1, 0))
    told = quotes(remaining_lots=9)
    assert [meaning(action, told) for action in range(4)] == [(0, 9, -1), (0, 9, 0), (7, 2, 0), (3, 6, 0)]


def test_the_table_holds_the_means_of_hand_made_visits_backwards_in_time():
    # two decisions; at the second, action 1 costs 1 and action 0 costs 5: the first must reckon with 1
    time = np.array([0, 1, 0, 1], dtype=np.int64)
    zeros = np.zeros(4, dtype=np.int64)
    visits = Visits(
        time, zeros, np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.array([2.0, 5.0, 3.0, 1.0]), np.array([1, -1, 3, -1])
    )
    table = fill_table(visits, 2, 3, QConfig(variables=("x",), bins=1, inventories=1))
    np.testing.assert_allclose(table.costs[:, 0, 0], [[3.0, 4.0, np.inf], [5.0, 1.0, np.inf]])
    assert table.act(0, 0, np.zeros(1)) == 0 and table.act(1, 0, np.zeros(1)) == 1
    assert table.counts[:, 0, 0].tolist() == [[1, 1, 0], [1, 1, 0]]


class Signal(LinearImpactEnv):
    """The drift observation says which action is free: a buyer's market or a seller's, drawn anew at each decision."""

    def reset(self, *, seed=None, options=None):
        self.random = np.random.default_rng(seed)
        self.signal = float(self.random.normal())
        return super().reset(seed=seed, options=options)

    def execute(self, instruction):
        take, rest, _ = instruction
        wrong = (self.signal > 0) != (take > 0)
        self.spread += 3.0 * wrong
        self.signal = float(self.random.normal())
        state, reward, ended, cut, info = super().execute((0, 0, 0) if rest else instruction)
        return state, reward - 3.0 * wrong, ended, cut, info

    def _state(self):
        return np.array([self.done / DECISIONS, self.left / PARENT_LOTS, self.signal], dtype=np.float32)

    def _trade(self, lots):
        self.left -= lots
        return 0.0


def test_a_table_learns_to_follow_a_signal_and_the_same_seed_learns_the_same():
    config = QConfig(variables=("drift_bps",), bins=2, inventories=1, episodes=200, seed=5)

    def meaning(action, info):
        return ((1, 0, 0), (0, 1, 0))[action]

    table = learn_table(lambda number: Signal(0.0), meaning, 2, OBSERVATIONS, config)
    signals = np.array([-1.5, 1.5])
    acts = [[table.act(time, 0, signals[[side]]) for side in (0, 1)] for time in range(DECISIONS)]
    assert acts == [[1, 0]] * DECISIONS
    again = learn_table(lambda number: Signal(0.0), meaning, 2, OBSERVATIONS, config)
    np.testing.assert_array_equal(table.costs, again.costs)


def test_a_table_survives_its_text_and_other_text_is_refused():
    config = QConfig(variables=("inventory_share",), episodes=12, rounds=2)
    learned = train_tabular_q(lambda number: LinearImpactEnv(), OBSERVATIONS, config)
    table, back = table_from_json(table_to_json(learned.table, config))
    assert back == config
    np.testing.assert_array_equal(table.costs, learned.table.costs)
    np.testing.assert_array_equal(table.edges, learned.table.edges)
    for text in ("{}", "[]", "no json", '{"format": "other"}'):
        with pytest.raises(LakeError, match="table of execution costs"):
            table_from_json(text)


def test_unknown_variables_and_empty_learning_are_refused():
    with pytest.raises(SchemaError, match="imbalance"):
        columns_of(OBSERVATIONS, ("imbalance",))
    with pytest.raises(StudyError, match="tabular learning"):
        QConfig(episodes=0)


def test_a_tilt_of_one_is_the_schedule_and_the_last_decision_takes_the_rest():
    meaning = tilted(1.5, DECISIONS)
    fractions = almgren_chriss_fractions(DECISIONS, 1.5)
    left = 100_000
    for number, share in enumerate(fractions):
        told = quotes(remaining_lots=left, decisions_left=DECISIONS - number)
        take, rest, _ = meaning(TILTS.index(1.0), told)
        assert rest == 0 and take == pytest.approx(share * 100_000, abs=2)
        left -= take
    assert left == 0
    assert meaning(0, quotes()) == (0, 0, 0)
    assert meaning(0, quotes(decisions_left=1, remaining_lots=9)) == (9, 0, 0)
