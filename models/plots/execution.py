"""Plots of execution policies: costs, their spread over orders, schedules, learning, what the agent does.

Every policy has one colour in all of them. Here: drawing. Not here: the figures (models/execution).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.plots.style import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    HEIGHT_IN,
    INK,
    PALE,
    PURPLE,
    REPORT_DPI,
    SKY,
    SMALL_PT,
    SOFT_INK,
    VERMILION,
    canvas,
    label_axes,
    legend,
    no_data,
    note,
    to_png,
    usable,
)

#: Policies that were trained; drawn with a band and a strong line.
AGENTS = ("dqn", "ppo")
#: Lines of the schedule plot besides the agents.
SCHEDULES = ("twap_taker", "vwap", "almgren_chriss", "submit_and_leave")
#: Lines of the distribution plot besides the agents; more could not be told apart.
DISTRIBUTIONS = ("twap_taker", "twap_passive", "submit_and_leave", "almgren_chriss", "random")
#: Share of the worst and best orders outside the distribution plot.
_TAIL = 0.005
_COLOURS = {
    "dqn": BLUE,
    "ppo": "#d62f8a",
    "champion": "#7a4b00",
    "twap_taker": VERMILION,
    "twap_passive": GREEN,
    "vwap": PURPLE,
    "vwap_passive": "#5f8f2f",
    "almgren_chriss": AMBER,
    "submit_and_leave": SKY,
    "immediate": INK,
    "pov": "#8c564b",
    "popv_1": "#c49c94",
    "popv_3": "#7f6a93",
    "almgren_chriss_calibrated": "#b8860b",
    "submit_and_leave_optimised": "#2f7fb5",
    "tabular_q": "#3f6f6f",
    "hendricks_wilcox": "#94568f",
    "foresight": "#b0b7c0",
    "random": GREY,
}
_NAMES = {"dqn": "DQN", "twap_taker": "TWAP taker", "twap_passive": "TWAP passive", "vwap": "VWAP taker"}
_NAMES |= {"vwap_passive": "VWAP passive", "almgren_chriss": "Almgren-Chriss", "pov": "POV", "ppo": "PPO"}
_NAMES |= {"popv_1": "POPV-1", "popv_3": "POPV-3", "tabular_q": "tabular Q", "foresight": "perfect foresight"}
_NAMES |= {"hendricks_wilcox": "Hendricks-Wilcox", "almgren_chriss_calibrated": "Almgren-Chriss, calibrated"}
_NAMES |= {"submit_and_leave_optimised": "submit and leave, optimised"}
_PARTS = (("spread_bps", "spread and depth", BLUE), ("timing_bps", "timing", AMBER), ("fees_bps", "fees", GREY))


def policy_name(policy: str) -> str:
    """How a policy is called in print."""
    return _NAMES.get(policy, policy.replace("_", " "))


def policy_colour(policy: str) -> str:
    """The colour of a policy in every plot."""
    return _COLOURS.get(policy, SOFT_INK)


def slippage_distribution(slippage: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Share of parent orders up to each shortfall: agents and some rules.

    Args:
        slippage: Columns policy, is_bps; market optional. One row a parent order.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "Distribution of the shortfall"
    frame, subtitle = of_market(usable(slippage, "slippage_distribution", ("policy", "is_bps")), market)
    if frame.is_empty():
        return no_data(title, "no parent order was worked", dpi)
    known = frame.filter(pl.col("policy").is_in([*AGENTS, *DISTRIBUTIONS]))
    frame = known if known.height else frame
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=HEIGHT_IN * 1.1)
    means = frame.group_by("policy", maintain_order=True).agg(pl.col("is_bps").mean()).sort("is_bps", "policy")
    for policy, mean in means.iter_rows():
        costs = np.sort(frame.filter(pl.col("policy") == policy)["is_bps"].to_numpy())
        strong = policy in AGENTS
        axis.step(
            np.concatenate([costs, costs[-1:]]),
            np.linspace(0.0, 1.0, costs.size + 1),
            where="post",
            color=policy_colour(policy),
            linewidth=2.4 if strong else 1.4,
            zorder=3 if strong else 2,
            label=f"{policy_name(policy)}, mean {mean:+.2f}".replace("-", "−").replace("Almgren−", "Almgren-"),
        )
    low, high = np.quantile(frame["is_bps"].to_numpy(), [_TAIL, 1.0 - _TAIL])
    margin = 0.03 * (high - low) or 1.0
    axis.set_xlim(low - margin, high + margin)
    axis.set_ylim(0.0, 1.0)
    axis.axvline(0, color=SOFT_INK, linewidth=0.9, zorder=1.5)
    legend(axis, loc="lower right")
    label_axes(axis, "shortfall against the arrival mid (bps, positive is a cost)", "share of parent orders")
    return to_png(figure, dpi)


def schedule_fan(
    fan: pl.DataFrame, *, market: str = "", agents: Sequence[str] = AGENTS, dpi: int = REPORT_DPI
) -> bytes:
    """Mean inventory over the horizon: agents with the band of 80 % of their orders, schedules as lines.

    Args:
        fan: Columns policy, elapsed_share, inventory_share, inventory_low, inventory_high; market optional.
        market: Whose rows; empty: the first.
        agents: Policies drawn with a band.
        dpi: Dots per inch.
    """
    title = "Inventory over the horizon"
    columns = ("policy", "elapsed_share", "inventory_share", "inventory_low", "inventory_high")
    frame, subtitle = of_market(usable(fan, "schedule_fan", columns), market)
    if frame.is_empty():
        return no_data(title, "no inventory path was recorded", dpi)
    figure, (axis,) = canvas(title, subtitle=subtitle)
    present = frame["policy"].unique(maintain_order=True).to_list()
    for policy in [name for name in (*SCHEDULES, *agents) if name in present]:
        path = frame.filter(pl.col("policy") == policy).sort("elapsed_share")
        elapsed, colour = path["elapsed_share"].to_numpy(), policy_colour(policy)
        if policy in agents:
            low, high = (path[name].to_numpy() for name in ("inventory_low", "inventory_high"))
            label = f"{policy_name(policy)}, 10 to 90 % of orders"
            axis.fill_between(elapsed, low, high, color=colour, alpha=0.16, linewidth=0, label=label)
            style, width, label = "o-", 2.0, f"{policy_name(policy)}, mean"
        else:
            style, width, label = ("--" if policy == "vwap" else "-"), 1.3, policy_name(policy)
        axis.plot(elapsed, path["inventory_share"], style, color=colour, linewidth=width, markersize=3.5, label=label)
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(0.0, 1.03)
    legend(axis, loc="upper right")
    label_axes(axis, "share of the horizon elapsed", "share of the parent order left")
    return to_png(figure, dpi)


def cost_bars(costs: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Mean shortfall of every policy, cut into spread, timing and fees; gains stand left of zero.

    Args:
        costs: Columns policy, spread_bps, timing_bps, fees_bps, is_bps; market optional.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "What the shortfall is made of"
    frame, subtitle = of_market(usable(costs, "cost_bars", ("policy", *(part[0] for part in _PARTS), "is_bps")), market)
    if frame.is_empty():
        return no_data(title, "no parent order was worked", dpi)
    frame = frame.sort("is_bps", descending=True)
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=1.3 + 0.29 * frame.height)
    places = np.arange(frame.height)
    left, right = np.zeros(frame.height), np.zeros(frame.height)
    for name, label, colour in _PARTS:
        values = frame[name].to_numpy()
        start = np.where(values >= 0, right, left)
        axis.barh(places, values, left=start, height=0.62, color=colour, alpha=0.8, label=label)
        right, left = right + np.maximum(values, 0), left + np.minimum(values, 0)
    totals = frame["is_bps"].to_numpy()
    axis.plot(totals, places, "D", color=INK, markersize=4.5, label="shortfall", zorder=4)
    for place, total, end in zip(places, totals, right, strict=True):
        _beside(axis, f"{total:+.2f}", float(max(end, total)), float(place), INK)
    policy_rows(axis, frame["policy"].to_list())
    axis.set_xlim(widened(float(min(left.min(), totals.min())), float(max(right.max(), totals.max()))))
    legend(axis, columns=4, loc="upper center", bbox_to_anchor=(0.5, -0.02 - 1.35 / (1.3 + 0.29 * frame.height) * 0.3))
    axis.set_xlabel("bps of the arrival mid", fontsize=SMALL_PT, color=SOFT_INK)
    return to_png(figure, dpi)


def paired_differences(table: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Difference of every policy to the TWAP taker on the same orders, with its interval.

    Args:
        table: Columns policy, vs_twap_taker_bps; vs_twap_low, vs_twap_high and market optional.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "Shortfall less that of the TWAP taker"
    frame, subtitle = of_market(usable(table, "paired_differences", ("policy", "vs_twap_taker_bps")), market)
    if frame.is_empty():
        return no_data(title, "no policy was compared", dpi)
    frame = frame.sort("vs_twap_taker_bps", descending=True)
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=1.1 + 0.32 * frame.height)
    for place, row in enumerate(frame.to_dicts()):
        colour, value = policy_colour(row["policy"]), row["vs_twap_taker_bps"]
        low, high = row.get("vs_twap_low"), row.get("vs_twap_high")
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axis.plot(value, place, "o", color=colour, markersize=6 if row["policy"] in AGENTS else 4.5)
        _beside(axis, f"{value:+.2f}", value if high is None else high, place, colour)
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    policy_rows(axis, frame["policy"].to_list())
    axis.margins(x=0.14)
    note(axis, "cheaper", x=0.01, y=0.99, align="left")
    note(axis, "dearer", y=0.99)
    axis.set_ylim(-0.6, frame.height - 0.1)
    label_axes(axis, "mean paired difference (bps), 95 % block-bootstrap interval")
    return to_png(figure, dpi)


def _beside(axis: Axes, text: str, x: float, y: float, colour: str) -> None:
    axis.annotate(
        text.replace("-", "−"),
        (x, y),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
        color=colour,
    )


def widened(low: float, high: float) -> tuple[float, float]:
    """Limits with room for a number right of the longest bar."""
    span = (high - low) or 1.0
    return low - 0.02 * span, high + 0.14 * span


def policy_rows(axis: Axes, policies: Sequence[str]) -> None:
    """Name the rows of a chart of bars after policies, agents in bold, with a line at 0."""
    axis.set_yticks(range(len(policies)), [policy_name(policy) for policy in policies])
    for label, policy in zip(axis.get_yticklabels(), policies, strict=True):
        label.set_fontweight("bold" if policy in AGENTS else "normal")
    axis.xaxis.set_major_locator(MaxNLocator(7))
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color=PALE, linewidth=0.6)


def of_market(frame: pl.DataFrame, market: str) -> tuple[pl.DataFrame, str]:
    """Rows of one market, the first where none is asked for: markets are never mixed; and the subtitle that says so."""
    if "market" not in frame.columns or frame.is_empty():
        return frame, ""
    chosen = market or str(frame["market"][0])
    return frame.filter(pl.col("market") == chosen), f"{chosen} market" if chosen else ""
