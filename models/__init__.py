"""Pure machine learning and statistics.

Here: features, labels, splits, sentiment, alpha, volatility, metrics, backtests, the report's plots and page.
Not here: the lake, the simulator, Dagster. Functions take frames and frozen configurations and return values.
"""

import feeds  # noqa: F401  (chooses the cache of compiled kernels before the first one is made)
