"""The queue-reactive book: against its plain twin, its laws against closed forms."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError, UnreadableFileError
from sim.qrm_params import CANCEL, LIMIT, MARKET, QrmParams, birth_death_law, read_qrm
from sim.qrm_python import PythonQrm
from sim.qrm_simulate import jumps_after_buying_the_ask, occupancy, run_alone, simulate_qrm

EXAMPLE = QrmParams.example()
probability = st.floats(0.0, 1.0)


@st.composite
def markets(draw):
    levels, q = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rates = rng.uniform(0.01, 1.0, (levels, q + 1, 2, 3))
    rates[:, 0, :, CANCEL] = 0.0  # takers may come to an empty queue; nothing is there to cancel
    sizes = tuple(float(size) for size in rng.uniform(100, 1000, levels))
    return QrmParams(rates, draw(probability), draw(probability), sizes)


@settings(max_examples=25, deadline=None)
@given(markets(), st.integers(0, 2**62))
def test_the_kernel_equals_its_plain_twin_event_for_event(params, seed):
    events = simulate_qrm(params, 60.0, seed)
    twin = PythonQrm(params, seed)
    for row in range(len(events.seconds)):
        if row:
            side, level, kind = twin.next_arrival(60.0)
            assert (side * params.levels + level, kind) == (events.queue[row], events.kind[row])
        assert twin.seconds == pytest.approx(events.seconds[row], rel=1e-12)
        assert twin.sides[0] + twin.sides[1] == events.queues[row].tolist()
        assert (twin.reference, twin.mid_half_ticks()) == (events.reference[row], events.mid[row])
    assert twin.next_arrival(60.0) is None


@settings(max_examples=25, deadline=None)
@given(markets(), st.integers(0, 2**62))
def test_no_side_is_ever_empty_and_no_queue_overflows(params, seed):
    queues = simulate_qrm(params, 120.0, seed).queues
    assert queues.min() >= 0 and queues.max() <= params.max_queue
    assert (queues[:, : params.levels].sum(axis=1) > 0).all()
    assert (queues[:, params.levels :].sum(axis=1) > 0).all()


def test_a_seed_gives_one_run_and_another_seed_another():
    one, again, other = (simulate_qrm(EXAMPLE, 300.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.seconds, again.seconds) and np.array_equal(one.queues, again.queues)
    assert len(one.seconds) != len(other.seconds) or not np.array_equal(one.seconds, other.seconds)
    assert run_alone(EXAMPLE, 300.0, 1)[0] == len(one.seconds) - 1


def test_too_little_room_for_events_is_an_error_and_no_loss():
    with pytest.raises(InsufficientDataError, match="room for events"):
        simulate_qrm(EXAMPLE, 300.0, 1, max_events=10)


def test_queues_settle_to_the_birth_death_law_when_the_reference_price_stays():
    params = dataclasses.replace(EXAMPLE, theta=0.0)
    measured = occupancy(params, 3_000_000, seed=5)["law"]
    distance = 0.5 * np.abs(measured - params.closed_form()).sum(axis=2)
    assert distance.max() < 0.015
    # The same measure tells a law that is off by a tenth in one rate from the true one.
    other = dataclasses.replace(params, rates=params.rates * np.array([1.1, 1.0, 1.0]))
    assert (0.5 * np.abs(measured - other.closed_form()).sum(axis=2)).max() > 0.05


def test_the_birth_death_law_balances_every_pair_of_neighbours():
    rng = np.random.default_rng(3)
    up, down = rng.uniform(0.1, 2.0, (2, 40))
    law = birth_death_law(up, down)
    assert law.sum() == pytest.approx(1.0)
    assert law[:-1] * up[:-1] == pytest.approx(law[1:] * down[1:])


@pytest.mark.parametrize(("theta", "reinit"), [(0.0, 0.5), (0.7, 0.85), (1.0, 1.0), (0.9, 0.2)])
def test_buying_the_best_ask_moves_the_mid_by_the_closed_form_on_average(theta, reinit):
    params = dataclasses.replace(EXAMPLE, theta=theta, theta_reinit=reinit)
    jumps = jumps_after_buying_the_ask(params, 200_000, seed=11)
    error = jumps.std() / np.sqrt(len(jumps))
    assert abs(jumps.mean() - params.expected_jump_ticks) <= 4.0 * error + 1e-12
    assert params.expected_jump_ticks == pytest.approx(0.5 + 0.5 * theta * reinit)


def test_the_rates_of_a_run_are_the_table_s():
    events = simulate_qrm(EXAMPLE, 100_000.0, 4)
    stay = np.diff(events.seconds)
    for level, size, kind in ((0, 1, MARKET), (0, 2, LIMIT), (1, 3, CANCEL)):
        queue = EXAMPLE.levels + level
        here = events.queues[:-1, queue] == size
        count = (here & (events.queue[1:] == queue) & (events.kind[1:] == kind)).sum()
        expected = EXAMPLE.rates[level, size, 1, kind] * stay[here].sum()
        assert abs(count - expected) < 4.0 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"theta": 1.5}, "theta"),
        ({"theta_reinit": -0.1}, "theta_reinit"),
        ({"event_size": (1.0,)}, "event_size"),
        ({"tick": 0.0}, "tick"),
        ({"rates": -EXAMPLE.rates}, "rates"),
        ({"rates": EXAMPLE.rates[..., :2]}, "rates"),
        ({"rates": np.zeros_like(EXAMPLE.rates)}, "rates"),
        ({"invariant": np.ones((2, 3, 31))}, "invariant"),
    ],
)
def test_impossible_parameters_are_refused(change, name):
    with pytest.raises(InsufficientDataError, match=name):
        dataclasses.replace(EXAMPLE, **change)


def test_a_missing_or_foreign_table_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="intensity_table"):
        read_qrm(tmp_path)
    np.save(tmp_path / "intensity_table.npy", np.zeros(3))
    with pytest.raises(UnreadableFileError, match="4 axes"):
        read_qrm(tmp_path)


@pytest.mark.shared_data
def test_the_published_law_is_the_closed_form_of_the_published_rates(shared_data):
    params = read_qrm(shared_data / "qrm")
    assert np.abs(params.law() - params.closed_form()).max() < 1e-12
    assert params.expected_jump_ticks == pytest.approx(0.7975)
