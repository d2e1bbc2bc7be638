"""Downloads from a server that truncates, fails and lies: a file is in its place only when it is whole and right."""

import hashlib
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.download.binance_public import BinancePublic, FileProgress, plan
from feeds.download.http_requests import HttpOptions, Pace, retry_after_s
from feeds.errors import StudyError, T2TError
from pipelines.download import download_binance
from tests.support.flaky_server import FlakyServer, serving

FAST = HttpOptions(timeout_s=2.0, attempts=4, backoff_s=0.001, longest_wait_s=2.0)
CONTENT = os.urandom(1 << 16)
DAY = "2024-08-08"


@pytest.fixture
def server():
    with serving() as running:
        yield running


def published(server: FlakyServer, days: int = 1, checksum: bool = True):
    files = plan(["BTCUSDT"], ["trades"], DAY, f"2024-08-{7 + days:02d}", "spot")
    for k, file in enumerate(files):
        server.add(f"/{file.path}", CONTENT + bytes([k]), checksum)
    return files


def fetch(server: FlakyServer, files, target: Path, **more):
    return BinancePublic(server.url, FAST, parallel=2).fetch(files, target, **more)


def content_of(result) -> bytes:
    return result.path.read_bytes()


def leftovers(target: Path) -> list[str]:
    return [p.name for p in target.rglob("*") if p.name.endswith((".part", ".json", ".tmp", ".lock"))]


def test_a_file_is_downloaded_verified_and_named_with_its_market(server, tmp_path):
    (file,) = published(server)
    (result,) = fetch(server, [file], tmp_path)
    assert (result.state, result.verified) == ("downloaded", True) and content_of(result) == CONTENT + b"\0"
    assert result.path == tmp_path / "BINANCE" / "BTCUSDT" / f"BTCUSDT@BINANCE-trades-{DAY}.zip"
    beside = result.path.with_name(f".{result.path.name}.CHECKSUM").read_text()
    assert beside.split() == [hashlib.sha256(CONTENT + b"\0").hexdigest(), result.path.name]
    assert leftovers(tmp_path) == []


def test_what_is_there_and_verified_is_not_asked_for_again(server, tmp_path):
    files = published(server)
    fetch(server, files, tmp_path)
    before = len(server.requests)
    assert [r.state for r in fetch(server, files, tmp_path)] == ["present"] and len(server.requests) == before


def test_a_copy_that_was_damaged_is_downloaded_again(server, tmp_path):
    files = published(server)
    (result,) = fetch(server, files, tmp_path)
    result.path.write_bytes(b"damaged")
    (again,) = fetch(server, files, tmp_path)
    assert again.state == "downloaded" and content_of(again) == CONTENT + b"\0"


def test_a_recheck_finds_a_file_the_archive_corrected(server, tmp_path):
    (file,) = published(server)
    fetch(server, [file], tmp_path)
    server.add(f"/{file.path}", b"corrected")
    assert [r.state for r in fetch(server, [file], tmp_path)] == ["present"]
    (again,) = fetch(server, [file], tmp_path, recheck=True)
    assert again.state == "downloaded" and content_of(again) == b"corrected"


def test_a_copy_without_its_checksum_beside_is_verified_and_kept(server, tmp_path):
    (file,) = published(server)
    (result,) = fetch(server, [file], tmp_path)
    beside = result.path.with_name(f".{result.path.name}.CHECKSUM")
    beside.unlink()
    assert fetch(server, [file], tmp_path)[0].state == "present" and beside.is_file()
    assert len(server.asked(f"/{file.path}")) == 1


def test_a_download_that_stops_goes_on_where_it_was(server, tmp_path):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["cut:10000", "cut:20000"]
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and content_of(result) == CONTENT + b"\0"
    tag = f'"{hashlib.sha256(CONTENT + bytes(1)).hexdigest()[:8]}"'
    assert server.asked(f"/{file.path}") == [(None, None), ("bytes=10000-", tag), ("bytes=30000-", tag)]


