"""The section on execution: an agent beside the rules it must beat, on the same parent orders.

Here: choosing tables, plots and their words. Not here: the figures (models/execution).
"""

from __future__ import annotations

import polars as pl

from models.plots import execution as plots
from models.plots import execution_agent
from models.plots.execution_cases import case_heatmap
from models.plots.execution_rules import decomposition_bars
from models.report.content import Figure, Section, Table
from models.report.inputs import ExecutionInputs, ReportInputs
from models.report.sections.absence import absent

_LABELS = {
    "is_bps": "shortfall (bps)",
    "is_low": "95 % low",
    "is_high": "95 % high",
    "sd_bps": "standard deviation (bps)",
    "cvar95_bps": "worst 5 %, mean (bps)",
    "completion": "filled (share)",
    "maker_share": "passive (%)",
}
_DIFFERENCES = {
    "vs_twap_taker_bps": "against TWAP taker (bps)",
    "vs_twap_low": "95 % low",
    "vs_twap_high": "95 % high",
    "vs_best_bps": "against the cheapest rule (bps)",
    "vs_best_low": "95 % low ",
    "vs_best_high": "95 % high ",
}

_TESTS = {
    "difference_bps": "against TWAP taker (bps)",
    "p_value": "p alone",
    "p_holm": "p Holm",
    "p_romano_wolf": "p Romano-Wolf",
    "detectable_bps": "detectable (bps)",
}

_SEEDS = {
    "seeds": "training seeds",
    "iqm_bps": "interquartile mean (bps)",
    "iqm_low": "95 % low",
    "iqm_high": "95 % high",
    "cheapest_bps": "best seed (bps)",
    "dearest_bps": "worst seed (bps)",
    "vs_twap_iqm_bps": "against TWAP taker (bps)",
}
_CASES = {
    "case": "case",
    "n": "orders",
    "is_bps": "shortfall (bps)",
    "vs_twap_taker_bps": "against TWAP taker (bps)",
    "vs_twap_low": "95 % low",
    "vs_twap_high": "95 % high",
    "vs_best_bps": "against the cheapest rule of the case (bps)",
    "vs_best_low": "95 % low ",
    "vs_best_high": "95 % high ",
}
_ABLATIONS = {"n": "orders", "is_bps": "shortfall (bps)", "change_bps": "change (bps)"}


def execution_section(inputs: ReportInputs) -> Section:
    """Costs of every policy, paired differences, where the agent loses, and what it does."""
    title = "Execution"
    if inputs.execution is None or inputs.execution.table.is_empty():
        reason = (
            "no execution policy was judged for this night; it needs order-by-order data and a study that asks for it."
        )
        return Section(title, absent(inputs, "execution", reason))
    execution = inputs.execution
    text = [execution.verdict, f"Split: {execution.split}" if execution.split else "", *execution.notes]
    section = Section(title, "\n\n".join(part for part in text if part))
    _add_headline(section, execution)
    for market in execution.table["market"].unique(maintain_order=True).to_list():
        _add_tables(section, execution.table.filter(pl.col("market") == market), market)
        _add_tests(section, execution, market)
        _add_cases(section, execution, market)
        _add_market_plots(section, execution, market)
    _add_seeds(section, execution)
    _add_ablations(section, execution)
    _add_agent_plots(section, execution)
    return section


