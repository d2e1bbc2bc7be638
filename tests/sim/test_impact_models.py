"""Linear impact: what a trade pays, what it leaves, and that neither is counted twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from sim.closed_forms import cheapest_round_trip, optimal_trades, price_covariance
from sim.impact_kernels import kernel_from_response, measure_response, mixture, power_law
from sim.impact_models import Decay, Propagator
from sim.impact_schedules import simulate_shortfall
from sim.impact_state import ImpactState

S = 1_000_000_000
PATHS = 200_000
MIXED = Propagator(2.0, 0.1, 0.3, (Decay(1.0, 0.5), Decay(0.4, 0.05)))

decays = st.builds(Decay, st.floats(0, 3), st.floats(1e-3, 20))
models = st.builds(
    Propagator, st.floats(0, 5), st.floats(0, 2), st.floats(0, 2), st.lists(decays, max_size=4).map(tuple)
)
#: Waits before trades in seconds, and lots.
schedules = st.lists(st.tuples(st.floats(0, 30), st.floats(-50, 50)), min_size=1, max_size=12)


def timed(schedule):
    waits, lots = np.array(schedule).T
    return np.cumsum(waits), lots


@settings(deadline=None)
@given(models, schedules)
def test_following_the_trades_costs_what_the_matrix_says(model, schedule):
    times, lots = timed(schedule)
    followed = simulate_shortfall(model, times, lots, volatility=0.0, paths=1, seed=0)[0]
    scale = 1 + np.abs(lots).sum() ** 2 * model.walked_ticks_per_lot
    assert followed == pytest.approx(model.expected_cost(times, lots), abs=1e-9 * scale)


@settings(deadline=None)
@given(models, schedules)
def test_no_round_trip_earns(model, schedule):
    times, lots = timed([*schedule, (0.0, -sum(lots for _, lots in schedule))])
    scale = 1 + np.abs(lots).sum() ** 2 * model.walked_ticks_per_lot
    assert simulate_shortfall(model, times, lots, volatility=0.0, paths=1, seed=0)[0] >= -1e-9 * scale
    if len(times) > 1:
        assert cheapest_round_trip(model.matrix(times))[0] >= -1e-9 * (1 + model.walked_ticks_per_lot)


@settings(deadline=None)
@given(models, schedules)
def test_the_state_is_the_sum_of_the_kernel_over_all_trades(model, schedule):
    times, lots = timed(schedule)
    stamps = np.round(times * S).astype(np.int64)
    state = ImpactState(model)
    for stamp, traded in zip(stamps.tolist(), lots.tolist(), strict=True):
        state.trade(stamp, traded)
    now = int(stamps[-1]) + 3 * S
    wanted = model.kernel((now - stamps) / S) @ lots
    assert state.shift_ticks(now) == pytest.approx(wanted, abs=1e-9 * (1 + np.abs(lots).sum()))
    state.clear()
    assert state.shift_ticks(now) == 0


def test_a_trade_pays_spread_walk_and_half_of_its_own_shift():
    state = ImpactState(MIXED)
    assert state.premium_ticks(10) == pytest.approx(2.0 + (0.1 + (0.3 + 1.0 + 0.4) / 2) * 10)
    assert state.premium_ticks(-10) == -state.premium_ticks(10)
    state.trade(0, 10)
    assert state.shift_ticks(0) == pytest.approx(17)
    assert state.shift_ticks(10_000 * S) == pytest.approx(3)


@pytest.mark.parametrize("lots", [even := np.full(5, 2e5), np.array([458_044.0, 252_102, 141_956, 85_756, 62_142])])
@pytest.mark.parametrize("sign", [1, -1])
def test_paths_of_almgren_and_chriss_have_mean_and_deviation_of_the_closed_form(lots, sign):
    world = Propagator.almgren_chriss(half_spread=1 / 16, permanent=2.5e-7, temporary=2.5e-6, period_s=1.0)
    times = np.arange(5.0)
    costs = simulate_shortfall(world, times, sign * lots, volatility=0.95, paths=PATHS, seed=3)
    deviation = (lots @ price_covariance(times, 0.95) @ lots) ** 0.5
    known = (662_500, 1_040_673) if lots is even else (911_227, 603_431)
    assert (world.expected_cost(times, sign * lots), deviation) == pytest.approx(known, abs=2)
    assert costs.mean() == pytest.approx(known[0], abs=4 * known[1] / PATHS**0.5)
    assert costs.std() == pytest.approx(known[1], rel=4 / (2 * PATHS) ** 0.5)


@pytest.mark.parametrize("model", [MIXED, Propagator.obizhaeva_wang(2.0, 0.2), power_law(0.5, 0.2, 0.5, 10.0)])
def test_paths_of_any_kernel_have_mean_and_deviation_of_the_closed_form(model):
    times, rng = np.array([0.0, 0.5, 0.5, 3.0, 7.5, 10.0]), np.random.default_rng(1)
    lots = rng.normal(5, 10, times.size)
    costs = simulate_shortfall(model, times, lots, volatility=3.0, paths=PATHS, seed=8)
    deviation = (lots @ price_covariance(times, 3.0) @ lots) ** 0.5
    assert costs.mean() == pytest.approx(model.expected_cost(times, lots), abs=4 * deviation / PATHS**0.5)
    assert costs.std() == pytest.approx(deviation, rel=4 / (2 * PATHS) ** 0.5)


def better_by(model, times, lots, than, seed):
    """How many standard errors ``lots`` are cheaper than ``than`` on the same prices."""
    mine, theirs = (
        simulate_shortfall(model, times, each, volatility=5.0, paths=20_000, seed=seed) for each in (lots, than)
    )
    saved = theirs - mine
    return saved.mean() / (saved.std() / saved.size**0.5)


@pytest.mark.parametrize(
    "model",
    [
        Propagator.almgren_chriss(half_spread=1.0, permanent=0.01, temporary=0.2, period_s=1.0),
        Propagator.obizhaeva_wang(2.0, 0.3),
        power_law(0.5, 0.2, 0.5, 10.0),
        MIXED,
    ],
    ids=["almgren-chriss", "obizhaeva-wang", "power law", "mixed"],
)
def test_no_schedule_beats_the_optimum_significantly(model):
    times, rng = np.linspace(0, 10, 11), np.random.default_rng(5)
    best = optimal_trades(model.matrix(times), 100.0)
    rivals = [np.full(11, 100 / 11), *(100 * rng.dirichlet(np.ones(11)) for _ in range(15))]
    rivals += [best + 0.5 * (rival - best) for rival in rivals]
    assert max(better_by(model, times, rival, best, seed) for seed, rival in enumerate(rivals)) < 4


def test_the_optimum_beats_an_even_schedule_significantly_where_depth_comes_back_slowly():
    model, times = Propagator.obizhaeva_wang(0.1, 0.3), np.linspace(0, 10, 11)
    best, flat = optimal_trades(model.matrix(times), 100.0), np.full(11, 100 / 11)
    assert better_by(model, times, best, flat, 1) > 5


def test_the_same_seed_gives_the_same_prices_to_every_schedule():
    times = np.arange(4.0)
    free = Propagator()
    one, other = (simulate_shortfall(free, times, np.eye(4)[k], volatility=1.0, paths=50, seed=2) for k in range(2, 4))
    both = simulate_shortfall(free, times, np.array([0, 0, 1.0, 1.0]), volatility=1.0, paths=50, seed=2)
    np.testing.assert_allclose(one + other, both)
    assert (one != other).all()
    again = simulate_shortfall(free, times, np.eye(4)[2], volatility=1.0, paths=50, seed=2)
    np.testing.assert_array_equal(one, again)
    assert (simulate_shortfall(free, times, np.eye(4)[2], volatility=1.0, paths=50, seed=3) != one).all()


class BlockBook:
    """Asks of even density; what was taken is missing until it is refilled. Knows no propagator."""

    def __init__(self, depth, refill_per_s, overlay):
        self.depth, self.refill, self.overlay = depth, refill_per_s, overlay
        self.missing, self.last_s, self.spent = 0.0, 0.0, 0.0

    def buy(self, at_s, lots):
        self.missing *= np.exp(-self.refill * (at_s - self.last_s))
        best = self.missing / self.depth + self.overlay.shift_ticks(round(at_s * S))
        self.spent += lots * (best + 0.5 * lots / self.depth)
        self.missing += lots
        self.last_s = at_s
        self.overlay.trade(round(at_s * S), lots)


def test_a_consumed_book_and_what_is_laid_over_it_charge_a_trade_once():
    depth, refill = 2.0, 0.5
    whole = Propagator(0.0, 0.0, 0.0, (Decay(0.5, refill), Decay(0.2, 0.01)))
    times, lots = np.array([0.0, 1.0, 2.5, 2.5, 9.0]), np.array([4.0, 1.0, 7.0, 2.0, 3.0])
    spent = []
    for overlay in (whole.beyond_consumed_depth(1 / depth), whole):
        book = BlockBook(depth, refill, ImpactState(overlay))
        for at_s, traded in zip(times.tolist(), lots.tolist(), strict=True):
            book.buy(at_s, traded)
        spent.append(book.spent)
    # Past trades as the propagator has them; of its own shift a trade pays what it walks.
    own_shift_not_walked = 0.5 * 0.2 * np.square(lots).sum()
    assert spent[0] == pytest.approx(whole.expected_cost(times, lots) - own_shift_not_walked)
    assert spent[1] > 1.25 * spent[0]


def test_the_gap_comes_off_the_fastest_decays_and_never_off_what_is_permanent():
    rest = MIXED.beyond_consumed_depth(1.2)
    assert rest.permanent_ticks_per_lot == 0.3
    assert rest.half_spread_ticks == rest.instant_ticks_per_lot == 0
    assert [decay.rate_per_s for decay in rest.decays] == [0.05]
    assert rest.decays[0].ticks_per_lot == pytest.approx(0.2)
    assert MIXED.beyond_consumed_depth(0.0).at_once_ticks_per_lot == MIXED.at_once_ticks_per_lot
    with pytest.raises(StudyError, match="beyond consumed depth"):
        MIXED.beyond_consumed_depth(1.5)


@pytest.mark.parametrize(("scale_s", "exponent"), [(0.02, 0.5), (1.0, 0.2), (5.0, 2.0), (1e-3, 0.4)])
def test_a_power_law_is_its_mixture_at_every_age(scale_s, exponent):
    ages = np.concatenate([[0.0], np.geomspace(1e-5, 1_000, 200)])
    found = power_law(3.0, scale_s, exponent, 1_000.0).kernel(ages)
    np.testing.assert_allclose(found, 3.0 * (1 + ages / scale_s) ** -exponent, rtol=1e-5)


def test_a_given_kernel_becomes_a_mixture_and_one_that_is_none_is_refused():
    model = mixture(lambda ages: 0.3 + 0.5 * np.exp(-ages) + 0.2 / (1 + ages), 0.1, 50.0)
    ages = np.linspace(0.1, 50, 333)
    np.testing.assert_allclose(model.kernel(ages), 0.3 + 0.5 * np.exp(-ages) + 0.2 / (1 + ages), atol=2e-3)
    for kernel in (lambda ages: 1 + ages, lambda ages: np.exp(-((ages - 2) ** 2)), lambda ages: (ages < 5) * 1.0):
        with pytest.raises(StudyError, match="kernel that decays approach"):
            mixture(kernel, 0.1, 50.0)


def test_the_kernel_is_found_again_in_the_response_of_signs_with_memory():
    rng, n, lags = np.random.default_rng(4), 400_000, 12
    # Signs that copy the one before with probability .7: their correlation is .7 to the power of the lag.
    changes = rng.random(n) > 0.7
    drawn = rng.choice([-1.0, 1.0], n)
    signs = drawn[np.maximum.accumulate(np.where(changes, np.arange(n), 0))]
    kernel = 0.2 + 0.8 * 0.5 ** np.arange(1, lags + 1)
    far = np.concatenate([kernel[-1:], kernel])
    # Beyond the last lag the kernel is constant: old trades add to the level alone, which no response sees.
    mids = np.convolve(signs, far - kernel[-1])[:n] + kernel[-1] * np.concatenate([[0.0], np.cumsum(signs)[:-1]])
    response, memory = measure_response(signs, mids, lags)
    np.testing.assert_allclose(memory[:4], 0.7 ** np.arange(1, 5), atol=0.01)
    found = kernel_from_response(response, memory)
    np.testing.assert_allclose(found, kernel, atol=0.01)
    # The response is another thing: it falls far less.
    assert response[5] / response[0] > 0.9 > 0.5 > kernel[5] / kernel[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Decay(-1.0, 1.0), "no negative weight"),
        (lambda: Decay(1.0, 0.0), "a positive rate"),
        (lambda: Propagator(permanent_ticks_per_lot=-0.1), "none negative"),
        (lambda: Propagator(instant_ticks_per_lot=float("nan")), "finite"),
        (lambda: Propagator.almgren_chriss(0.0, permanent=1.0, temporary=0.4, period_s=1.0), "none negative"),
        (lambda: Propagator.obizhaeva_wang(0.0, 1.0), "above 0"),
        (lambda: Propagator.obizhaeva_wang(2.0, 1.0, permanent=0.6), "no negative weight"),
        (lambda: power_law(1.0, 0.0, 0.5, 1.0), "positive numbers"),
        (lambda: mixture(np.exp, 2.0, 1.0), "first < last"),
        (lambda: measure_response(np.ones(3), np.ones(3), 3), "more than lags"),
        (lambda: kernel_from_response(np.ones(3), np.ones(2)), "as many"),
        (
            lambda: simulate_shortfall(MIXED, np.array([1.0, 0.5]), np.ones(2), volatility=1.0, paths=1, seed=0),
            "rising order",
        ),
        (lambda: simulate_shortfall(MIXED, np.array([-1.0]), np.ones(1), volatility=1.0, paths=1, seed=0), "rising"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(StudyError, match=said):
        call()