def test_a_later_run_goes_on_where_an_earlier_one_was_given_up(server, tmp_path):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["cut:10000", *["status:503"] * 3]
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "failed" and "503" in result.text and not result.path.exists()
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and server.asked(f"/{file.path}")[-1][0] == "bytes=10000-"


def test_a_file_that_changed_in_between_starts_anew(server, tmp_path):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["cut:10000", *["status:503"] * 3]
    fetch(server, [file], tmp_path)
    changed = os.urandom(50_000)
    server.add(f"/{file.path}", changed)
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and content_of(result) == changed


def test_without_a_version_nothing_is_continued(server, tmp_path):
    (file,) = published(server)
    server.tag_of[f"/{file.path}"] = ""
    server.moods[f"/{file.path}"] = ["cut:10000"]
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and server.asked(f"/{file.path}") == [(None, None), (None, None)]


def test_a_weak_tag_is_not_taken_for_a_version(server, tmp_path):
    (file,) = published(server)
    server.tag_of[f"/{file.path}"] = 'W/"1"'
    server.moods[f"/{file.path}"] = ["cut:10000"]
    assert fetch(server, [file], tmp_path)[0].state == "downloaded"
    assert [start for start, _ in server.asked(f"/{file.path}")] == [None, None]


@pytest.mark.parametrize("mood", ["no_range", "wrong_range"])
def test_a_server_that_does_not_give_the_range_asked_for_harms_nothing(server, tmp_path, mood):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["cut:10000", mood]
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and content_of(result) == CONTENT + b"\0"
    starts = [start for start, _ in server.asked(f"/{file.path}")]
    assert starts == [None, "bytes=10000-", *[None] * (mood == "wrong_range")]


def test_a_part_as_long_as_the_file_is_told_by_its_checksum(server, tmp_path):
    (file,) = published(server)
    part = tmp_path / file.folder / f".{file.name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"\0")
    tag = hashlib.sha256(CONTENT + bytes(1)).hexdigest()[:8]
    part.with_name(f"{part.name}.json").write_text(f'{{"version": "\\"{tag}\\""}}')
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and content_of(result) == CONTENT + b"\0"


@pytest.mark.parametrize("mood", ["other", "page", "long", "status:500", "status:503", "status:429:0", "status:418:0"])
def test_one_bad_answer_is_got_over(server, tmp_path, mood):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = [mood, mood]
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "downloaded" and content_of(result) == CONTENT + b"\0" and leftovers(tmp_path) == []


@pytest.mark.parametrize("mood", ["other", "page", "long", "cut:0", "status:500"])
def test_a_server_that_always_lies_ends_in_a_clear_error_and_no_file(server, tmp_path, mood):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = [mood] * 99
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "failed" and not result.path.exists()
    assert f"after {FAST.attempts} attempts" in result.text and file.path in result.text
    assert len(server.asked(f"/{file.path}")) == FAST.attempts


@pytest.mark.parametrize("text", [b"", b"<html>no</html>", b"0" * 63 + b"  x\n", b"a" * 5000])
def test_a_checksum_that_is_none_ends_in_an_error(server, tmp_path, text):
    (file,) = published(server)
    server.files[f"/{file.path}.CHECKSUM"] = text
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "failed" and "CHECKSUM" in result.text and not result.path.exists()


def test_a_checksum_of_another_file_ends_in_an_error(server, tmp_path):
    (file,) = published(server)
    server.files[f"/{file.path}.CHECKSUM"] = f"{'0' * 64}  x\n".encode()
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "failed" and "SHA-256" in result.text and not result.path.exists()


def test_a_file_without_a_published_checksum_is_marked_as_such(server, tmp_path):
    (result,) = fetch(server, published(server, checksum=False), tmp_path)
    assert (result.state, result.verified) == ("downloaded", False)


