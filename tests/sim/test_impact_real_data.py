"""The kernel behind the trades of a real day."""

import numpy as np
import pytest

from feeds.adapters.lobster import Lobster
from feeds.cleaning import filter_rows
from sim.flow_measure import arrays_of
from sim.flow_moments import market_orders
from sim.impact_kernels import kernel_from_response, measure_response


@pytest.mark.shared_data
def test_on_a_real_day_the_response_triples_while_the_kernel_behind_it_falls(shared_data):
    adapter = Lobster()
    spec = adapter.default_spec("AMZN.NASDAQ")
    path = shared_data / "lobster" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    raw = adapter.parse({"zip": path}, spec, "2012-06-21").frame
    tape = arrays_of(filter_rows(raw, spec, (int(raw["ts_event"].min()), int(raw["ts_event"].max()) + 1))[0])
    orders = market_orders(tape)
    response, memory = measure_response(orders.signs.astype(float), tape.mid[orders.before], lags=200)
    kernel = kernel_from_response(response, memory)
    assert memory[0] > 0.5
    assert response[19] > 2.5 * response[0]
    assert kernel[19] < kernel[0]
    # Impact decays, slowly: the mean over late lags lies well below that over early ones, and above nothing.
    assert 0 < np.mean(kernel[100:]) < 0.8 * np.mean(kernel[:10])
