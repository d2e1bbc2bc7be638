"""Plots and section of execution: real pictures, honest about nothing to show, markets kept apart."""

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from feeds.errors import SchemaError
from models.plots import execution as plots
from models.plots import execution_agent as agent_plots
from models.plots import execution_rules as rule_plots
from models.plots.execution_cases import case_heatmap
from models.plots.style import UI_DPI, no_data, to_markdown
from models.report.inputs import ReportInputs
from models.report.sections.execution import execution_section
from tests.support import execution_inputs as made

FROM_A_FRAME = {
    "slippage_distribution": (plots.slippage_distribution, "slippage"),
    "schedule_fan": (plots.schedule_fan, "fan"),
    "cost_bars": (plots.cost_bars, "costs"),
    "paired_differences": (plots.paired_differences, "table"),
    "learning_curve": (agent_plots.learning_curve, "learning"),
    "policy_heatmaps": (agent_plots.policy_heatmaps, "heat"),
    "decomposition_bars": (rule_plots.decomposition_bars, "costs"),
    "leave_curve": (rule_plots.leave_curve, "leave"),
    "seed_spread": (rule_plots.seed_spread, "over_seeds"),
    "case_heatmap": (case_heatmap, "cases"),
}
OF_A_MARKET = (
    "slippage_distribution",
    "schedule_fan",
    "cost_bars",
    "paired_differences",
    "decomposition_bars",
    "case_heatmap",
)
MADE = {"leave": made.leave_levels, "over_seeds": made.spread_of_seeds, "cases": made.by_policy_and_case}


def part_of(inputs, part):
    return MADE[part]() if part in MADE else getattr(inputs, part)


@pytest.fixture(scope="module")
def inputs():
    return made.inputs()


def inked(png):
    return float((np.asarray(Image.open(io.BytesIO(png)).convert("L")) < 250).mean())


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_a_plot_in_the_event_log_stays_below_sixty_kilobytes_and_repeats_itself(name, inputs):
    plot, part = FROM_A_FRAME[name]
    frame = part_of(inputs, part)
    markdown = to_markdown(plot(frame, dpi=UI_DPI))
    assert len(markdown) < 60_000
    assert inked(base64.b64decode(markdown.split(",", 1)[1].removesuffix(")"))) > 0.01
    assert markdown == to_markdown(plot(frame, dpi=UI_DPI))


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_an_empty_frame_gives_the_panel_that_says_so(name):
    panel = FROM_A_FRAME[name][0](pl.DataFrame())
    assert Image.open(io.BytesIO(panel)).size == Image.open(io.BytesIO(no_data("anything"))).size


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_a_frame_without_the_needed_columns_is_refused_by_name(name):
    with pytest.raises(SchemaError, match=f"plot {name}"):
        FROM_A_FRAME[name][0](pl.DataFrame({"unrelated": [1]}))


@pytest.mark.parametrize("name", OF_A_MARKET)
def test_markets_are_never_mixed(name, inputs):
    plot, part = FROM_A_FRAME[name]
    frame = part_of(inputs, part)
    assert plot(frame, dpi=60) == plot(frame, market="replay", dpi=60) != plot(frame, market="flow", dpi=60)
    alone = frame.filter(pl.col("market") == "flow")
    assert plot(alone, dpi=60) == plot(frame, market="flow", dpi=60)


def test_an_unknown_policy_is_drawn_under_its_own_name():
    assert plots.policy_name("my_rule") == "my rule"
    frame = pl.DataFrame({"policy": ["my_rule"] * 4, "is_bps": [1.0, 2.0, 3.0, 4.0]})
    assert inked(plots.slippage_distribution(frame, dpi=60)) > 0.01


def test_one_seed_and_one_cell_are_drawn_too():
    assert inked(agent_plots.learning_curve(made.learning((1,)), dpi=60)) > 0.01
    assert inked(agent_plots.policy_heatmaps(made.heat().head(1), dpi=60)) > 0.01


def test_the_section_shows_every_market_and_names_the_agent(inputs):
    section = execution_section(ReportInputs("s", "t", "2026-03-13", execution=inputs))
    assert [table.title for table in section.tables] == [
        f"{title}, {market} market"
        for market in ("replay", "flow")
        for title in ("Cost of working an order", "Paired differences", "Differences that survive their number")
    ]
    assert len(section.figures) == 2 * 5 + 2
    assert len({figure.title for figure in section.figures}) == len(section.figures)
    assert section.text.startswith(inputs.verdict)
    for table in section.tables:
        assert "DQN" in table.frame["policy"].to_list()
        assert table.controls == {"random"}
        assert set(table.labels) <= set(table.frame.columns)


def test_the_section_shows_the_headline_first_and_every_case_where_there_are_several(inputs):
    from dataclasses import replace

    several = replace(inputs, cases=made.by_policy_and_case(), headline=inputs.table, named=("OAK.SIM",))
    section = execution_section(ReportInputs("s", "t", "2026-03-13", execution=several))
    titles = [table.title for table in section.tables]
    assert titles[0] == "Headline, replay market" and "OAK.SIM" in section.tables[0].note
    agents = section.tables[titles.index("Agents by case, flow market")].frame
    assert agents["policy"].unique().to_list() == ["DQN"] and agents.height == 4
    assert "Policies by case, replay market" in [figure.title for figure in section.figures]
    one = replace(inputs, cases=several.cases.filter(pl.col("case") == several.cases["case"][0]))
    assert not any("by case" in t.title for t in execution_section(ReportInputs("s", "t", "d", execution=one)).tables)


def test_the_section_shows_what_there_is_where_agents_left_no_curve(inputs):
    from dataclasses import replace

    bare = replace(inputs, fan=None, learning=None, heat=None, costs=None, tests=None)
    assert len(execution_section(ReportInputs("s", "t", "2026-03-13", execution=bare)).figures) == 4


def test_an_absent_section_says_why():
    text = execution_section(ReportInputs("s", "t", "2026-03-13")).text
    assert text.startswith("Absent: ")
    reason = {"execution": "the study has no order-by-order data"}
    assert "order-by-order" in execution_section(ReportInputs("s", "t", "2026-03-13", reasons=reason)).text