def test_a_missing_file_is_reported_and_stops_no_other(server, tmp_path):
    files = published(server, days=4)
    for path in (f"/{files[1].path}", f"/{files[1].path}.CHECKSUM"):
        del server.files[path]
    server.moods[f"/{files[2].path}"] = ["status:403"]
    states = [result.state for result in fetch(server, files, tmp_path)]
    assert states == ["downloaded", "not_published", "failed", "downloaded"]
    assert len(server.asked(f"/{files[1].path}")) == len(server.asked(f"/{files[2].path}")) == 1


def test_a_server_that_asks_for_a_pause_gets_it_from_all_downloads(server, tmp_path, monkeypatch):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["status:429:7", "status:503:8", "status:500"]
    source = BinancePublic(server.url, replace(FAST, longest_wait_s=20.0))
    waits, holds = [], []
    monkeypatch.setattr(source.pace.stop, "wait", waits.append)
    monkeypatch.setattr(source.pace, "hold", holds.append)
    (result,) = source.fetch([file], tmp_path)
    assert result.state == "downloaded" and holds == [7.0, 8.0]
    assert waits[:2] == [7.0, 8.0] and 0 < waits[2] < 1


def test_no_download_asks_while_the_server_is_left_alone(monkeypatch):
    pace, clock = Pace(FAST), [100.0]
    monkeypatch.setattr("feeds.download.http_requests.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(pace.stop, "wait", lambda seconds: clock.append(clock.pop() + seconds))
    pace.hold(2.5)
    pace.hold(1.0)
    pace.wait()
    assert clock == [102.5]


def test_a_server_that_asks_for_too_long_a_pause_is_left_alone(server, tmp_path):
    (file,) = published(server)
    server.moods[f"/{file.path}.CHECKSUM"] = ["status:418:86400"] * 9
    (result,) = fetch(server, [file], tmp_path)
    assert result.state == "failed" and "418" in result.text and len(server.requests) == 1


def test_no_more_files_at_a_time_than_allowed(server, tmp_path):
    files = published(server, days=8)
    fetch(server, files, tmp_path)
    assert server.most_at_once <= 2


def test_progress_reaches_the_length_of_every_file(server, tmp_path):
    files, steps = published(server, days=2), []
    fetch(server, files, tmp_path, progress=steps.append)
    assert {step.state for step in steps} == {None, "downloaded"}
    last = {step.file.path: step for step in steps}
    assert all(step.bytes_done == step.bytes_total == len(CONTENT) + 1 for step in last.values())


def test_two_downloads_of_one_file_do_not_write_into_each_other(server, tmp_path):
    (file,) = published(server)
    started, release = threading.Event(), threading.Event()

    def hold(step: FileProgress) -> None:
        if step.state is None:
            started.set()
            release.wait(5)

    first = []
    thread = threading.Thread(target=lambda: first.extend(fetch(server, [file], tmp_path, progress=hold)))
    thread.start()
    started.wait(5)
    (second,) = fetch(server, [file], tmp_path)
    release.set()
    thread.join()
    assert second.state == "failed" and "under way" in second.text
    assert first[0].state == "downloaded" and content_of(first[0]) == CONTENT + b"\0"


def test_an_interrupt_ends_the_other_downloads_too(server, tmp_path):
    files = published(server, days=6)

    def interrupt(step: FileProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, files, tmp_path, progress=interrupt)
    assert not list(tmp_path.rglob("*.zip"))


@given(
    moods=st.lists(
        st.sampled_from(
            ["good", "cut:1", "cut:30000", "other", "page", "long", "no_range", "status:500", "wrong_range"]
        ),
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_does_a_file_in_its_place_is_right(server, tmp_path, moods):
    (file,) = published(server)
    target = tmp_path / os.urandom(4).hex()
    server.moods[f"/{file.path}"] = list(moods)
    (result,) = fetch(server, [file], target)
    assert result.path.exists() == (result.state == "downloaded")
    assert result.state == "failed" or content_of(result) == CONTENT + b"\0"
    server.moods.clear()
    assert fetch(server, [file], target)[0].state in ("downloaded", "present")


def test_the_plan_has_the_archives_addresses():
    (bars,) = plan(["BTCUSDT"], ["klines_1m"], DAY, DAY, "um")
    assert bars.path == f"data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{DAY}.zip"
    assert bars.name == f"BTCUSDT@BINANCE_USDM-1m-{DAY}.zip"
    monthly = plan(["BTCUSD_PERP"], ["aggTrades"], "2023-12-30", "2024-02-01", "cm", "monthly")
    assert [file.path.rsplit("/", 1)[1] for file in monthly] == [
        f"BTCUSD_PERP-aggTrades-{month}.zip" for month in ("2023-12", "2024-01", "2024-02")
    ]
    assert len(plan(["A1", "B1"], ["trades", "aggTrades"], DAY, "2024-08-10", "spot")) == 12


@pytest.mark.parametrize(
    ("symbol", "kind", "start", "end", "market"),
    [
        ("btcusdt", "trades", DAY, DAY, "spot"),
        ("../X", "trades", DAY, DAY, "spot"),
        ("BTCUSDT", "depth", DAY, DAY, "spot"),
        ("BTCUSDT", "bookTicker", DAY, DAY, "spot"),
        ("BTCUSDT", "trades", "2024-08-09", DAY, "spot"),
        ("BTCUSDT", "trades", "8.8.2024", DAY, "spot"),
        ("BTCUSDT", "trades", DAY, DAY, "futures"),
    ],
)
def test_a_plan_of_something_else_is_refused(symbol, kind, start, end, market):
    with pytest.raises(StudyError):
        plan([symbol], [kind], start, end, market)


def test_retry_after_is_seconds_or_a_date():
    moment = datetime(2024, 8, 8, 12, tzinfo=UTC)
    assert retry_after_s("7") == 7.0 and retry_after_s(None) is None and retry_after_s("soon") is None
    assert retry_after_s("Thu, 08 Aug 2024 12:00:30 GMT", moment.timestamp()) == 30.0
    assert retry_after_s("Thu, 08 Aug 2024 11:00:00 GMT", moment.timestamp()) == 0.0


def test_the_address_comes_from_the_argument_the_environment_or_is_the_public_one(monkeypatch):
    monkeypatch.delenv("T2T_BINANCE_URL", raising=False)
    assert BinancePublic().base_url.startswith("https://")
    monkeypatch.setenv("T2T_BINANCE_URL", "http://mirror/")
    assert BinancePublic().base_url == "http://mirror" and BinancePublic("http://x").base_url == "http://x"


def test_other_schemes_are_refused(tmp_path):
    (result,) = BinancePublic(tmp_path.as_uri(), FAST).fetch(plan(["XY"], ["trades"], DAY, DAY, "spot"), tmp_path)
    assert result.state == "failed" and "http" in result.text


def test_the_command_prints_what_became_of_each_file(server, tmp_path, capsys):
    published(server, days=2)
    arguments = (["BTCUSDT"], ["trades"], DAY, "2024-08-10", "spot", tmp_path)
    results = download_binance(*arguments, base_url=server.url)
    shown = capsys.readouterr().out
    assert [result.state for result in results] == ["downloaded", "downloaded", "not_published"]
    assert "2 downloaded" in shown and "1 not published" in shown


def test_the_command_fails_where_a_file_failed(server, tmp_path):
    (file,) = published(server)
    server.moods[f"/{file.path}"] = ["status:403"]
    with pytest.raises(T2TError, match="1 of 1 files"):
        download_binance(["BTCUSDT"], ["trades"], DAY, DAY, "spot", tmp_path, base_url=server.url)
