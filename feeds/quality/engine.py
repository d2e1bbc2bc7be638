"""Great Expectations on one frame, in memory, without network or progress bars.

Here: `validate`, from expectations and a frame to the library's results. Not here: which frame they are judged on
(feeds/quality/run.py), expectations (feeds/quality/expectations.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import polars as pl

from feeds.quality.expectations import Expectation


class Engine:
    """One ephemeral context of the library; it takes frame after frame."""

    def __init__(self, examples: int) -> None:
        # Great Expectations takes seconds to import; it reads this variable while it does.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("memory").add_dataframe_asset("partition")
        self._definition = asset.add_batch_definition_whole_dataframe("whole")
        self._examples = examples

    def validate(self, expectations: Mapping[int, Expectation], frame: pl.DataFrame) -> dict[int, Any]:
        """Judge ``frame``; the library's result per key of ``expectations``."""
        import great_expectations as gx
        from great_expectations.expectations.registry import get_expectation_impl

        if not expectations:
            return {}
        batch = self._definition.get_batch(batch_parameters={"dataframe": frame.to_pandas()})
        declared = [
            get_expectation_impl(item.type)(**_arguments(item), meta={"position": position})
            for position, item in expectations.items()
        ]
        suite = gx.ExpectationSuite(name="suite", expectations=declared)
        result_format = {"result_format": "SUMMARY", "partial_unexpected_count": self._examples}
        outcome = batch.validate(suite, result_format=result_format)
        # Great Expectations returns results in an order of its own.
        return {_position(item): item for item in outcome.results}


def _position(outcome: Any) -> int:
    return int(outcome.expectation_config.meta["position"])


def _arguments(expectation: Expectation) -> dict[str, Any]:
    return {name: value for name, value in expectation.kwargs.items() if value is not None}
