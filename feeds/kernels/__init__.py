"""Compiled kernels of feeds/: loops over bytes and events.

Here: functions for numba, one job a file. Not here: formats and files (feeds/adapters), the matching engine (sim/).
"""
