"""One module per section of the report.

Here: choosing tables, plots and their words. Not here: the order of the page (models/report/build.py).
"""
