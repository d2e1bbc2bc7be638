"""The report: self-contained, complete, honest about what is missing, the same numbers as JSON."""

import html
import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from models.report import BacktestInputs, ReportInputs, build_report, render_html, render_json
from models.report.columns import ABSENT, Column, cell, clock_text, describe
from models.report.json import plain
from models.report.sections.quality import unbalanced_symbols
from models.report.sections.volatility import against_ewma
from models.report.summary import activity_frame, summary_frame, summary_remarks
from tests.support import report_inputs as made

VOID = {"meta", "img", "br", "hr", "link", "input"}


@pytest.fixture(scope="module")
def content():
    return build_report(made.a_full_night())


@pytest.fixture(scope="module")
def page(content):
    return render_html(content)


class Outline(HTMLParser):
    """Collects tags and attributes and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser.found


def all_tables(content):
    return [table for section in content.sections for table in section.tables]


def table_named(content, title):
    return next(table for table in all_tables(content) if table.title == title)


def test_the_page_loads_nothing_from_outside(page):
    for tag, attributes in outline(page):
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href"):
            target = attributes.get(name, "#")
            assert target.startswith(("#", "data:image/png;base64,")), target
    assert not re.search(r"https?://|@import|url\(", page)


def test_provenance_comes_before_tables_and_tables_before_plots(page):
    places = [page.index(mark) for mark in ('class="provenance"', "<table>", "<img ")]
    assert places == sorted(places)
    assert page.rindex("</table>") < page.index("<img ")


def test_every_table_and_figure_is_on_the_page(content, page):
    tags = [tag for tag, _ in outline(page)]
    figures = [figure for section in content.sections for figure in section.figures]
    assert tags.count("table") == len(all_tables(content)) > 10
    assert tags.count("img") == len(figures) > 10
    assert all(figure.caption and figure.png.startswith(b"\x89PNG") for figure in figures)


def test_every_link_of_the_contents_has_its_target(page):
    found = outline(page)
    ids = {attributes["id"] for _, attributes in found if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in found if tag == "a"}
    assert links and links <= ids


def test_a_headline_cannot_write_html(page):
    assert "<b>on Thursday</b>" not in page
    assert "&lt;b&gt;on Thursday&lt;/b&gt;" in page


def test_simulated_headlines_are_called_simulated(content, page):
    assert any("Simulated data" in notice for notice in content.notices)
    assert page.count('class="l sim"') == 2
    real = build_report(made.a_night_with(simulated=(), sentiment=made.sentiment("reuters")))
    assert not any("imulated" in notice for notice in real.notices)
    assert 'class="l sim"' not in render_html(real)


def test_the_json_holds_the_same_numbers_unrounded(content):
    tree = json.loads(render_json(content))
    by_title = {table["title"]: table for section in tree["sections"] for table in section["tables"]}
    assert len(by_title) == len(all_tables(content))
    assert by_title["Models and controls"]["rows"][2]["ic_high"] == 0.0711
    assert tree["provenance"]["raw files"] == [f"file-{n:012x}" for n in range(18)]


def test_nan_and_infinity_become_null_in_the_json(content):
    def refuse(token):
        raise AssertionError(token)

    tree = json.loads(render_json(content), parse_constant=refuse)
    horizons = next(t for s in tree["sections"] for t in s["tables"] if t["title"] == "IC by horizon")
    assert horizons["rows"][2] == {"horizon_s": 300.0, "ic": None, "rank_ic": None}
    assert plain({"a": [float("inf"), 1.5, pl.Series([2])[0]]}) == {"a": [None, 1.5, 2]}


def test_the_same_night_gives_the_same_page(page, content):
    again = build_report(made.a_full_night())
    assert render_html(again) == page
    assert render_json(again) == render_json(content)


def test_a_night_with_nothing_still_gives_a_page_that_says_what_is_absent():
    content = build_report(ReportInputs("s", "A study", "2020-01-02", reasons={"alpha": "8 rows < 100"}))
    texts = {section.title: section.text for section in content.sections}
    assert texts["Alpha"] == "Absent: 8 rows < 100."
    for title in ("Data and quality", "Market of the night", "Headlines and sentiment", "Volatility", "Backtest"):
        assert texts[title].startswith("Absent: ")
    page = render_html(content)
    assert "No provenance was recorded" in page and "<img" not in page
    json.loads(render_json(content))


@pytest.mark.parametrize("part", made.PARTS)
def test_each_part_alone_gives_a_page(part):
    assert "<table>" in render_html(build_report(made.a_night_with(part)))


@pytest.mark.parametrize("part", ["quality", "ingest", "rejected", "bars", "features", "sentiment", "previous"])
def test_each_frame_may_be_empty(part):
    frame = getattr(made.a_full_night(), part)
    render_html(build_report(made.a_night_with(**{part: frame.clear()})))
    render_html(build_report(made.a_night_with(**{part: pl.DataFrame()})))


def test_a_capture_under_an_hour_makes_no_performance_claim():
    short = made.features(seconds=1_800)
    content = build_report(made.a_night_with("backtest", features=short, trading_days=300))
    assert "30 minutes" in content.notices[0] and "no performance claim" in content.notices[0]
    backtest = next(section for section in content.sections if section.title == "Backtest")
    assert "no performance claim" in backtest.text
    assert any("no performance claim" in figure.caption for figure in backtest.figures)


@pytest.mark.parametrize(("days", "says"), [(1, "One day of data"), (4, "4 days of data"), (5, "One night")])
def test_nothing_is_annualised_below_five_days(days, says):
    content = build_report(made.a_night_with("backtest", trading_days=days))
    assert content.notices[0].startswith(says)
    assert ("nothing is annualised" in content.notices[0]) == (days < 5)
    assert ("Nothing is annualised" in table_named(content, "Performance").note) == (days < 5)


def test_rows_that_do_not_add_up_are_reported_at_the_top():
    broken = made.ingest().with_columns(clean=pl.col("clean") - (pl.col("symbol") == "IBM.US").cast(pl.Int64))
    assert unbalanced_symbols(broken) == ["IBM.US"] and unbalanced_symbols(made.ingest()) == []
    content = build_report(made.a_night_with(ingest=broken))
    assert any("Rows went missing in IBM.US" in notice for notice in content.notices)
    assert "do NOT add up" in table_named(content, "Rows read, kept and rejected").note


def test_an_instrument_that_was_never_cleaned_leaves_its_counts_open():
    ingest = pl.DataFrame({"symbol": ["IBM.US"], "rows_in": [9], "clean": [None], "rejected": [None]})
    content = build_report(made.a_night_with(ingest=ingest))
    row = table_named(content, "Rows read, kept and rejected").frame.to_dicts()[0]
    assert row["clean"] is None and row["rejected_share"] is None


def test_only_the_night_is_in_the_tables_and_all_dates_in_the_calendar(content):
    failed = table_named(content, "Checks that did not pass").frame
    assert failed.select("symbol", "status").rows() == [("BAC.US", "fail"), ("IBM.US", "warn")]


def test_rejection_shares_add_up_to_all_rejected_rows(content):
    frame = table_named(content, "Rejected rows by reason").frame
    assert frame["rows"].sum() == made.ingest()["rejected"].sum()
    assert frame["share"].sum() == pytest.approx(made.ingest()["rejected"].sum() / made.ingest()["rows_in"].sum())
    assert frame.select(pl.sum_horizontal(made.SYMBOLS)).to_series().to_list() == frame["rows"].to_list()


def test_prices_are_shown_in_currency_and_the_return_is_that_of_the_mid(content):
    row = table_named(content, "The session").frame.filter(pl.col("symbol") == "IBM.US").to_dicts()[0]
    mid = made.features(("AIG.US", "IBM.US")).filter(pl.col("symbol") == "IBM.US")["mid_ticks"]
    assert row["mid_last"] == pytest.approx(mid[-1] * 0.0001)
    assert 1e4 * (mid[-1] / mid[0] - 1) == pytest.approx(row["return_bps"], rel=0.01)


def test_control_rows_are_marked(page):
    rows = re.findall(r'<tr class="control"><td class="l">(\w+)</td>', page)
    assert rows == ["naive", "linear", "shuffled", "ewma"]


def test_har_is_compared_with_ewma_in_percent():
    table = against_ewma(pl.DataFrame({"model": ["ewma", "har"], "qlike": [0.2, 0.15]}))
    assert table["qlike_vs_ewma"].to_list() == pytest.approx([0.0, -0.25])
    alone = pl.DataFrame({"model": ["har"], "qlike": [0.15]})
    assert against_ewma(alone).columns == alone.columns


def test_a_summary_is_read_flat_or_nested():
    flat = {"gross_total_bps": 3.0, "net_total_bps": -1.0, "cost_blind_net_total_bps": -9.0, "trades": 4}
    nested = {"gross": {"total_bps": 3.0}, "net": {"total_bps": -1.0}}
    first = {"metric": "total return (bps)", "gross": 3.0, "net": -1.0}
    assert summary_frame(flat).to_dicts()[0] == first == summary_frame(nested).to_dicts()[0]
    blind = {"metric": "total return of the cost-blind rule (bps)", "gross": None, "net": -9.0}
    assert summary_frame(flat).to_dicts()[1] == blind
    assert activity_frame(flat).to_dicts() == [{"metric": "trades", "value": 4.0}]


def test_reasons_in_a_summary_become_sentences_and_empty_figures_vanish():
    summary = {"net_sharpe_annualised": None, "gross_sharpe_annualised": None, "annualisation": "1 day < 5"}
    assert summary_frame(summary).is_empty()
    assert summary_remarks(summary) == ["1 day < 5."]


def test_a_backtest_that_never_traded_is_said_to_have_not():
    curve = made.backtest().curve.with_columns(gross_bps=0.0, net_bps=0.0)
    content = build_report(made.a_night_with(backtest=BacktestInputs(curve, {"trades": 0})))
    net = next(item for item in content.highlights if item.label == "Net return (bps)")
    assert (net.value, net.note) == ("0.0", "gross 0.0, 0 trades")


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (-0.00001, Column("", "number", 2), "0.00"),
        (-1234.5, Column("", "number", 1), "−1,234.5"),
        (0.5163, Column("", "percent", 1), "51.6"),
        (None, Column("", "number", 2), ABSENT),
        (float("nan"), Column("", "number", 2), ABSENT),
        (0, Column("", "count"), "0"),
        (3.1e-13, Column("", "number"), "3.100e−13"),
        (True, Column("", "text"), "yes"),
        ("", Column("", "text"), ""),
    ],
)
def test_a_cell_is_set_by_its_column(value, column, text):
    assert cell(value, column) == text


def test_a_time_is_set_on_the_exchange_clock():
    assert clock_text(made.OPEN_NS, "America/New_York") == "2013-10-09 09:30:00"


@pytest.mark.parametrize(
    ("name", "integer", "label", "kind"),
    [
        ("gross_total_bps", False, "gross total (bps)", "number"),
        ("latency_ms", True, "latency (ms)", "count"),
        ("win_rate", False, "win rate (%)", "percent"),
        ("first_seen_at", True, "first seen at", "time"),
    ],
)
def test_an_unknown_column_is_labelled_from_its_unit(name, integer, label, kind):
    column = describe(name, integer, True)
    assert (column.label, column.kind) == (label, kind)


def test_the_page_shows_six_items_of_a_long_list_and_says_how_many_are_left(page):
    assert "file-000000000005" in page and "file-000000000006" not in page
    assert "and 12 more" in html.unescape(page)
