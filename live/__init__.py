"""The same decisions on a wire: feed handler, order management, FIX, risk gate.

May use feeds/, models/ and sim/; never Dagster.
"""
