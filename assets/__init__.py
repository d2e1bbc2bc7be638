"""Thin Dagster assets and checks: read, call a pure function, write, return metadata.

Not here: mathematics (models/), parsing (feeds/), how and when the graph is run (pipelines/).
"""
