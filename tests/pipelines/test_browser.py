"""The real `dagster dev` in a headless Chromium: the graph, a materialisation from the page, checks and plot."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipelines.instance import home_of
from tests.pipelines.conftest import make_flow, write_files
from tests.support.studies import DATES

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
STARTED_WITHIN_S, MATERIALISED_WITHIN_S = 120, 180

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, every=1.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(every)
    return False


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def small(tmp_path):
    """Files of one instrument-day: the sensor ingests whatever has landed, and the page waits for the headlines."""
    write_files(tmp_path, tickers=("AAA",), dates=DATES[:1])
    made = make_flow(tmp_path)
    made.stage()
    return made


@pytest.fixture
def server(small):
    """`dagster dev` on a study whose landing zone is filled and whose lake is empty."""
    port, log = free_port(), small.folder / "dagster_dev.log"
    environment = {
        **os.environ,
        "T2T_STUDY": str(small.yaml),
        "T2T_DATA": str(small.root.parent),
        "DAGSTER_HOME": str(home_of(small.root)),
    }
    dagster = Path(sys.executable).with_name("dagster")
    with log.open("wb") as out:
        child = subprocess.Popen(
            [dagster, "dev", "-w", "workspace.yaml", "-p", str(port)],
            cwd=PROJECT,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        assert wait_for(lambda: answers(f"http://127.0.0.1:{port}/server_info"), STARTED_WITHIN_S), log.read_text()[
            -3000:
        ]
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


@pytest.fixture
def page(server):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        opened = browser.new_page(viewport={"width": 1600, "height": 1000}, base_url=server)
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


def reload_until(page, url, text, seconds):
    """Open ``url`` again and again until its page shows ``text``."""

    def shown():
        page.goto(url)
        try:
            page.get_by_text(text).first.wait_for(timeout=4_000)
        except Exception:
            return False
        return True

    assert wait_for(shown, seconds, every=0.5), page.inner_text("body")[-2000:]


def test_the_page_shows_the_graph_and_materialises_an_asset_with_its_checks_and_plot(page):
    page.goto("/asset-groups")
    for group in ("ingest", "ticks", "dataset", "alpha", "risk", "evaluation"):
        page.get_by_text(group, exact=True).first.wait_for()

    # The landing sensor runs by itself and ingests the headlines; without them there is nothing to score.
    reload_until(page, f"/assets/headlines?view=partitions&partition={DATES[0]}", "manifest_id", MATERIALISED_WITHIN_S)

    here = f"/assets/sentiment?view=partitions&partition={DATES[0]}"
    page.goto(here)
    page.get_by_role("button", name="Materialize…").first.click()
    page.get_by_role("button", name="Launch 1 run").click()
    reload_until(page, here, "[Show Markdown]", MATERIALISED_WITHIN_S)
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("[role=dialog] img")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 200

    reload_until(page, "/assets/sentiment?view=checks", "Passed", MATERIALISED_WITHIN_S)
    assert "sentiment_quality" in page.inner_text("body")
    assert "rows_failed" in page.inner_text("body")
