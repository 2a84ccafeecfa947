"""Following log files: each line once, over rotation, truncation, restarts and half lines."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flyball import config
from flyball.backends.tail_file import LINE_MAX, MOST_BYTES, FileTail
from flyball.errors import BadInput
from flyball.sources import tail


class Desk:
    """One followed file, and the followers of one server after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "web.log"
        self.told = config.Tail(name="web", path=str(self.log), match="ERROR", target="web")
        self.seconds = count(12.5)
        self.follower = FileTail(self.folder, [self.told], lambda: next(self.seconds))

    def restarted(self, match: str = "ERROR") -> None:
        """A server after one that was killed: that one has saved nothing more."""
        self.follower.close()
        self.told = self.told.model_copy(update={"match": match})
        self.follower = FileTail(self.folder, [self.told], lambda: next(self.seconds))

    def write(self, text: str) -> None:
        with self.log.open("a") as out:
            out.write(text)

    def look(self) -> list[str]:
        """The lines of one look, saved as the server does."""
        found = self.follower.read()
        self.follower.save()
        return [line for raw in found for line in json.loads(raw)["lines"]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.follower.close()


def test_history_is_not_news_and_new_lines_come_once(desk: Desk) -> None:
    desk.write("ERROR old\n")
    assert desk.look() == []
    desk.write("fine\nERROR a\n")
    assert desk.look() == ["ERROR a"]
    assert desk.look() == []


def test_half_a_line_waits_for_its_other_half(desk: Desk) -> None:
    desk.look()
    desk.write("ERR")
    assert desk.look() == []
    desk.restarted()
    assert desk.look() == []
    desk.write("OR whole\n")
    assert desk.look() == ["ERROR whole"]


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(desk: Desk) -> None:
    desk.write("x\n")
    desk.look()
    desk.write("ERROR last of the old\n")
    desk.log.rename(desk.log.with_suffix(".1"))
    desk.write("ERROR first of the new\n")
    assert desk.look() == ["ERROR last of the old", "ERROR first of the new"]
    assert desk.look() == []


def test_a_file_cut_short_in_place_is_read_from_its_start(desk: Desk) -> None:
    desk.write("a long line that is history\n")
    desk.look()
    desk.log.write_text("ERROR new\n")
    assert desk.look() == ["ERROR new"]


def test_what_came_while_the_server_was_down_is_found(desk: Desk) -> None:
    desk.write("x\n")
    desk.look()
    desk.write("ERROR in the night\n")
    desk.restarted()
    assert desk.look() == ["ERROR in the night"]
    desk.log.rename(desk.log.with_suffix(".1"))
    desk.write("ERROR rotated in the night\n")
    desk.restarted()
    assert desk.look() == ["ERROR rotated in the night"]


def test_what_was_not_saved_is_given_again_as_the_same_delivery(desk: Desk) -> None:
    desk.write("x\n")
    desk.look()
    desk.write("ERROR once\n")
    (first,) = desk.follower.read()
    desk.restarted()
    (again,) = desk.follower.read()
    assert tail.SOURCE.identify(first, {}) == tail.SOURCE.identify(again, {})


def test_a_file_that_is_not_there_yet_is_read_from_its_start_when_it_comes(desk: Desk) -> None:
    assert desk.look() == []
    desk.write("ERROR at birth\n")
    assert desk.look() == ["ERROR at birth"]


def test_a_flood_is_taken_in_pieces_and_counted(desk: Desk) -> None:
    desk.look()
    desk.write("ERROR flood\n" * 50_000)
    counts = []
    while found := desk.follower.read():
        desk.follower.save()
        counts.append(json.loads(found[0])["count"])
        assert len(found[0]) < 4_000
    assert sum(counts) == 50_000
    assert len(counts) == -(-50_000 * 12 // MOST_BYTES)


def test_a_line_without_an_end_does_not_grow_in_memory(desk: Desk) -> None:
    desk.look()
    desk.write("ERROR" + "x" * (LINE_MAX * 3))
    assert [len(line) for line in desk.look()] == [LINE_MAX]
    desk.write("y\n")
    assert desk.look() == []


def test_what_is_delivered_becomes_one_signal_of_one_trouble(desk: Desk) -> None:
    desk.look()
    desk.write("ERROR a\nERROR b\n")
    (raw,) = desk.follower.read()
    (signal,) = tail.SOURCE.read(raw, {})
    assert (signal.key, signal.name, signal.target, signal.at) == ("tail:web", "LogLine", "web", 12.5)
    assert (signal.summary, signal.annotations) == ("ERROR a", {"lines": "ERROR a\nERROR b", "count": "2"})


@pytest.mark.parametrize("change", [{"lines": []}, {"lines": "ERROR"}, {"target": 7}, {"at": "nan"}, {"name": None}])
def test_what_no_tail_delivers_is_refused(change: dict[str, Any]) -> None:
    doc = {"name": "web", "target": "web", "alert": "LogLine", "at": 1.0, "count": 1, "lines": ["ERROR"], **change}
    with pytest.raises(BadInput, match="this is not what a tail delivers"):
        tail.SOURCE.read(json.dumps(doc).encode(), {})


@pytest.mark.parametrize(("setting", "why"), [({"match": "("}, "is no regular expression"), ({"path": "web.log"}, "should match pattern")])
def test_a_bad_setting_is_refused(setting: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        config.Tail(**{"name": "web", "path": "/w", "match": "x", "target": "web", **setting})


def test_a_pattern_that_cannot_be_matched_in_few_steps_is_refused(desk: Desk) -> None:
    with pytest.raises(BadInput) as told:
        desk.restarted(match="(?=ERROR)")
    assert told.value.what == "the tail web cannot be followed"
    assert told.value.why.startswith("'(?=ERROR)' is no regular expression of RE2: ")


def test_one_name_stands_for_one_file() -> None:
    one = config.Tail(name="web", path="/w", match="x", target="web")
    with pytest.raises(ValueError, match="the name 'web' stands twice"):
        config.Project(tails=[one, one])


def test_what_could_not_be_delivered_is_given_again_until_it_is(desk: Desk) -> None:
    """A full disk refuses the delivery: the server looks again and has saved nothing."""
    desk.look()
    desk.write("ERROR on a full disk\n")
    first = desk.follower.read()
    desk.write("ERROR after it\n")
    assert desk.follower.read() == first != []
    desk.follower.save()
    assert desk.look() == ["ERROR after it"]


def test_a_pipe_in_a_log_s_place_does_not_hold_the_server_up(desk: Desk) -> None:
    desk.look()
    os.mkfifo(desk.log)
    signal.alarm(20)  # so that a look that waits for a writer fails instead of waiting for ever
    try:
        assert desk.look() == []
    finally:
        signal.alarm(0)
    desk.log.unlink()
    desk.write("ERROR in a file again\n")
    assert desk.look() == ["ERROR in a file again"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")
def test_a_link_leads_only_where_its_owner_may_read(desk: Desk) -> None:
    """Who may write a log may put a link there; the server would read with its own rights and tell."""
    desk.look()
    secret = desk.folder / "shadow"
    desk.log.symlink_to(secret)
    os.lchown(desk.log, 12_345, 12_345)
    secret.write_text("ERROR that is a secret\n")
    assert desk.look() == []
    os.chown(secret, 12_345, 12_345)
    assert desk.look() == ["ERROR that is a secret"]
    os.chown(secret, 0, 0)
    os.lchown(desk.log, 0, 0)
    desk.restarted()
    desk.write("ERROR by the operator's own link\n")
    assert desk.look() == ["ERROR by the operator's own link"]


def test_a_pattern_that_goes_back_and_forth_does_not_hold_the_server_up(desk: Desk) -> None:
    """Whoever writes to a log chooses what the pattern meets; what is too costly to look at counts as a match."""
    desk.restarted(match="(a+)+$")
    desk.look()
    signal.alarm(30)
    try:
        desk.write("a" * 40 + "b\n")
        assert desk.look() == []
        desk.write("x" + "a" * 40 + "\n")
        assert desk.look() == ["x" + "a" * 40]
        desk.write(("a" * 4_000 + "b\n") * 40)
        assert desk.look()
    finally:
        signal.alarm(0)


def test_the_last_line_of_a_rotated_file_needs_no_end(desk: Desk) -> None:
    desk.look()
    desk.write("ERROR the last words")
    assert desk.look() == []
    desk.log.rename(desk.log.with_suffix(".1"))
    desk.write("ERROR first of the new\n")
    assert desk.look() == ["ERROR the last words", "ERROR first of the new"]


def test_the_end_of_a_long_line_is_looked_at_too(desk: Desk) -> None:
    desk.look()
    desk.write("x" * (2 * LINE_MAX) + " ERROR at the end\n")
    assert desk.look() == [" ERROR at the end"]
    desk.write("é" * LINE_MAX + "ERROR\n")
    assert len(desk.look()) == 1
