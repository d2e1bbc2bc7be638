"""The command line ``t2t``.

Here: arguments, progress and tables on a terminal. Not here: what the commands do (runner.py, explain.py, status.py).
Heavy imports stay inside the commands, so that ``t2t --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from feeds.errors import T2TError
from pipelines.lake import lake_app

app = typer.Typer(
    name="t2t",
    help="Machine-learning trading research as one lineage-tracked graph, from raw ticks to live orders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
StudyOption = Annotated[
    str | None,
    typer.Option("--study", "-s", help="Name of a shipped study or path of a study YAML (environment: T2T_STUDY)."),
]
#: Instrument-days that `t2t run` builds at a time: each process holds the libraries and a day.
MOST_AT_ONCE = 2
app.add_typer(lake_app, name="lake")
download_app = typer.Typer(help="Fetch public market data.", no_args_is_help=True)
app.add_typer(download_app, name="download")
_state = {"debug": False}


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of all commands."""
    _state["debug"] = debug


def _choose(study: str | None) -> tuple[str, Path]:
    """The study's name or path, validated, and its folder; child processes see the same choice."""
    from feeds.root import study_root
    from feeds.study import chosen_study, load_study

    named = chosen_study(study)
    config = load_study(named)
    os.environ["T2T_STUDY"] = named
    return named, study_root(config)


@app.command()
def run(
    study: StudyOption = None,
    nights: Annotated[int | None, typer.Option(help="Nights to train; default the study's.", min=1)] = None,
    force: Annotated[bool, typer.Option(help="Rebuild partitions that are up to date too.")] = False,
) -> None:
    """Bring in a study's data, materialise the whole graph, print where the report is.

    Without a study: the embedded real capture, then the simulated market whose order flow is fitted to it.
    """
    from feeds.study import DEFAULT_RUN
    from pipelines.compile_ahead import compiling_ahead
    from pipelines.show import console

    named = study or os.environ.get("T2T_STUDY")
    studies = [named] if named else DEFAULT_RUN
    with compiling_ahead(studies):
        paths = [_run_study(name, nights, force) for name in studies]
    if len(paths) > 1:
        console.print("reports:", *(f"[bold]{path}[/bold]" for path in paths), sep="\n  ", soft_wrap=True)
    if None in paths:
        raise typer.Exit(1)


def _run_study(study: str, nights: int | None, force: bool) -> Path | None:
    from assets.parallel import cores
    from feeds.study import load_study
    from pipelines.runner import GraphRunner, stage_sources
    from pipelines.show import console, print_summary, progress

    named, root = _choose(study)
    config = load_study(named)
    console.print(f"[bold]{config.title}[/bold]\n{config.description}")
    staged = stage_sources(config, root, console.print)
    console.print(f"{len(staged)} new files in the landing zone {_short(root / 'landing')}")
    with progress() as listen:
        summary = GraphRunner(named, root, force=force).run(nights, listen, workers=min(cores(), MOST_AT_ONCE))
    print_summary(summary)
    return summary.report_path()


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders; the format is recognised by content.")],
    study: StudyOption = None,
    ticks_only: Annotated[bool, typer.Option("--ticks-only", help="Stop at checked clean ticks.")] = False,
) -> None:
    """Recognise files by content, copy them into the landing zone, decode and build what they hold.

    Shows rows a second and the time left, and says at the end what became of every row.
    """
    from pipelines.ingest import ingest_paths

    named, root = _choose(study)
    summary = ingest_paths(named, root, paths, ticks_only)
    if summary.failed or summary.quarantined:
        raise typer.Exit(1)


@download_app.command("binance")
def download_binance(
    symbols: Annotated[list[str], typer.Argument(help="E.g. BTCUSDT ETHUSDT.")],
    start: Annotated[str, typer.Option(help="First date, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option(help="Last date, YYYY-MM-DD.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="trades, aggTrades, bookTicker, bookDepth, klines_1m, ...")
    ] = None,
    market: Annotated[
        Literal["spot", "um", "cm"], typer.Option(help="spot, um (USD-margined futures) or cm (coin-margined).")
    ] = "spot",
    target: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("downloads/binance"),
    period: Annotated[Literal["daily", "monthly"], typer.Option(help="daily or monthly files.")] = "daily",
    parallel: Annotated[int, typer.Option(help="Files at a time.", min=1, max=16)] = 4,
    recheck: Annotated[bool, typer.Option("--recheck", help="Verify files that are here too.")] = False,
    ingest_study: Annotated[str | None, typer.Option("--ingest", help="Study to ingest the files into.")] = None,
) -> None:
    """Files of the exchange's public archive: resumed where they stopped, checksums verified."""
    from pipelines.download import download_binance as fetch
    from pipelines.ingest import ingest_paths

    kinds = kind or ["trades"]
    results = fetch(
        symbols,
        kinds,
        start,
        end,
        market,
        target,
        period=period,
        parallel=parallel,
        recheck=recheck,
    )
    if ingest_study is not None:
        named, root = _choose(ingest_study)
        here = [target / result.file.path for result in results if result.state in ("downloaded", "present")]
        summary = ingest_paths(named, root, here)
        if summary.failed or summary.quarantined:
            raise typer.Exit(1)


