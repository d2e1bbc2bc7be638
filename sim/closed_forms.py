"""Answers that are known exactly, for engines and agents to be held against.

A schedule under linear impact is a quadratic form: trades x at given times cost x'Mx / 2, whatever the kernel, where M
holds the impact of one trade on another (`sim.impact_models.Propagator.matrix`). Risk aversion lambda adds
2 lambda x (covariance of the prices) to M, so that one formula gives the optima of Almgren & Chriss (2000, "Optimal
execution of portfolio transactions", Journal of Risk 3), of Obizhaeva & Wang (2013, "Optimal trading strategy and
supply/demand dynamics", Journal of Financial Markets 16), and of any propagator (Alfonsi, Schied & Slynko 2012, "Order
book resilience, price manipulation, and the positive portfolio problem", SIAM J. Financial Mathematics 3).

Here: formulas. Not here: impact as a model (sim/impact_models.py), schedules simulated (sim/impact_schedules.py).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError

Floats = npt.NDArray[np.float64]


def schedule_cost(matrix: Floats, trades: Floats) -> float:
    """Cost x'Mx / 2 of a schedule against its arrival price.

    Args:
        matrix: (n, n) symmetric, price per lot.
        trades: (n,) lots, bought positive.

    Returns:
        Price times lots.
    """
    return 0.5 * float(trades @ matrix @ trades)


def optimal_trades(matrix: Floats, total: float) -> Floats:
    """The cheapest schedule of ``total`` lots: X M^-1 1 / (1'M^-1 1).

    Args:
        matrix: (n, n) symmetric, price per lot.
        total: Lots in all.

    Returns:
        (n,) lots; where signs differ, the cheapest schedule trades against itself.

    Raises:
        StudyError: The matrix is not positive definite: there is no cheapest schedule, or more than one.
    """
    weights = _solve_ones(matrix)
    return np.asarray(total * weights / weights.sum(), dtype=np.float64)


def optimal_cost(matrix: Floats, total: float) -> float:
    """Cost X^2 / (2 x 1'M^-1 1) of the cheapest schedule, price times lots; raises as `optimal_trades`."""
    return 0.5 * total**2 / float(_solve_ones(matrix).sum())


def cheapest_round_trip(matrix: Floats) -> tuple[float, Floats]:
    """The schedule that ends where it began and costs least, among those of sum of squares 1.

    Args:
        matrix: (n, n) symmetric, price per lot; n at least 2.

    Returns:
        Its cost, negative where prices can be manipulated for a gain; its (n,) trades, which add up to 0.
    """
    n = len(matrix)
    # All but the first column span the trades that add up to 0.
    basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, : n - 1]]))[0][:, 1:]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    return 0.5 * float(values[0]), np.asarray(basis @ vectors[:, 0], dtype=np.float64)


def price_covariance(times: Floats, volatility: float) -> Floats:
    """Covariance of a driftless Brownian price at ``times``, (n, n): sigma^2 min(s, t).

    Args:
        times: (n,) since arrival, none negative.
        volatility: Price per root of a unit of time.
    """
    return np.asarray(volatility**2 * np.minimum(times[:, None], times[None, :]), dtype=np.float64)


def obizhaeva_wang_trades(trades: int, resilience: float) -> Floats:
    """Shares of the order at each of evenly spaced trades under one exponential decay: two blocks and an even middle.

    Args:
        trades: Their number, at least 2; the first at arrival, the last at the horizon.
        resilience: Decay rate times the horizon, positive.

    Returns:
        (trades,) positive, adding up to 1.

    Raises:
        StudyError: An argument is out of range.
    """
    if trades < 2 or not 0.0 < resilience < math.inf:
        raise _outside("Obizhaeva-Wang schedule", f"{trades} trades, rho T {resilience}", "at least 2, positive")
    regained = -math.expm1(-resilience / (trades - 1))
    block = 1.0 / ((trades - 2) * regained + 2.0)
    return np.array([block, *[block * regained] * (trades - 2), block])


def obizhaeva_wang_costs(resilience: float) -> tuple[float, float]:
    """Cost of the optimum and of an even schedule in continuous time, both in (ticks per lot) x (lots of the order)^2.

    The even schedule is at most 13.94 % dearer, at rho T = 2.688: all that scheduling can win in this world.

    Args:
        resilience: Decay rate times the horizon, positive.
    """
    if not 0.0 < resilience < math.inf:
        raise _outside("Obizhaeva-Wang cost", f"rho T {resilience}", "a positive number")
    return 1.0 / (resilience + 2.0), (1.0 + math.expm1(-resilience) / resilience) / resilience


