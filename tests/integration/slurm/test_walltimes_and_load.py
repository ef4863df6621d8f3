"""Nodes that come and go with the time and the load: walltimes, renewal, adapt."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Failed
from pilothouse.pilots import Pilot
from tests.slurm.login_node import LoginNode, happened, running, supervisor
from tests.waiting import eventually

pytestmark = pytest.mark.batch


def keep(value: int, written: str) -> int:
    """`value`, and a line that says so: a task that is computed again leaves two."""
    with open(written, "a") as file:
        file.write(f"{value}\n")
    return value


def put_on_each_node(pilot: Pilot, written: Path) -> list[Any]:
    """A future on each node that runs."""
    client = pilot.client()
    nodes = enumerate(running(pilot))
    futures = [client.submit(keep, number, str(written), workers=[node.name]) for number, node in nodes]
    assert client.gather(futures) == list(range(len(futures)))
    return futures


def assert_handed_on(pilot: Pilot, futures: list[Any], written: Path) -> None:
    """What the nodes hold came from those before them, and was not computed again."""

    def assert_there() -> bool:
        assert all(future.done() for future in futures), "\n".join(map(str, pilot.events()))
        return True

    eventually(assert_there, "what the nodes held")
    assert pilot.client().gather(futures) == [0, 1]
    assert sorted(written.read_text().split()) == ["0", "1"]


def test_renewed_nodes_hand_on_what_they_hold(login: LoginNode, tmp_path: Path) -> None:
    pilot = login.submit(nodes=2).wait(timeout=60)
    old = {node.job for node in running(pilot)}
    futures = put_on_each_node(pilot, tmp_path / "written")
    pilot.renew()
    eventually(lambda: len(running(pilot)) == 2 and not old & {node.job for node in running(pilot)}, "new nodes")
    assert_handed_on(pilot, futures, tmp_path / "written")
    assert {event["reason"] for event in happened(pilot, "node finished")} == {"renewed"}
    assert not happened(pilot, "node failed")
    there = 0
    for event in pilot.events():
        there += {"node running": 1, "node draining": -1}.get(event["what"], 0)
        assert there >= 2 or not happened_before(pilot, "renew", event), "its replacement was there first"
    eventually(lambda: {job.id for job in login.alive()} == {node.job for node in running(pilot)})


def happened_before(pilot: Pilot, what: str, event: dict[str, Any]) -> bool:
    return any(each["what"] == what and each["time"] < event["time"] for each in pilot.events())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_walltimes_in_four_ways(login: LoginNode, tmp_path: Path) -> None:
    """A minute is the shortest walltime that Slurm has, and it looks twice a minute: all of them at once.

    What is replaced in time has two: half of a walltime is the most that a replacement gets.
    """
    always = login.submit(nodes=2, walltime="2min", replace="always", name="always").wait(timeout=60)
    written = tmp_path / "written"
    futures = put_on_each_node(always, written)
    failed = login.submit(nodes=1, walltime="1min", replace="failed", name="failed").wait(timeout=60)
    never = login.submit(nodes=1, walltime="1min", replace="never", name="never").wait(timeout=60)
    asleep = login.submit(nodes=1, walltime="1min", replace="failed", name="asleep").wait(timeout=60)
    first = {pilot.name: {node.job for node in running(pilot)} for pilot in (always, failed, never, asleep)}
    process = supervisor(asleep)
    process.send_signal(signal.SIGSTOP)  # a login node that hangs
    job = next(iter(first["asleep"]))
    try:
        # 'always': another node is there before one goes, and what it holds moves
        eventually(lambda: not first["always"] & {node.job for node in running(always)}, "renewal", within=240)
        assert_handed_on(always, futures, written)
        assert not happened(always, "node failed")
        eventually(lambda: "renewed" in {event["reason"] for event in happened(always, "node finished")}, "its end")
        # 'failed': the node goes in good order at its walltime, and another one comes
        eventually(lambda: {node.job for node in running(failed)} - first["failed"], "a replacement", within=120)
        assert happened(failed, "node draining")[0]["reason"] == "its walltime is over"
        assert failed.client().submit(sum, [1, 2]).result(timeout=30) == 3
        # 'never': it is not replaced
        with pytest.raises(Failed, match=r"(?s)replace='never'.*walltime"):
            never.wait(nodes=2, timeout=120)
        assert len(happened(never, "node submitted")) == 1
        # nobody was there to drain it: Slurm's own end is told, and another one comes
        eventually(lambda: login.cluster.job(job).state == "TIMEOUT", "Slurm's own end", within=150)
    finally:
        process.send_signal(signal.SIGCONT)
    eventually(lambda: {node.job for node in running(asleep)} - {job}, "a replacement", within=120)
    ended = next(node for node in asleep.nodes if node.job == job)
    assert (ended.state, ended.reason.splitlines()[0]) == ("failed", "timeout, its walltime was over")


@pytest.mark.slow
def test_adapt_follows_the_load_without_taking_back_what_has_just_come(login: LoginNode) -> None:
    pilot = login.submit(nodes=1, name="tide").wait(timeout=60)
    pilot.adapt(0, 3)
    client = pilot.client()
    eventually(lambda: not login.alive(), "no nodes without work", within=90)
    eventually(lambda: not running(pilot))
    for _ in range(2):
        futures = client.map(time.sleep, [0.3] * 60, pure=False)
        eventually(lambda: len(running(pilot)) == 3, "as many nodes as it may have", within=90)
        client.gather(futures)
        del futures
    eventually(lambda: not login.alive(), "no nodes without work", within=90)
    assert pilot.state not in ("failed", "finished")
    assert max_at_once(pilot) == 3
    assert not happened(pilot, "node failed")
    ended = happened(pilot, "node draining")
    assert len(ended) >= 4
    for event in ended:
        was = times(pilot, event["node"])
        assert was["draining"] - was["running"] >= was["running"] - was["submitted"], "it has paid for itself"
    submitted = len(happened(pilot, "node submitted"))
    assert submitted <= 8, "no thrash"
    pilot.scale(1).wait(timeout=60)
    assert pilot.record.adapt is None


def times(pilot: Pilot, node: str) -> dict[str, float]:
    """When what happened to the node, seconds since 1970."""
    mine = [event for event in pilot.events() if event.get("node") == node]
    return {event["what"].removeprefix("node "): datetime.fromisoformat(event["time"]).timestamp() for event in mine}


def max_at_once(pilot: Pilot) -> int:
    """The most nodes that ran at once."""
    there, most = 0, 0
    for event in pilot.events():
        there += {"node running": 1, "node draining": -1}.get(event["what"], 0)
        most = max(most, there)
    return most


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def sleep_long(seconds: float) -> float:
    return nap(seconds)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_work_that_fits_into_a_walltime_is_done_and_what_never_will_fails_with_that_word(login: LoginNode) -> None:
    """It begins late, so that its first node cuts it off."""
    pilot = login.submit(nodes=1, cores=4, walltime="2min", name="renewing").wait(timeout=60)
    (node,) = running(pilot)
    client = pilot.client()
    assert node.connected is not None
    late = node.connected.timestamp() + 45
    eventually(lambda: time.time() > late, "half of the walltime", within=60)
    tasks = [pilot.execute(["sleep", seconds]) for seconds in ("75", "150")]
    futures = [client.submit(nap, 75, pure=False), client.submit(sleep_long, 150, pure=False)]
    word = "no node of the pilot lasts longer"
    assert tasks[0].wait(timeout=600).state == "finished"
    assert futures[0].result(timeout=600) == 75
    with pytest.raises(Failed, match=word):
        tasks[1].result(timeout=600)
    with pytest.raises(Failed, match=word):
        futures[1].result(timeout=600)
    assert not happened(pilot, "node failed")
