"""The schedule of Almgren and Chriss, against the figures of the paper and an optimiser that knows no formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from feeds.errors import StudyError
from models.execution.almgren_chriss import ImpactModel, almgren_chriss_fractions, kappa_from

#: The example of the paper: a million shares in five days.
PAPER = ImpactModel(
    shares=1e6, horizon=5, periods=5, volatility=0.95, half_spread=1 / 16, permanent=2.5e-7, temporary=2.5e-6
)


def test_the_example_of_the_paper_gives_its_holdings_cost_and_risk():
    holdings = PAPER.holdings(1e-6)
    assert PAPER.kappa(1e-6) == pytest.approx(0.607076, abs=5e-7)
    np.testing.assert_allclose(holdings, [1e6, 541_956, 289_854, 147_898, 62_142, 0], atol=0.5)
    assert PAPER.mean_cost(holdings) == pytest.approx(911_227, abs=1)
    assert PAPER.cost_variance(holdings) ** 0.5 == pytest.approx(603_431, abs=1)


def test_without_risk_aversion_it_is_twap():
    holdings = PAPER.holdings(0.0)
    np.testing.assert_allclose(holdings, np.linspace(1e6, 0, 6))
    assert PAPER.mean_cost(holdings) == pytest.approx(662_500, abs=1)
    assert PAPER.cost_variance(holdings) ** 0.5 == pytest.approx(1_040_673, abs=1)


@pytest.mark.parametrize("risk_aversion", [1e-7, 1e-6, 1e-5])
def test_no_schedule_found_numerically_is_better(risk_aversion):
    def utility(holdings):
        return PAPER.mean_cost(holdings) + risk_aversion * PAPER.cost_variance(holdings)

    start = np.linspace(1.0, 0.0, 6)[1:-1]
    found = minimize(lambda x: utility(1e6 * np.concatenate([[1], x, [0]])), start, tol=1e-12)
    assert utility(PAPER.holdings(risk_aversion)) <= found.fun * (1 + 1e-9)
    assert utility(PAPER.holdings(risk_aversion)) == pytest.approx(found.fun, rel=1e-4)


@given(st.integers(1, 60), st.floats(0, 2000))
def test_fractions_add_up_and_never_rise(decisions, kappa_t):
    fractions = almgren_chriss_fractions(decisions, kappa_t)
    assert fractions.sum() == pytest.approx(1.0)
    assert (fractions >= 0).all()
    assert (np.diff(fractions) <= 1e-12).all()


def test_urgency_joins_its_limit_without_a_step():
    np.testing.assert_allclose(almgren_chriss_fractions(7, 1e-6), almgren_chriss_fractions(7, 1.01e-6), atol=1e-10)
    np.testing.assert_allclose(almgren_chriss_fractions(4, 1e4), [1, 0, 0, 0], atol=1e-12)


def test_the_continuous_urgency_is_that_of_the_discrete_model_for_many_trades():
    fine = ImpactModel(1e6, 5, 5000, 0.95, 1 / 16, 0.0, 2.5e-6)
    assert kappa_from(0.95, 1e-6, 2.5e-6, 5.0) == pytest.approx(fine.kappa(1e-6) * 5, rel=1e-4)


def test_urgency_does_not_depend_on_the_unit_of_time():
    hours = kappa_from(volatility=3.0 * 60, risk_aversion=1e-6, eta=2e-3 / 3600, horizon_s=1.0)
    assert kappa_from(volatility=3.0, risk_aversion=1e-6, eta=2e-3, horizon_s=3600.0) == pytest.approx(hours)


@pytest.mark.parametrize("arguments", [(-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_an_urgency_of_impossible_figures_is_refused(arguments):
    with pytest.raises(StudyError, match="urgency"):
        kappa_from(*arguments)


def test_a_permanent_impact_that_outweighs_the_temporary_is_refused():
    with pytest.raises(StudyError, match="Almgren-Chriss model"):
        ImpactModel(1e6, 5, 5, 0.95, 1 / 16, 5.1e-6, 2.5e-6)


@pytest.mark.parametrize(("decisions", "kappa_t"), [(0, 1.0), (3, -1.0), (3, float("nan"))])
def test_an_impossible_schedule_is_refused(decisions, kappa_t):
    with pytest.raises(StudyError, match="schedule"):
        almgren_chriss_fractions(decisions, kappa_t)
