"""Bytes from outside -> canonical events on disk.

Here: adapters, the event schema, calendars, the lake, the registry of manifests, quality suites, the landing zone.
Not here: features, models, matching, anything that imports Dagster.
"""

from feeds import kernel_cache

kernel_cache.use()
