"""Parent orders of a study: fees, and who is trained on what."""

import inspect

import pytest

from assets.execution_setup import settings, task_of
from assets.store import StudyStore
from feeds.errors import StudyError
from sim.generators import GENERATORS
from tests.support.studies import write_study


def test_orders_pay_the_fee_of_the_study_unless_the_execution_states_its_own(tmp_path):
    def task(name, **execution):
        folder = tmp_path / name
        folder.mkdir()
        yaml = write_study(folder, execution=execution, costs={"fee_bps": 0.7})
        return task_of(settings(StudyStore(study=str(yaml), root=str(folder))), 100)

    default, own = task("default"), task("own", taker_fee_bps=2.0, maker_fee_bps=-0.2)
    assert (default.taker_fee_bps, default.maker_fee_bps) == (0.7, 0.7)
    assert (own.taker_fee_bps, own.maker_fee_bps) == (2.0, -0.2)


def test_a_study_without_execution_settings_says_so(tmp_path):
    store = StudyStore(study=str(write_study(tmp_path)), root=str(tmp_path))
    with pytest.raises(StudyError, match="execution"):
        settings(store)


def test_every_market_agents_may_train_in_can_begin_at_a_stated_moment():
    markets = {name: one.market for name, one in GENERATORS.items() if one.market is not None}
    assert "flow" in markets
    assert [name for name, make in markets.items() if "start_ns" not in inspect.signature(make).parameters] == []
