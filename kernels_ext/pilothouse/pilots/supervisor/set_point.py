"""The set-point of nodes: submit what is missing, replace what ends, drain what is too much."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.errors import Refused
from pilothouse.pilots.queues.polling import Asking
from pilothouse.pilots.queues.protocols import Job, JobStatus, Lent, Queue
from pilothouse.pilots.sites.description import NodeKind, PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.supervisor import walltimes
from pilothouse.pilots.supervisor.giving_back import GivingBack
from pilothouse.pilots.supervisor.node_book import NodeBook
from pilothouse.pilots.supervisor.node_words import waiting, why_failed, without_nodes
from pilothouse.pilots.supervisor.same_job import Processes, broken, by_job, came_up, fitting, together
from pilothouse.pilots.supervisor.submitting import AT_ONCE, Submitting
from pilothouse.pilots.supervisor.trying import Trying
from pilothouse.registry.journal import Journal
from pilothouse.registry.naming import tag
from pilothouse.registry.records import FIRST, NodeRecord, PilotRecord, State
from pilothouse.runs.processes import NodeHost
from pilothouse.runs.terms import Terms
from pilothouse.state import utcnow

ACTIVE = (State.PENDING, State.STARTING, State.RUNNING)


class Nodes:
    """A pilot's nodes.

    Parameters
    ----------
    make_job
        From a node's record and its kind to the job to submit.
    changed
        Called when the record should be written; with True, before it returns.
    wake
        Called when there is something to look at before it is time.
    """

    def __init__(
        self,
        record: PilotRecord,
        queue: Queue,
        asking: Asking,
        journal: Journal,
        folder: Path,
        make_job: Callable[[NodeRecord, NodeKind], Job],
        changed: Callable[..., None],
        wake: Callable[[], None],
    ) -> None:
        self._record = record
        self._asking = asking
        self._journal = journal
        self.book = NodeBook(record, journal, folder, changed)
        self.giving_back = GivingBack(record, queue, asking, journal, self.book)
        self._submitting = Submitting(record, queue, asking, journal, make_job, lambda: self.trying.accepted(), changed)
        self._changed, self._wake = changed, wake
        self._lent = queue if isinstance(queue, Lent) else None
        self._site = Site.model_validate(record.settings)
        self._processes = Processes(self._site.nodes_per_job, folder, asking.look_now)
        self._failed: set[str] = set()
        self.trying = Trying(journal, changed)
        self._renewing: list[str] = []
        self._asked: set[str] = set()
        self._overdue: set[str] = set()
        self._told: set[str] = set()
        self._terms = Terms()
        self.trouble = ""
        self.redescribe()

    def redescribe(self) -> None:
        """The record's description has changed."""
        self.description = PilotDescription.model_validate({**self._record.description, "site": self._record.site})

    # ------------------------------------------------------------------ what others tell

    def watch(self, scheduler: Any, host: NodeHost) -> None:
        """Learn from the scheduler which workers come and go."""
        from distributed.diagnostics.plugin import SchedulerPlugin

        nodes, adopted = self, [node for node in self._record.nodes if self._record.generation > 1]

        class Watcher(SchedulerPlugin):  # type: ignore[misc,unused-ignore]
            name = "pilothouse-nodes"

            def add_worker(self, scheduler: Any, worker: str) -> None:
                state = scheduler.workers[worker]
                nodes.connected(str(state.name), worker, state.nthreads)

            def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:  # noqa: ARG002 - Dask's hook
                node = next((n for n in nodes._record.nodes if n.address == worker), None)
                if node is not None:
                    nodes._disconnected(node)

        self._terms = Terms.of(scheduler)
        self.giving_back.watch(scheduler, host)
        host.told = self._told_to_end
        host.unheard = lambda: any(
            (node.connected and node.state in ACTIVE[:2]) or self.giving_back.is_unheard(node) for node in adopted
        )
        host.without_nodes = lambda: without_nodes(self._record, self.summary)
        scheduler.add_plugin(Watcher())
        for worker in scheduler.workers.values():
            self.connected(str(worker.name), worker.address, worker.nthreads)

    def connected(self, name: str, address: str, cores: int = 0) -> None:
        """The worker of node `name` is there; so many cores are what it was given, where that was left open."""
        for node in self._record.nodes:
            if node.name == name and node.state in (State.PENDING, State.STARTING):
                node.address, node.cores = address, cores or node.cores
                node.connected = node.connected or utcnow()
                if node.first not in self._failed and came_up(self._record, node):
                    self.trying.came_up()
                node.started = node.started or node.connected
                self.book.mark(node, State.RUNNING, "")
                walltimes.tell(self._terms, self._record, self.description, self._site.drain)  # before it gets work

    def _disconnected(self, node: NodeRecord) -> None:
        node.address = ""
        if node.state is State.RUNNING and self._record.state is not State.DRAINING:
            self.book.mark(node, State.STARTING, "its worker has left")
            self._asking.look_now()
            self._wake()

    def _told_to_end(self, name: str, seconds: float) -> None:
        """Somebody else, or the batch system, told a node's job to end: replace it now, and take away what it has."""
        for node in self._record.nodes:
            if node.name != name or node.state is not State.RUNNING or name in self._told:
                continue
            self._told.add(name)
            self._journal.add("node told to end", node=name, seconds=seconds)
            if self.description.replace == "never":
                self._do_without(node)
            elif node.role == "node" and self._lent is None:
                node.leaving = True
            self._changed()
            self._wake()
            self.giving_back.dismiss(node, seconds)

    def renew(self) -> list[str]:
        """Replace each node that is there now by a new one, one after the other; their names.

        One whose job holds the supervisor stays: it is followed by its successor.
        """
        ours = [node for node in self._record.nodes if node.role == "node"]
        self._renewing = [node.name for node in ours if node.state is State.RUNNING]
        self._asked |= {*self._renewing}
        return list(self._renewing)

    # ------------------------------------------------------------------ the loop

    async def keep(self) -> bool:
        """Compare what is wanted, what the batch system has and what is connected; act on the difference.

        Returns
        -------
        bool
            Whether there is more to submit: it is done in slices, and what is wanted may have changed by then.

        Raises
        ------
        Unavailable
            The batch system does not answer; nothing is taken from that.
        """
        if self._record.next_node > 1:  # else there is nothing to ask for
            await self._ask()
        self._follow()
        self._look_at_clocks()
        if self.description.replace != "never":
            for node in broken(self._record.nodes, self._site.nodes_per_job, ACTIVE):
                self._renew(node)
        more = False
        # Those that are told and not replaced are no longer counted in `wanted`.
        less = self._told if self.description.replace == "never" else ()
        for kind, wanted in self._record.wanted.items():
            active = [
                node for node in self._record.nodes
                if node.kind == kind and node.state in ACTIVE and not node.leaving and node.role != "successor"
                and node.name not in less
            ]  # fmt: skip
            if len(active) < wanted:
                if self.trying.may:
                    more |= await self._submit_missing(kind, wanted - len(active))
                    await self._ask()
            elif len(active) > wanted:
                self._let_go(active, len(active) - wanted)
            self._let_leave(kind, wanted)
        walltimes.tell(self._terms, self._record, self.description, self._site.drain)
        return more

    def _follow(self) -> None:
        """Where places are lent: want a node for each."""
        places = self._lent.places if self._lent is not None else None
        if places is not None and places != self._record.nodes_wanted:
            self._record.wanted, self._record.nodes_wanted = {FIRST: places}, places
            self._journal.add("scale", nodes=places, why="as many places are there")
            self.trying.again()
            self._changed()

    async def _ask(self) -> None:
        statuses = await self._asking.statuses([node.job for node in self._record.nodes if node.job])
        if statuses is None:  # it is not time yet: what was in the way may still be
            return
        if self.trouble:
            self.trouble = ""
            self._changed()
        await self._learn(statuses)

    async def _learn(self, statuses: dict[str, JobStatus]) -> None:
        """What the batch system says of each node."""
        for node in list(self._record.nodes):
            status = statuses.get(node.job)
            if status is None or node.state.ended:
                continue
            before = (node.host, node.reason, node.expected_start, node.ends)
            self._processes.learn(node, status)
            node.ends = status.ends or node.ends
            if status.state.ended:
                if node.state is not State.DRAINING:
                    self.failed(node, status)
            elif status.state is State.PENDING and node.state is State.PENDING:
                node.reason, node.expected_start = status.reason, status.expected_start
            elif status.state in (State.STARTING, State.RUNNING):
                boots = status.state is State.STARTING  # its host: its worker's time begins afterwards
                if node.state is State.PENDING or (node.state is State.STARTING and node.started is None and not boots):
                    node.expected_start = None
                    self.book.mark(node, State.STARTING, status.reason if boots else "")
                if not boots:
                    node.started = node.started or utcnow()
            if before != (node.host, node.reason, node.expected_start, node.ends):
                self._changed()
        await self._sort_out(statuses)

    async def _sort_out(self, statuses: dict[str, JobStatus]) -> None:
        """Jobs that no node knows: of one whose submission was never answered, or to be ended."""
        mine = tag(f"{self._record.name}-")
        # a predecessor may have died between writing that a node has ended and ending its job
        known = {node.job for node in self._record.nodes if not node.state.ended or node.role == "first"}
        waits = by_job(node for node in self._record.nodes if not node.job and not node.state.ended)
        unanswered = {tag(nodes[0].first): nodes for nodes in waits}
        for job, status in statuses.items():
            if not status.tag.startswith(mine) or job in known or status.state.ended:
                continue
            if not status.tag.removeprefix(mine).isdecimal():  # of the pilot called mine-something
                continue
            for node in unanswered.get(status.tag, ()):
                node.job = job
                self._journal.add("node submitted", node=node.name, job=job)
                self._changed()
            if unanswered.pop(status.tag, None) is None:
                self.giving_back.end_orphan(job)
        for node in (node for nodes in unanswered.values() for node in nodes):
            if node.submitted and utcnow() - node.submitted > timedelta(seconds=self._site.timeout):
                self._record.nodes.remove(node)  # it was never submitted
                self._changed()

    def _look_at_clocks(self) -> None:
        now = utcnow()
        for node in list(self._record.nodes):
            late = node.since is not None and now - node.since > timedelta(seconds=self._site.start_timeout)
            if node.state is State.STARTING and self._processes.has_ended(node):
                self.failed(node, JobStatus(State.FAILED, f"its process ended with {node.exit_code}; its job goes on"))
            elif node.state is State.STARTING and node.started is not None and late:
                why = f"its worker did not connect within {self._site.start_timeout:g} s"
                self.failed(node, JobStatus(State.FAILED, why), True)
                if node.role != "first":  # whose job holds the supervisor, which ends the node
                    self._end_job(node)
            elif node.name in self._told:  # it is being emptied, and how its job ended is what the batch system says
                continue
            elif node.state is State.RUNNING and node.ends is not None and node.role == "node":
                left = walltimes.left(node)
                if left < 0 and node.name not in self._overdue:  # we were asleep: what does the batch system say?
                    self._overdue.add(node.name)
                    self._asking.look_now()
                elif left < walltimes.last_call(node, self._site.drain):
                    self._drain_soon(node, "its walltime is over")
                    if self.description.replace == "never":
                        self._do_without(node)
                elif (
                    self.description.replace == "always"
                    and not node.leaving
                    and node.name not in self._renewing
                    and left < walltimes.ahead(node, self._record.nodes)
                    and self._worth_renewing(node.ends)
                ):
                    self._renew(node)  # all whose time comes, at once: they began together, and wait together
        if self._renewing and not any(node.leaving and not node.state.ended for node in self._record.nodes):
            name = self._renewing.pop(0)
            for node in self._record.nodes:
                if node.name == name and node.state is State.RUNNING:
                    self._renew(node)

    def _end_job(self, node: NodeRecord) -> None:
        """End the job of a node that is not heard of and may be there, with all that it has."""
        self.giving_back.bury(node)
        for other in together(self._record, node):
            if other.state in ACTIVE:
                self._drain_soon(other, f"its job has {node.name}, which is not heard of")
                if self.description.replace == "never":
                    self._do_without(other)

    def _renew(self, node: NodeRecord) -> None:
        node.leaving = True
        self._journal.add("node renewing", node=node.name)
        self._changed()

    def _worth_renewing(self, ends: datetime) -> bool:
        return self._record.lease_end is None or self._record.lease_end > ends

    # ------------------------------------------------------------------ more

    async def _submit_missing(self, kind: str, missing: int) -> bool:
        """Submit some of them, one alone after a refusal; whether there are more to submit at once."""
        asked, at_once = self.description.kind(kind), 1 if self.trying.refusal else AT_ONCE
        had = self._has_jobs()  # one that ends meanwhile had its place in a quota
        try:
            return await self._submitting.slice(kind, asked, missing, at_once) > 0
        except Refused as error:
            self.trying.refused(str(error), last=not had and not self._has_jobs())
            return False
        finally:
            self.book.trim()

    def _has_jobs(self) -> bool:
        return any(not node.state.ended for node in self._record.nodes)

    # ------------------------------------------------------------------ fewer

    def _let_go(self, active: list[NodeRecord], surplus: int) -> None:
        """Whole jobs: pending ones before running ones, idle ones before those at work, the latest first."""
        order = {State.PENDING: 0, State.STARTING: 1, State.RUNNING: 2}
        busy = self.giving_back.busy(node.name for node in active)
        jobs = by_job(node for node in active[::-1] if node.role == "node")
        jobs.sort(key=lambda job: (max(order[node.state] for node in job), sum(node.name in busy for node in job)))
        for node in fitting(jobs, surplus):
            self._drain_soon(node, "shrunk")

    def _let_leave(self, kind: str, wanted: int) -> None:
        nodes = [node for node in self._record.nodes if node.kind == kind and node.name not in self._told]
        active = [node for node in nodes if node.state in ACTIVE]
        for node in walltimes.replaced(active, wanted, self._site.nodes_per_job):
            self._drain_soon(node, "renewed", may_finish=node.name not in self._asked)

    def _drain_soon(self, node: NodeRecord, why: str, *, may_finish: bool = False) -> None:
        seconds = (walltimes.to_finish if may_finish else walltimes.to_hand_over)(node, self._site.drain)
        self._terms.given_back.add(node.name)
        self.giving_back.drain(node, why, seconds)

    # ------------------------------------------------------------------ ends

    def failed(self, node: NodeRecord, status: JobStatus, is_there: bool = False) -> None:
        """A node's job has ended, which nobody asked for; or it is still there, and good for nothing."""
        if self._lent is not None and status.state is State.FINISHED and status.exit_code is None:  # so did its place
            self.book.end(node, State.FINISHED, status.reason)
            self.giving_back.died(node)
            return
        was_there, counted = came_up(self._record, node), node.first in self._failed
        self._failed.add(node.first)
        self.book.end(node, State.FAILED, why_failed(status.reason, self.book.log(node.name)))
        if not is_there:
            self.giving_back.died(node)
        if self.description.replace == "never":
            if node.name not in self._told:
                self._do_without(node)
            return
        if counted:  # it is a failure of its job, not of each of its nodes
            return
        if was_there:
            self.trying.ended()
        else:
            self.trying.failed(node.reason)

    def _do_without(self, node: NodeRecord) -> None:
        """Nothing replaces the node: what is wanted is one less."""
        self._record.wanted[node.kind] = max(self._record.wanted.get(node.kind, 0) - 1, 0)
        self._record.nodes_wanted = sum(self._record.wanted.values())
        if not self._record.nodes_wanted:
            self.trying.give_up(f"its nodes have ended and replace='never'; the last one: {node.reason}")

    @property
    def calm(self) -> bool:
        """Whether what is wanted is there, and nothing of it about to go."""
        there = [node for node in self._record.nodes if not node.state.ended]
        here = len(there) == self._record.nodes_wanted and not self._renewing and not self.summary
        return here and all(node.state is State.RUNNING and not node.leaving for node in there)

    @property
    def summary(self) -> str:
        """Why the pilot has fewer nodes than it should, for people; empty when it has them."""
        return self.trying.exhausted or self.trouble or self.trying.refusal or waiting(self._record.nodes)
