"""The section on the alpha models and their controls.

Here: choosing tables, plots and their words. Not here: the statistics (models/metrics, models/alpha).
"""

from __future__ import annotations

from models import plots
from models.plots.alpha import CONTROLS, judged_row
from models.plots.importance import grouped_importance
from models.report.content import Figure, Section, Table
from models.report.inputs import AlphaInputs, ReportInputs
from models.report.sections.absence import absent, is_empty


def alpha_section(inputs: ReportInputs) -> Section:
    """The comparison of model rows with their controls."""
    title = "Alpha"
    if inputs.alpha is None:
        return Section(title, absent(inputs, "alpha", "no alpha model was trained for this night."))
    alpha = inputs.alpha
    text = [alpha.verdict, f"Split: {alpha.split}" if alpha.split else "", "Grey rows are controls."]
    section = Section(title, "\n\n".join(part for part in text if part))
    _add_comparison(section, alpha)
    _add_quantiles(section, alpha)
    _add_alpha_plots(section, inputs, alpha)
    _add_importance(section, alpha)
    return section


def _add_comparison(section: Section, alpha: AlphaInputs) -> None:
    note = (
        "Judged out of sample only. A shuffled row whose interval excludes 0 points to a leak; a model that "
        "does not beat the linear row has not earned its complexity. ICIR is per block, not annualised."
    )
    section.tables.append(Table("Models and controls", note, alpha.table, frozenset(CONTROLS)))
    if alpha.horizons is not None and not alpha.horizons.is_empty():
        row = judged_row(alpha.table["row"].to_list()).replace("_", " ")
        note = f"The same forecast ({row}) held against other horizons; it was trained on one of them only."
        section.tables.append(Table("IC by horizon", note, alpha.horizons))


def _add_quantiles(section: Section, alpha: AlphaInputs) -> None:
    means = "Means over the decision times of the test window, before any cost."
    errors = "Standard errors take labels as independent; they overlap, so the true errors are larger."
    for title, note, frame in (
        ("Calibration of the forecast", f"{means} {errors}", alpha.calibration),
        (
            "Realised return by forecast quantile",
            f"{means} Block-bootstrap intervals.",
            alpha.quantile_returns,
        ),
    ):
        if frame is not None and not frame.is_empty():
            section.tables.append(Table(title, note, frame))


def _add_alpha_plots(section: Section, inputs: ReportInputs, alpha: AlphaInputs) -> None:
    row = judged_row(alpha.table["row"].to_list()).replace("_", " ")
    caption = "IC of every row with its 95 % block-bootstrap interval. An interval that covers 0 shows no skill."
    section.figures.append(Figure("Information coefficient by model", caption, plots.ic_by_row(alpha.table)))
    if alpha.ic_series is not None:
        caption = f"IC of the {row} row in each block of the test window and its mean so far; single blocks are noisy."
        picture = plots.ic_series(alpha.ic_series, timezone=inputs.timezone)
        section.figures.append(Figure("Information coefficient through the test window", caption, picture))
    if alpha.calibration is not None:
        caption = (
            "A slope below the dashed line: the forecast is too large; a flat line: it carries no information. "
            "The intervals take overlapping labels as independent and are too narrow."
        )
        section.figures.append(Figure("Calibration of the forecast", caption, plots.calibration(alpha.calibration)))
    if alpha.quantile_returns is not None:
        caption = (
            "A useful forecast rises from left to right. Before cost: compare the ends with the spread and the fees."
        )
        picture = plots.quantile_returns(alpha.quantile_returns)
        section.figures.append(Figure("Realised return by forecast quantile", caption, picture))


_IMPORTANCE_LABELS = {
    "features": "columns",
    "ic_loss": "IC lost",
    "ic_loss_sd": "std. dev. over permutations",
    "ic_loss_low": "95 % low",
    "ic_loss_high": "95 % high",
}


def _add_importance(section: Section, alpha: AlphaInputs) -> None:
    if is_empty(alpha.importance) or alpha.importance is None:
        return
    meaning = (
        "IC of the model minus its IC after the columns of a group were permuted together over the test rows. It says "
        "what this model leans on, not what the market holds: groups that say the same stand in for each other."
    )
    with_interval = {"ic_loss_low", "ic_loss_high"} <= set(alpha.importance.columns)
    interval = with_interval and alpha.importance["ic_loss_low"].is_not_null().any()
    scatter = "Block-bootstrap intervals." if interval else "No interval: differences of a few thousandths are noise."
    # columns without any value would stand as dashes
    empty = [name for name in alpha.importance.columns if alpha.importance[name].is_null().all() and name != "ic_loss"]
    table = Table(
        "What the model leans on", f"{meaning} {scatter}", alpha.importance.drop(empty), labels=_IMPORTANCE_LABELS
    )
    section.tables.append(table)
    caption = (
        "Blue: the model needs the group. Grey: without it the model does as well, as far as the test can tell; a "
        f"negative loss means that it does better. {scatter}"
    )
    picture = grouped_importance(alpha.importance)
    section.figures.append(Figure("Information lost without a group of features", caption, picture))
