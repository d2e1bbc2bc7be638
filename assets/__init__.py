"""Thin Dagster assets and checks: read, call a pure function, write, return metadata.

Not here: mathematics (models/), parsing (feeds/), how and when the graph is run (pipelines/).
"""

import warnings

import dagster as dg

# Partitioned checks and multi-dimensional mappings are previews; Dagster is pinned exactly, so they cannot change here.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)