def _named(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    return frame.select(pl.col("policy").map_elements(plots.policy_name, return_dtype=pl.String), *columns)


def _add_tables(section: Section, table: pl.DataFrame, market: str) -> None:
    controls = frozenset({plots.policy_name("random")})
    note = (
        "Shortfall against the arrival mid, fees included, positive is a cost; 95 % block-bootstrap intervals. What is "
        "left at the end of the horizon is taken at the market. Standard deviation and the worst 5 % are over single "
        "orders: the timing risk."
    )
    costs = _named(table, ("n", *_LABELS))
    section.tables.append(Table(f"Cost of working an order, {market} market", note, costs, controls, _LABELS))
    note = (
        "Policy minus other on the same orders (same start, side and randomness), so that what the market did cancels; "
        "negative is cheaper. The cheapest rule was chosen on these very orders, which favours it. Intervals are not "
        "widened for the number of comparisons."
    )
    differences = _named(table, tuple(_DIFFERENCES))
    section.tables.append(Table(f"Paired differences, {market} market", note, differences, controls, _DIFFERENCES))


def _add_tests(section: Section, execution: ExecutionInputs, market: str) -> None:
    if execution.tests is None:
        return
    note = (
        "P-values of the differences to the TWAP taker: of each alone, and adjusted for the number of policies by Holm "
        "and by Romano and Wolf (the largest statistic of every bootstrap draw). Below 0.05 after adjustment a "
        "difference is no chance find. Detectable: the true difference that a single test shows four times in five."
    )
    frame = _named(execution.tests.filter(pl.col("market") == market), tuple(_TESTS))
    controls = frozenset({plots.policy_name("random")})
    section.tables.append(
        Table(f"Differences that survive their number, {market} market", note, frame, controls, _TESTS)
    )


def _add_headline(section: Section, execution: ExecutionInputs) -> None:
    if execution.headline is None:
        return
    table = execution.headline.filter(pl.col("market") == execution.headline["market"][0])
    note = (
        f"Only orders of {', '.join(execution.named)}, which the study named before any agent was trained. Policy "
        "minus other on the same orders, as in the tables of all instruments below."
    )
    columns = {"n": "orders", "is_bps": _LABELS["is_bps"], **_DIFFERENCES}
    frame = _named(table, tuple(columns))
    controls = frozenset({plots.policy_name("random")})
    section.tables.append(Table(f"Headline, {table['market'][0]} market", note, frame, controls, columns))


def _add_cases(section: Section, execution: ExecutionInputs, market: str) -> None:
    if execution.cases is None:
        return
    cases = execution.cases.filter(pl.col("market") == market)
    if cases["case"].n_unique() < 2:
        return
    agents = cases.filter(pl.col("policy").is_in(plots.AGENTS)).sort("policy", maintain_order=True)
    note = (
        "A case is an instrument, the time an order has, and its size as a share of the volume usually traded in that "
        "time; both sides together. The cheapest rule is that of the case, chosen on these very orders."
    )
    section.tables.append(Table(f"Agents by case, {market} market", note, _named(agents, tuple(_CASES)), labels=_CASES))
    caption = (
        "Blue is cheaper than equal slices taken at the market, red dearer; bold where the 95 % interval excludes 0. "
        "Policies stand by their mean over the cases."
    )
    picture = case_heatmap(cases, market=market)
    section.figures.append(Figure(f"Policies by case, {market} market", caption, picture))


def _add_seeds(section: Section, execution: ExecutionInputs) -> None:
    if execution.over_seeds is None or execution.over_seeds.is_empty():
        return
    note = (
        "An agent is what a training gives, whatever its seed: the mean of the middle half of the seeds, with a "
        "bootstrap interval over seeds (with fewer than three there is none), and the best and the worst seed."
    )
    frame = _named(execution.over_seeds, ("market", *_SEEDS))
    section.tables.append(Table("Agents over training seeds", note, frame, frozenset(), _SEEDS))


def _add_ablations(section: Section, execution: ExecutionInputs) -> None:
    if execution.ablations is None or execution.ablations.is_empty():
        return
    note = (
        "The same orders of the unseen tape with one part of the market switched off, policies as they are; the change "
        "is against the whole market. Fills with the queue ignored and with nobody ahead ever cancelling are the "
        "bounds that a queue model lies between."
    )
    frame = _named(execution.ablations, ("what", *_ABLATIONS))
    labels = {"what": "switched off", **_ABLATIONS}
    section.tables.append(Table("Parts of the market switched off", note, frame, frozenset(), labels))


def _add_market_plots(section: Section, execution: ExecutionInputs, market: str) -> None:
    add = section.figures.append
    caption = (
        "An interval that covers 0 shows no difference. Left of 0 is cheaper than equal slices taken at the market."
    )
    picture = plots.paired_differences(execution.table, market=market)
    add(Figure(f"Shortfall less that of the TWAP taker, {market} market", caption, picture))
    if execution.costs is not None:
        caption = (
            "Spread: fills against the mid when they were made, so depth consumed counts here. Timing: the mid's move "
            "from arrival to the fills; its mean is small and its spread over orders is the risk. Fees: what the venue "
            "charges."
        )
        picture = plots.cost_bars(execution.costs, market=market)
        add(Figure(f"What the shortfall is made of, {market} market", caption, picture))
        if "impact_bps" in execution.costs.columns:
            caption = (
                "Against the same market without the order. Impact: depth walked past the best quote, and what own "
                "earlier fills had moved the mid by. Drift: what the market did anyway; resting orders wait it out and "
                "fill when it turns against them, so theirs is dear."
            )
            picture = decomposition_bars(execution.costs, market=market)
            add(Figure(f"Impact against a run without the order, {market} market", caption, picture))
    caption = "Further left is cheaper, steeper is surer. The outermost 0.5 % of orders at either end are cut off."
    picture = plots.slippage_distribution(execution.slippage, market=market)
    add(Figure(f"Distribution of the shortfall, {market} market", caption, picture))
    if execution.fan is not None:
        caption = "Resting slices lie above the schedule they belong to until they fill. The band is over orders."
        picture = plots.schedule_fan(execution.fan, market=market)
        add(Figure(f"Inventory over the horizon, {market} market", caption, picture))


def _add_agent_plots(section: Section, execution: ExecutionInputs) -> None:
    if execution.learning is not None:
        caption = (
            "Each episode is one parent order with exploration, so the level is not the agent's; the judged agent acts "
            "greedily. A curve that still falls at its end asks for more training."
        )
        section.figures.append(Figure("Learning curve", caption, execution_agent.learning_curve(execution.learning)))
    if execution.heat is not None:
        caption = (
            "Greedy action with all other observations at their medians over the states the agent visits; blank where "
            "it never was. Sizes are multiples of an even split of what is left."
        )
        section.figures.append(Figure("What the agent does", caption, execution_agent.policy_heatmaps(execution.heat)))