def cartea_jaimungal_inventory(
    times: Floats,
    horizon: float,
    *,
    temporary: float,
    running_penalty: float,
    terminal_penalty: float,
    permanent: float = 0.0,
) -> Floats:
    """Share of the order left under a running and a terminal inventory penalty, in continuous time.

    Source: Cartea, Jaimungal & Penalva (2015), "Algorithmic and high-frequency trading", chapter 6.

    Args:
        times: (n,) since the start.
        horizon: Time the order has.
        temporary: k, price per (lot per time): what trading at a speed costs at once.
        running_penalty: phi, on the square of the inventory per time.
        terminal_penalty: alpha, on the square of what is left at the horizon.
        permanent: b, price move per lot traded, which stays.

    Returns:
        (n,) shares; the last is not 0 but what the terminal penalty leaves.

    Raises:
        StudyError: k or the horizon is not positive, phi is negative, or alpha does not exceed b / 2.
    """
    excess = terminal_penalty - 0.5 * permanent
    if temporary <= 0 or horizon <= 0 or running_penalty < 0 or excess <= 0:
        raise _outside(
            "Cartea-Jaimungal inventory",
            f"k {temporary}, T {horizon}, phi {running_penalty}, alpha {terminal_penalty}, b {permanent}",
            "k and T positive, phi not negative, alpha above b / 2",
        )
    urgency = math.sqrt(running_penalty / temporary)
    if urgency * horizon < 1e-7:
        return np.asarray(1.0 - times / (horizon + temporary / excess), dtype=np.float64)
    speed = math.sqrt(temporary * running_penalty)
    # The textbook's zeta inverted: alpha - b / 2 may equal the root, and exponents stay below 0.
    inverse = (excess - speed) / (excess + speed)
    left = np.exp(-urgency * times) * (1.0 - inverse * np.exp(-2.0 * urgency * (horizon - times)))
    return np.asarray(left / (1.0 - inverse * math.exp(-2.0 * urgency * horizon)), dtype=np.float64)


def price_rises_next(bid_orders: int, ask_orders: int) -> float:
    """Probability that the next price move is up in a one-level book that gains and loses unit orders equally often.

    Source: Cont & de Larrard (2013), "Price dynamics in a Markovian limit order market", SIAM J. Financial Mathematics
    4, proposition 2 (arrivals as frequent as cancellations and market orders together).

    Args:
        bid_orders: Waiting at the bid, at least 1.
        ask_orders: Waiting at the ask, at least 1.
    """
    if bid_orders < 1 or ask_orders < 1:
        raise _outside("Cont-de Larrard queues", f"{bid_orders} and {ask_orders}", "at least 1 each")
    nodes, weights = _gauss(64 * (1 + (bid_orders + ask_orders) // 32))
    angle = 0.5 * math.pi * (nodes + 1.0)
    half = np.sin(0.5 * angle)
    # 2 - cos - sqrt((2 - cos)^2 - 1) without its cancellation near 0.
    root = 1.0 + 2.0 * half**2 - 2.0 * half * np.sqrt(1.0 + half**2)
    values = root**ask_orders * np.sin(bid_orders * angle) * np.cos(0.5 * angle) / half
    return 0.5 * float(weights @ values)


def birth_death_law(births: Floats, deaths: Floats) -> Floats:
    """Share of time a queue holds 0, 1, .. orders, where one comes or goes at a time.

    Args:
        births: (n,) arrivals per time at sizes 0 .. n - 1; at n nothing arrives. Positive.
        deaths: (n,) departures per time at sizes 1 .. n. Positive.

    Returns:
        (n + 1,) adding up to 1.

    Raises:
        StudyError: Lengths differ, or a rate is not positive.
    """
    births, deaths = np.asarray(births, dtype=np.float64), np.asarray(deaths, dtype=np.float64)
    if births.shape != deaths.shape or births.ndim != 1 or not ((births > 0).all() and (deaths > 0).all()):
        raise _outside("birth-death law", f"rates {births} and {deaths}", "as many births as deaths, all positive")
    logs = np.concatenate([[0.0], np.cumsum(np.log(births) - np.log(deaths))])
    law = np.exp(logs - logs.max())
    return np.asarray(law / law.sum(), dtype=np.float64)


def hawkes_mean_rate(base: Floats, branching: Floats) -> Floats:
    """Long-run events per time of a self-exciting process: (I - N)^-1 mu.

    Source: Hawkes (1971), "Spectra of some self-exciting and mutually exciting point processes", Biometrika 58.

    Args:
        base: (d,) rates mu without excitement.
        branching: (d, d) N: events of the row's kind that one event of the column's kind brings about itself.

    Raises:
        StudyError: The spectral radius of N is 1 or more: there is no mean rate.
    """
    radius = float(np.abs(np.linalg.eigvals(branching)).max())
    if radius >= 1.0:
        raise _outside("Hawkes mean rate", f"a spectral radius of {radius:.6g}", "below 1")
    return np.asarray(np.linalg.solve(np.eye(len(base)) - branching, base), dtype=np.float64)


@cache
def _gauss(nodes: int) -> tuple[Floats, Floats]:
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return places, weights


def _solve_ones(matrix: Floats) -> Floats:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        received = f"a smallest eigenvalue of {np.linalg.eigvalsh(matrix)[0]:.6g}"
        raise _outside("optimal schedule", received, "a positive definite matrix") from None
    return np.asarray(np.linalg.solve(matrix, np.ones(len(matrix))), dtype=np.float64)


def _outside(what: str, received: str, expected: str) -> StudyError:
    return StudyError(what, received=received, expected=expected, remedy="Correct the argument.")
