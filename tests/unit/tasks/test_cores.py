"""Cores and GPUs: what is given to whom."""

from __future__ import annotations

import itertools

import pytest

from pilothouse.runs.cores import Allocation, Capacity, Cores, Ledger, Need


class Worker:
    def __init__(self, name: str, cores: int, gpus: int = 0, status: str = "running") -> None:
        self.name, self.nthreads, self.address = name, cores, f"tls://10.0.0.{name[-1]}:8786"
        self.resources = {"GPU": float(gpus)} if gpus else {}
        self.status = type("Status", (), {"name": status})


class Scheduler:
    def __init__(self, *workers: Worker) -> None:
        self.workers = {worker.address: worker for worker in workers}
        self.extensions: dict[str, object] = {}


class Asker:
    def __init__(self, need: Need, number: int) -> None:
        self.need, self.left, self.got = need, number, list[Allocation]()
        self.avoid: set[str] = set()

    def wanted(self) -> int:
        return self.left

    def place(self, allocation: Allocation) -> None:
        self.left -= 1
        self.got.append(allocation)


@pytest.fixture
def cores() -> Cores:
    return Cores(Scheduler(Worker("n1", 4), Worker("n2", 4)))


def ask(cores: Cores, need: Need, number: int = 1) -> Asker:
    asker = Asker(need, number)
    cores._applicants.append(asker)
    cores.dispatch()
    return asker


def nodes(asker: Asker) -> list[tuple[str, ...]]:
    return [tuple(part.node for part in allocation.parts) for allocation in asker.got]


def test_tasks_are_packed() -> None:
    ledger = Ledger()
    there = {"n1": Capacity(4), "n2": Capacity(4)}
    found = []
    while allocation := ledger.find(Need(2), there, frozenset()):
        ledger.take(allocation)
        found.append(allocation.node)
    assert found == ["n1", "n1", "n2", "n2"]


def test_gpus_go_by_number_to_one_task_each() -> None:
    ledger = Ledger()
    there = {"n1": Capacity(8, 2)}
    first, second = (ledger.find(Need(1, 1), there, frozenset()) for _ in range(2))
    assert first is not None
    assert first.parts[0].gpus == second.parts[0].gpus == (0,)  # type: ignore[union-attr]  # nothing was taken yet
    ledger.take(first)
    second = ledger.find(Need(1, 1), there, frozenset())
    assert second is not None
    assert second.parts[0].gpus == (1,)
    ledger.take(second)
    assert ledger.find(Need(1, 1), there, frozenset()) is None
    assert ledger.find(Need(1), there, frozenset()) is not None
    ledger.give(first)
    again = ledger.find(Need(1, 1), there, frozenset())
    assert again is not None
    assert again.parts[0].gpus == (0,)


def test_gaps_are_filled_but_not_on_the_node_that_a_big_task_waits_for(cores: Cores) -> None:
    first = ask(cores, Need(3), 2)
    big = ask(cores, Need(4))
    small = ask(cores, Need(1), 5)
    assert nodes(first) == [("n1",), ("n2",)]
    assert nodes(small) == [("n2",)]  # one gap stays for the big one
    cores.release(first.got[0])
    cores.dispatch()
    assert nodes(big) == [("n1",)]
    assert nodes(small) == [("n2",)]


def test_big_tasks_come_to_their_turn_however_many_small_ones_there_are(cores: Cores) -> None:
    running = ask(cores, Need(1), 8)
    big = ask(cores, Need(2, ranks=4))
    endless = ask(cores, Need(1), 1000)
    for allocation in itertools.chain(list(running.got), endless.got):
        if big.got:
            break
        cores.release(allocation)
        cores.dispatch()
    assert nodes(big) == [("n1", "n2")]


def test_ranks_share_a_node_where_they_fit_and_take_whole_nodes_where_not(cores: Cores) -> None:
    assert nodes(ask(cores, Need(1, ranks=3))) == [("n1",)]
    spanning = ask(cores, Need(1, ranks=6))
    assert spanning.got == []  # n1 is not empty
    assert nodes(ask(cores, Need(1), 4)) == []  # both nodes are kept for it
    cores.release(Allocation(()))
    cores._ledger = Ledger()
    cores.dispatch()
    assert nodes(spanning) == [("n1", "n2")]
    assert [part.cores for part in spanning.got[0].parts] == [4, 4]


def test_nodes_that_are_leaving_get_nothing() -> None:
    cores = Cores(Scheduler(Worker("n1", 4, status="closing_gracefully"), Worker("n2", 2, gpus=1)))
    assert cores.nodes() == {"n2": Capacity(2, 1, "10.0.0.2")}
    assert nodes(ask(cores, Need(1), 3)) == [("n2",), ("n2",)]


def test_all_runs_of_a_pilot_share_one() -> None:
    scheduler = Scheduler(Worker("n1", 1))
    assert Cores.of(scheduler) is Cores.of(scheduler)
