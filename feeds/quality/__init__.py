"""Data quality: suites of expectations per table and the code that runs them.

Here: what a good table looks like. Not here: cleaning single rows (feeds/cleaning), what a failure does to a date
(assets/universe.py).
"""
