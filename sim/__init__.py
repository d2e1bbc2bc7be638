"""The limit order book and the market around it, in numba.

Here: the order book and the replay of order events through it. Not here: files, models, Dagster.
"""

import feeds  # noqa: F401  (chooses the cache of compiled kernels before the first one is made)
