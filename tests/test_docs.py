"""What the pages of docs/ and the README say exists, and the examples print what they show."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest

from benchmarks.catalogue import names

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Pages whose Python blocks are one program.
RUN = ["execution.md"]


@pytest.mark.parametrize("page", RUN)
def test_the_python_of_a_page_prints_what_the_page_shows(page):
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```(python|text)\n(.*?)```", text, re.DOTALL)
    assert sum(kind == "text" for kind, _ in blocks) >= 3
    known, printed = {}, io.StringIO()
    for kind, block in blocks:
        if kind == "text":
            assert printed.getvalue() == block
            printed.seek(0)
            printed.truncate()
            continue
        assert printed.getvalue() == "", "what a block prints is shown after it"
        with contextlib.redirect_stdout(printed):
            exec(compile(block, page, "exec"), known)
    assert printed.getvalue() == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_commands_name_benchmarks(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    benches = set(re.findall(r"t2t bench ([a-z_]+)", text)) - {"list"}
    assert benches <= set(names())
    for module in re.findall(r"python -m (benchmarks\.[a-z_.]+[a-z])", text):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_are_here(page):
    rooms = "feeds|sim|models|assets|pipelines|live|benchmarks|tests"
    for path in re.findall(rf"`((?:{rooms})/[a-z0-9_/]+\.py)`", page.read_text()):
        assert (ROOT / path).is_file(), path
