"""One run of the graph on 2 instruments x 3 days, shared by the tests that look at what came out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from feeds.study import Study, load_study
from tests.support.market_files import write_news_csv, write_us_equity_day
from tests.support.studies import DATES, write_study


@dataclass
class Flow:
    folder: Path
    yaml: Path
    root: Path
    study: Study
    instance: dg.DagsterInstance

    def runner(self, **options):
        from pipelines.runner import GraphRunner

        return GraphRunner(self.yaml, self.root, instance=self.instance, **options)

    def stage(self):
        from pipelines.runner import stage_sources

        return stage_sources(self.study, self.root)


def write_files(folder: Path, tickers=("AAA", "BBB"), dates=DATES, last_news=None, **options):
    for index, ticker in enumerate(tickers):
        for offset, date in enumerate(dates):
            write_us_equity_day(folder / "files" / ticker.lower(), ticker, date, seed=10 * index + offset, **options)
    rows = [
        (f"{dates[0]}T12:00:00Z", tickers[0], "Profit beats expectations and shares jump", "simulated"),
        (f"{last_news or dates[-1]}T15:00:00Z", tickers[-1], "Shares slump after profit warning", "simulated"),
    ]
    write_news_csv(folder / "files" / "news.csv", rows)


def make_flow(folder: Path, **changes) -> Flow:
    yaml = write_study(folder, **changes)
    home = folder / "dagster"
    home.mkdir()
    return Flow(folder, yaml, folder / "data" / "tiny", load_study(yaml), dg.DagsterInstance.local_temp(str(home)))


@pytest.fixture
def flow(tmp_path):
    """Files of 2 instruments x 3 days, nothing run yet."""
    write_files(tmp_path)
    made = make_flow(tmp_path)
    made.stage()
    return made


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The same, run to the end."""
    folder = tmp_path_factory.mktemp("finished")
    write_files(folder)
    made = make_flow(folder)
    made.stage()
    made.summary = made.runner().run()
    return made
