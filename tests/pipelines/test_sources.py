"""Where source files come from: each scheme, and what is said when nothing is there."""

import pytest

from feeds.errors import StudyError, T2TError
from feeds.study import STUDIES_DIR, Source, load_study
from pipelines.runner import stage_sources
from pipelines.sources import resolve, source_files
from tests.support.market_files import write_news_csv
from tests.support.studies import write_study


def source(path, kind="news_csv"):
    return Source(format=kind, path=str(path))


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")
    return [folder / name for name in names]


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """An own $T2T_SHARED."""
    monkeypatch.setenv("T2T_SHARED", str(tmp_path / "shared"))
    return tmp_path / "shared"


def test_a_package_source_lies_in_the_installed_package(tmp_path, monkeypatch):
    package = tmp_path / "site" / "some_market_data"
    files = touch(package / "samples", "b.csv", "a.csv")
    (package / "__init__.py").write_text("raise RuntimeError('a package must not be run to find its files')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert resolve(source("package:some_market_data/samples")) == [package / "samples"]
    assert resolve(source("package:some_market_data/samples/*.csv")) == sorted(files)


def test_the_default_study_finds_all_its_files_without_shared_data(monkeypatch, tmp_path):
    monkeypatch.setenv("T2T_SHARED", str(tmp_path / "nowhere"))
    found = source_files(load_study("bitstamp_demo"))
    assert len(found) == 3 and all(path.exists() for path in found)


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(StudyError, match=r"source 'package:no_such_package/x'; .*no_such_package is not installed"):
        resolve(source("package:no_such_package/x"))


@pytest.mark.parametrize("path", ["package:no_such_package.inner/x", "package:/x"])
def test_a_package_name_that_cannot_be_looked_up_is_named(path):
    try:
        resolve(source(path))
    except (ModuleNotFoundError, ValueError) as error:
        pytest.fail(f"{type(error).__name__} instead of a StudyError")
    except StudyError as error:
        assert path in str(error)


def test_an_installed_package_without_the_files_is_an_error():
    with pytest.raises(StudyError, match="received no file there; expected files of format news_csv"):
        resolve(source("package:yaml/no_such_folder/*.csv"))


def test_a_shared_source_lies_below_the_shared_folder_in_sorted_order(shared):
    files = touch(shared / "ticks", "b.zip", "a.zip", "c.txt")
    assert resolve(source("shared:ticks/*.zip")) == sorted(files[:2])


def test_a_shared_source_that_is_missing_says_where_it_was_looked_up(shared):
    touch(shared, "other.csv")
    with pytest.raises(StudyError, match=r"source 'shared:news\.csv'; received no file there.*below \$T2T_SHARED"):
        resolve(source("shared:news.csv"))


def test_only_shared_sources_speak_of_the_shared_folder(tmp_path):
    with pytest.raises(StudyError) as caught:
        resolve(source(tmp_path / "news.csv"))
    assert "T2T_SHARED" not in str(caught.value) and str(tmp_path / "news.csv") in str(caught.value)


def test_a_study_source_lies_beside_the_studies():
    (found,) = resolve(source("study:data/bitstamp_demo_headlines.csv"))
    assert found == STUDIES_DIR / "data" / "bitstamp_demo_headlines.csv"


def test_a_study_source_that_is_missing_is_an_error():
    with pytest.raises(StudyError, match=r"source 'study:data/nothing\.csv'"):
        resolve(source("study:data/nothing.csv"))


def test_a_plain_path_may_be_a_file_a_folder_or_a_pattern(tmp_path):
    files = touch(tmp_path / "in", "a.csv", "b.csv")
    assert resolve(source(files[0])) == [files[0]]
    assert resolve(source(tmp_path / "in")) == [tmp_path / "in"]
    assert resolve(source(tmp_path / "*" / "*.csv")) == files


def test_a_relative_plain_path_is_taken_from_the_working_directory(tmp_path, monkeypatch):
    touch(tmp_path / "in", "a.csv")
    monkeypatch.chdir(tmp_path)
    assert [path.resolve() for path in resolve(source("in/*.csv"))] == [tmp_path / "in" / "a.csv"]


def test_a_colon_inside_a_plain_path_is_no_scheme(tmp_path):
    files = touch(tmp_path / "10:30", "a.csv")
    assert resolve(source(tmp_path / "10:30" / "a.csv")) == files


@pytest.mark.parametrize("scheme", ["shared", "study"])
def test_a_scheme_without_a_path_is_an_error(scheme, shared):
    touch(shared, "a.csv")
    with pytest.raises(StudyError, match=f"source '{scheme}:'"):
        resolve(source(f"{scheme}:"))


def test_files_come_in_the_order_of_the_study(tmp_path):
    touch(tmp_path / "files" / "aaa", "z.zip", "y.zip")
    touch(tmp_path / "files", "news.csv")
    names = [path.name for path in source_files(load_study(write_study(tmp_path)))]
    assert names == ["y.zip", "z.zip", "news.csv"]


def test_one_missing_source_stops_before_anything_is_copied(tmp_path):
    write_news_csv(tmp_path / "files" / "news.csv", [("2013-10-07T12:00:00Z", "AAA", "Shares jump", "simulated")])
    with pytest.raises(StudyError, match="us_equity_tick"):
        stage_sources(load_study(write_study(tmp_path)), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_landing_zone_that_cannot_be_written_says_so(tmp_path):
    write_news_csv(tmp_path / "news.csv", [("2013-10-07T12:00:00Z", "AAA", "Shares jump", "simulated")])
    tree = [{"format": "news_csv", "path": str(tmp_path / "news.csv")}]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "landing").write_text("a file where the folder should be")
    with pytest.raises(T2TError, match=r"landing zone of tiny; .*Check free space and permissions"):
        stage_sources(load_study(write_study(tmp_path, sources=tree)), tmp_path / "data")


@pytest.fixture
def tiny_market(tmp_path, monkeypatch):
    """A simulated market of ten minutes in an own $T2T_DATA."""
    import sim.demo_market as demo
    from sim.flow_params import FlowParams
    from tests.support.demo_markets import DATES, small_market

    config = small_market(name="tiny", dates=DATES[:1], session_s=600, crash=None)
    monkeypatch.setattr(demo, "DEMO_MARKETS", {"tiny": config})
    monkeypatch.setattr(demo, "fitted_flow", FlowParams.example)
    monkeypatch.setenv("T2T_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "_simulated"


def test_a_simulated_source_is_generated_on_first_use_and_found_afterwards(tiny_market):
    told = []
    first = resolve(source("simulate:tiny/lobster/*.zip", "lobster"), told.append)
    assert len(told) == 1 and "simulating tiny" in told[0]
    assert [path.name for path in first] == ["ELM@SIM_2026-03-06_34200000_34800000_5.zip"]
    assert first[0].is_relative_to(tiny_market)
    assert resolve(source("simulate:tiny/lobster/*.zip", "lobster"), told.append) == first and len(told) == 1
    assert [path.name for path in resolve(source("simulate:tiny/news.csv"))] == ["news.csv"]


@pytest.mark.parametrize("path", ["simulate:tiny", "simulate:tiny/*", "simulate:tiny/**/*"])
def test_no_simulated_source_names_the_truth(tiny_market, path):
    found = resolve(source(path))
    inside = [file for one in found for file in ([one] if one.is_file() else one.rglob("*"))]
    assert inside and not any(file.suffix == ".parquet" or file.name == "plant.json" for file in inside)


def test_a_simulated_market_that_is_unknown_is_named(tiny_market):
    with pytest.raises(StudyError, match=r"received 'nothing'; expected one of \['tiny'\]"):
        resolve(source("simulate:nothing/news.csv"))


def test_a_file_that_a_simulated_market_lacks_is_an_error(tiny_market):
    with pytest.raises(StudyError, match=r"source 'simulate:tiny/other\.csv'; received no file there"):
        resolve(source("simulate:tiny/other.csv"))
