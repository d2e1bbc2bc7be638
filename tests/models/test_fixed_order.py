"""Float sums depend on their order; Polars' group_by without `maintain_order` adds up in the order threads finish."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = [p for room in ("models", "assets", "sim") for p in sorted((PROJECT / room).rglob("*.py"))]


def unordered(source: str) -> list[int]:
    """Lines of group_by(...).agg(...) whose group_by does not fix the order and whose aggregation may not be exact."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        is_agg = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "agg"
        if not is_agg or not isinstance(node.func.value, ast.Call):
            continue
        grouping = node.func.value
        named = isinstance(grouping.func, ast.Attribute) and grouping.func.attr == "group_by"
        fixed = any(keyword.arg == "maintain_order" for keyword in grouping.keywords)
        calls = {n.func.attr for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
        inexact = calls & {"sum", "mean", "std", "var", "dot"}
        if named and not fixed and inexact:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_float_aggregations_fix_their_order(path):
    assert unordered(path.read_text()) == []


def test_an_unordered_mean_is_found():
    assert unordered("x.group_by('a').agg(pl.col('b').mean())") == [1]
    assert unordered("x.group_by('a', maintain_order=True).agg(pl.col('b').mean())") == []