@app.command()
def report(
    study: StudyOption = None,
    date: Annotated[str | None, typer.Option(help="Night, YYYY-MM-DD; default the newest.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Print the path of a nightly report."""
    import webbrowser

    _, root = _choose(study)
    found = sorted((root / "reports").glob(f"{date or '*'}/report.html"))
    if not found:
        raise T2TError(
            f"report of {date or 'any night'}", received="none", remedy="Run `t2t run` (or `make run`) first."
        )
    typer.echo(str(found[-1]))
    if open_it:
        webbrowser.open(found[-1].as_uri())


@app.command()
def status(study: StudyOption = None) -> None:
    """Show what the lake holds, what failed and what is in quarantine."""
    from feeds.study import load_study
    from pipelines.status import print_status

    named, root = _choose(study)
    print_status(load_study(named), root)


@app.command()
def explain(
    artefact: Annotated[
        str,
        typer.Argument(metavar="ID", help="Manifest id, the beginning of one, or a name (alpha_model) for the newest."),
    ],
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the chain from an artefact back to raw files with their hashes."""
    from feeds.root import lake_url
    from feeds.study import load_study
    from pipelines.explain import explain_json, print_chain

    named, root = _choose(study)
    url = lake_url(load_study(named))
    if as_json:
        typer.echo(json.dumps(explain_json(root, artefact, url), indent=1))
    else:
        print_chain(root, artefact, url)


@app.command()
def models(study: StudyOption = None) -> None:
    """Show champion, newest challenger and approval of each model family."""
    from pipelines.approve import print_models

    print_models(_choose(study)[1])


@app.command()
def approve(
    model: Annotated[str, typer.Argument(metavar="ID", help="Manifest id of a champion, or the beginning of one.")],
    study: StudyOption = None,
    name: Annotated[str | None, typer.Option(help="Who approves; default $T2T_USER or the login name.")] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take an approval back.")] = False,
) -> None:
    """Let a champion go live; recorded with name and time. Nothing unapproved ever does."""
    from pipelines.approve import approve_model, withdraw_model

    act = withdraw_model if withdraw else approve_model
    act(_choose(study)[1], model, name, note)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Benchmark: one of those `t2t bench list` names.")],
    study: Annotated[str, typer.Option(help="Study whose policies `execution_quality` judges.")] = "",
    policies: Annotated[str, typer.Option(help="Study whose agents `execution_quality` judges there.")] = "",
    studies: Annotated[str, typer.Option(help="Studies of `execution_headline`, with commas between.")] = "",
    nights: Annotated[int, typer.Option(help="Newest nights of each that `execution_headline` reads.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure; results are recorded by hand in benchmarks/RESULTS.md."""
    from benchmarks.catalogue import names, run_benchmark

    if name == "list":
        typer.echo("\n".join(f"{key}: {text}" for key, text in names().items()))
        return
    asked = {"study": study, "policies": policies, "studies": studies, "nights": nights}
    result = run_benchmark(name, **{key: value for key, value in asked.items() if value})
    if as_json:
        typer.echo(json.dumps(result))
    else:
        for key, value in result.items():
            typer.echo(f"{key:32} {value}")


@app.command()
def studies() -> None:
    """List the shipped studies."""
    from feeds.study import available_studies, load_study

    for name in available_studies():
        typer.echo(f"{name:22} {load_study(name).title}")


@app.command("train-sentiment")
def train_sentiment(
    data: Annotated[Path | None, typer.Option(help="Folder of headlines; default $T2T_SHARED/headlines.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of split and training.")] = 7,
) -> None:
    """Train the sentiment head on labelled headlines and write its weights into the package."""
    from feeds.root import shared_root
    from models.sentiment.train import main as train

    train(["--data", str(data or shared_root() / "headlines"), "--seed", str(seed)])


@app.command()
def ui(
    study: StudyOption = None,
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[str, typer.Option(help="Address the web server listens on.")] = "127.0.0.1",
) -> None:
    """Start the Dagster UI, schedules and sensors on the study's data."""
    from feeds.root import data_root, shared_root
    from feeds.study import PROJECT_DIR, load_study
    from pipelines.instance import home_of
    from pipelines.runner import stage_sources

    named, root = _choose(study)
    stage_sources(load_study(named), root, typer.echo)
    # The server runs in the project's folder: relative folders of the environment must not change their meaning.
    os.environ |= {"T2T_DATA": str(data_root()), "T2T_SHARED": str(shared_root()), "DAGSTER_HOME": str(home_of(root))}
    os.chdir(PROJECT_DIR)
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", "-w", "workspace.yaml", "-p", str(port), "-h", host])


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main() -> None:
    """Entry point: an error of the project is one clear paragraph, with ``--debug`` a traceback."""
    try:
        app()
    except T2TError as error:
        if _state["debug"]:
            raise
        typer.secho(f"{type(error).__name__}: {error}", err=True, fg="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
