"""Statistics of forecasts and of returns, each with its closed form tested and its annualisation stated.

Here: pure functions on arrays and small frames. Not here: models, the backtest, plots.
"""
