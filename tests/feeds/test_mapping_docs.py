"""The examples of docs/mapping.md give the events they say."""

import re
from pathlib import Path

import polars as pl
import pytest

from feeds.adapters.mapped import Mapped
from feeds.adapters.mapping import Mapping
from feeds.tape import read_tape

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
SECTIONS = {part.splitlines()[0]: part for part in PAGE.split("\n## ")[1:]}
EXAMPLES = [title for title, text in SECTIONS.items() if "```yaml" in text]


def events(tape, index):
    rows = []
    for content in index.contents:
        for part in read_tape(tape, content.date, content.instrument, index.specs[content.instrument]):
            placed = part.frame.select("ts_event", "sequence", "action", "side", "price", "size")
            refused = part.rejected.select("ts_event", "sequence", pl.lit("rejected"), "reason")
            rows += [(content.date, content.instrument, *row) for row in [*placed.rows(), *refused.rows()]]
    lines = []
    for _, instrument, stamp, _, *rest in sorted(rows, key=lambda row: (row[0], row[2], row[3])):
        moment = pl.Series([stamp]).cast(pl.Datetime("ns")).dt.to_string("%Y-%m-%dT%H:%M:%S%.9f")[0]
        lines.append(" ".join(map(str, (moment, instrument, *rest))))
    return lines


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_gives_its_events(tmp_path, title):
    files = re.findall(r"File `([^`]+)`:\n\n```\w+\n(.*?)```", SECTIONS[title], re.DOTALL)
    for name, text in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    data = tmp_path / files[0][0]
    assert Mapped().sniff(data).role == "tape" and Mapped().sniff(tmp_path / files[1][0]).role == "mapping"
    index = Mapped().decode(data, tmp_path / "tape")
    (expected,) = re.findall(r"```text\n(.*?)```", SECTIONS[title], re.DOTALL)
    assert events(tmp_path / "tape", index) == expected.splitlines()


def test_there_are_examples_and_every_key_is_named():
    assert len(EXAMPLES) == 4
    table = SECTIONS["All keys"]
    assert all(f"`{key}`" in table for key in Mapping.model_fields)
