"""The board: batches, attempts, losses, and what is on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilothouse.tasks.board import BATCH, LOSSES, Board
from pilothouse.tasks.ends import Ends


def board(folder: Path, number: int, retries: int = 0) -> tuple[Board, list[str]]:
    log: list[str] = []
    return Board([{"argv": ["run", str(i)]} for i in range(number)], retries, Ends(folder), log.append), log


def end(task: dict[str, Any], error: str = "", seconds: float = 0.001) -> dict[str, Any]:
    code = 1 if error else 0
    return {
        "task": task["task"],
        "code": code,
        "error": error,
        "seconds": seconds,
        "last": "last words" if error else "",
    }


def test_short_tasks_come_in_batches_once_they_are_known_to_be_short(tmp_path: Path) -> None:
    made, _ = board(tmp_path, 1000)
    first = made.take(2)
    assert len(first) == 1
    made.hear([end(first[0])], "n1")
    assert len(made.take(2)) == BATCH
    made.hear([end(task, seconds=10.0) for task in made.take(2)[:1]], "n1")
    assert len(made.take(2)) == 1


def test_the_last_ones_are_shared(tmp_path: Path) -> None:
    made, _ = board(tmp_path, 11)
    made.hear([end(made.take(4)[0])], "n1")
    assert [len(made.take(5)) for _ in range(3)] == [2, 2, 2]


def test_retries_and_the_record(tmp_path: Path) -> None:
    made, log = board(tmp_path, 2, retries=1)
    (first,) = made.take(1)
    made.hear([end(first, "exit code 1")], "n1")
    again = made.take(1)[0]
    assert (again["task"], again["attempt"]) == (0, 2)
    made.hear([end(again, "exit code 1")], "n2")
    assert made.failed == [0]
    assert not made.complete
    assert [line.splitlines()[0] for line in log] == [
        "task 0 (run 0): exit code 1, on n1 (attempt 1 of 2)",
        "task 0 (run 0): exit code 1, on n2 (attempt 2 of 2)",
    ]
    assert made.failure() == "1 of 2 tasks failed: task 0 (run 0): exit code 1, on n2\nlast words"
    other, _ = board(tmp_path, 2)
    assert list(other.pending) == [1]
    assert other.failed == [0]


def test_a_lost_node_is_no_attempt_but_not_for_ever(tmp_path: Path) -> None:
    made, _ = board(tmp_path, 3)
    made.hear([end(made.take(1)[0])], "n1")
    for _ in range(LOSSES):
        (task,) = made.take(9)
        assert (task["task"], task["attempt"]) == (1, 1)
        made.lose([1], "n1", "its launcher ended with -9")
    made.take(9)
    made.lose([1], "n1", "its launcher ended with -9")
    assert made.failed == [1]
    assert made.ended[1]["code"] is None
    made.hear([end({"task": 1})], "n1")  # heard too late
    assert made.failed == [1]


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    made, _ = board(tmp_path, 3)
    for _ in range(2):
        made.hear([end(made.take(1)[0], seconds=9)], "n1")
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    other, _ = board(tmp_path, 3)
    assert list(other.pending) == [1, 2]
    other.hear([end(other.take(1)[0])], "n1")
    assert set(Ends(tmp_path).read()) == {0, 1}


def test_what_a_node_gives_back_without_having_begun_it_is_no_loss(tmp_path: Path) -> None:
    tasks, log = board(tmp_path, 2)
    for _ in range(2 * LOSSES):
        (task,) = tasks.take(2)
        tasks.take_back([task["task"]])
    assert list(tasks.pending) == [0, 1]
    assert not tasks.running
    assert not tasks.ended
    assert not log


def test_what_was_cut_off_with_its_node_is_not_to_blame_and_goes_where_it_has_time(tmp_path: Path) -> None:
    tasks, _ = board(tmp_path, 2)
    for number in range(2 * LOSSES):
        (task,) = tasks.take(1)
        tasks.cut_off(task["task"], "n-1", 10.0, 10.0 + number)
    assert not tasks.ended
    assert tasks.least_needed == 0.0, "the other one has not begun"
    assert [task["task"] for task in tasks.take(1, lambda needs: needs < 5.0)] == [1]
    assert tasks.least_needed == 15.0
    assert not tasks.take(1, lambda needs: needs < 5.0)
    assert [task["task"] for task in tasks.take(1, lambda needs: needs < 20.0)] == [0]


def test_one_that_no_node_lasts_for_has_failed_unless_it_may_try_again(tmp_path: Path) -> None:
    tasks, _ = board(tmp_path, 1, retries=1)
    for attempt in (1, 2):
        (task,) = tasks.take(1)
        assert task["attempt"] == attempt
        tasks.cut_off(0, "n-1", 100.0, 200.0, "no node lasts longer")
    assert tasks.failed == [0]
    assert "no node lasts longer" in tasks.failure()
