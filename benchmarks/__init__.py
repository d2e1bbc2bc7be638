"""Importable measurements; results live in RESULTS.md with date, commit and machine."""
