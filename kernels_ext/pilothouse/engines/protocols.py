"""What an engine is: what the user's process, the supervisor and the nodes have to know of a framework.

A service is an engine that runs on a pilot. It has a *member* on each of its nodes: a process of the run
(:mod:`pilothouse.engines.member`) that starts the framework's daemons there, watches them, and is told before it goes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pilothouse.engines.daemon import Daemon
    from pilothouse.engines.jvm.archives import Archive
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord


class Place(Protocol):
    """What a member gets on its node.

    Attributes
    ----------
    engine, service
        Names of the engine and of the run.
    number
        The member's, from 1 on; never given twice in a service.
    role
        From :meth:`Engine.role`.
    node
        The node's name.
    host
        The address to bind to, and at which the other nodes reach this one: loopback, or a private interface.
    cores
        Of the node.
    memory
        Of the node, bytes.
    folder
        The run's own folder, on the file system that the nodes share.
    scratch
        A folder of this member alone (0700) on the node's own disk, for configuration and data. It stays while the
        member is started again there, after its process or its supervisor died, and goes with the member.
    settings
        What the user asked for (JSON), all fields of :meth:`Engine.settings` filled in.
    secrets
        From :meth:`Engine.secrets`; the same for all members.
    members
        What is known of all members of the service, by number: ``number``, ``role``, ``node``, ``host``, ``state``
        (``starting``, ``running``, ``leaving``), and what each has published. Kept up to date.
    waits_for
        What a hook waits for, in words for people, who see it as the service's reason; empty: nothing. To be set.
    """

    engine: str
    service: str
    number: int
    role: str
    node: str
    host: str
    cores: int
    memory: int
    folder: Path
    scratch: Path
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    waits_for: str

    @property
    def members(self) -> Mapping[int, Mapping[str, Any]]:
        """What is known of all members of the service, by number."""

    def ports(self, *names: str) -> dict[str, int]:
        """A free port of :attr:`host` for each name; the same ones when the member is started again here."""

    def daemon(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace: float = 5.0,
    ) -> Daemon:
        """Start a process of the framework. When it dies it is started again, with a limit; its end is told.

        Parameters
        ----------
        name
            Of its log: ``{engine}-{number}.{name}.log`` in the run's folder holds what it prints.
        env
            Variables to set on top of the node's. No secrets: other processes of the user can read them.
        grace
            Seconds from SIGTERM to SIGKILL when it is stopped.
        """

    def until(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        """The first true answer of `condition`, which is asked again and again; an error of it counts as no answer.

        Raises
        ------
        Failed
            None within so many seconds, or a daemon ended meanwhile: with the line of its log that says why.
        """

    @property
    def more(self) -> str:
        """Where what daemons have said here can be read: to be added to the reason of a failure."""

    def publish(self, **facts: Any) -> None:
        """Tell the other members and the clients (JSON, no secrets), before :meth:`Member.start` has returned too."""

    def event(self, what: str, **details: Any) -> None:
        """Add to the service's history."""

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Say how far what the member is at is."""

    @property
    def stopping(self) -> bool:
        """Whether the member is to end: what waits gives up."""


class Member:
    """What an engine does on one node; made by :meth:`Engine.member`, in a process of its own on that node.

    Hooks are called one after the other, in a thread. What they raise is told; :meth:`start` failing ends the member.
    The others are called by the supervisor when members come and go, and do nothing where they are not overridden.
    They return the roles of others that have changed by it, by number, if any have.
    """

    def start(self) -> None:
        """Start the daemons, and return when a request to them was answered, not when a port is open.

        What others need to know is published. A member that is started again where it was finds its
        :attr:`Place.scratch`, and its ports, as they were.
        """
        raise NotImplementedError

    def admit(self, numbers: Sequence[int]) -> Mapping[int, str] | None:
        """Called on a member that was there before: others have come. Give them their share."""

    def release(self, number: int, seconds: float) -> Mapping[int, str] | None:
        """Called on a member that stays: move what `number` has, which goes in a planned way, within so many seconds.

        Raises
        ------
        PilothouseError
            It can't be done: a shrink is refused with that; a node that goes takes it along, which is told.
        """

    def leave(self, seconds: float) -> Mapping[int, str] | None:
        """Called on the member that goes, after :meth:`release`: move what it has, within so many seconds."""

    def forget(self, numbers: Sequence[int]) -> Mapping[int, str] | None:
        """Called on a member that stays: these have gone, in a planned way."""

    def lost(self, numbers: Sequence[int]) -> Mapping[int, str] | None:
        """Called on a member that stays: these have gone with their nodes; make good what they had, if that goes."""

    def metrics(self) -> Mapping[str, float]:
        """Figures of this member now, by name: counters are cumulative. Called every two seconds; must be quick."""
        return {}

    def stop(self) -> None:
        """The member ends for good: called before its daemons are stopped (the latest first)."""

    def do(self, what: str, **arguments: Any) -> Any:
        """One of :attr:`Engine.orders`, on behalf of the user; JSON in and out."""
        raise NotImplementedError(what)


class Engine(ABC):
    """A framework. An entry point of the group ``pilothouse.engines`` names the class; its name is the engine's.

    The class is loaded in the user's process, in the supervisor and on the nodes: its module imports nothing that
    takes long, and its methods import what they need.

    Attributes
    ----------
    title
        As people write it: ``Apache Kafka``.
    orders
        What users may ask of a service beyond what all have: see :meth:`Member.do`, :meth:`Service.order`.
    least
        The fewest members.
    java, jars, packages
        What it needs, for lists and for fetching: the oldest Java, software of :mod:`pilothouse.engines.jvm.lock`,
        Python packages by the names under which they are imported.
    pages_root
        What absolute links on its pages begin with, where the framework can be told that; no other text on them has it.
        Whoever shows the pages puts there where they are.
    """

    title: ClassVar[str]
    orders: ClassVar[frozenset[str]] = frozenset()
    least: ClassVar[int] = 1
    java: ClassVar[int] = 0
    jars: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    pages_root: ClassVar[str] = ""

    @abstractmethod
    def settings(self) -> type[Settings]:
        """The model of its settings: of forms, of checks, of the docs."""

    @abstractmethod
    def check(self, pilot: PilotRecord, nodes: int, settings: Settings) -> None:
        """In the user's process, before anything is launched: refuse what can't be.

        Raises
        ------
        PilothouseError
            With the field, the value and what would be right.
        """

    def archives(self) -> Sequence[Archive]:
        """Archives of classes by which its virtual machines start faster, beside those of its :attr:`jars`.

        ``ph.engines.fetch`` makes them beforehand.

        Raises
        ------
        Unavailable
            What they are made of is not on this host.
        """
        return ()

    def secrets(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - for engines that need them
        """Made once, in the user's process, and kept in a file of mode 0600 in the run's folder."""
        return {}

    def role(self, there: Sequence[str], wanted: int) -> str:  # noqa: ARG002 - for engines whose members differ
        """The role of a member that is about to come.

        Parameters
        ----------
        there
            The roles of those that are there and stay, in the order in which they came.
        wanted
            How many members there shall be in all.
        """
        return "member"

    def loses(self, role: str, others: Sequence[str]) -> str:  # noqa: ARG002 - as above
        """What the service loses for good when a member of this role goes and the `others` stay; empty: it goes on.

        What it loses ends a service whose node was lost.
        """
        return ""

    def can_not_hand_over(self, role: str, others: Sequence[str]) -> str:
        """What is lost for good although it goes in a planned way: as :meth:`loses`, where that is not overridden.

        Of several, those with whom nothing is lost go first. What is lost is refused as a shrink, and told, as the end
        of the service, when the node goes.
        """
        return self.loses(role, others)

    def address(self, members: Sequence[Mapping[str, Any]]) -> str:
        """Where clients find the service, from what the members that serve have published; empty while they can't."""
        return next((str(member["address"]) for member in members if "address" in member), "")

    def pages(self, members: Sequence[Mapping[str, Any]]) -> str:  # noqa: ARG002 - as above
        """Where its own web pages are, ``http://host:port``, from what the members that serve have published.

        Users see them through the Jupyter server, which reads alone. Empty where it has none, or not now.
        """
        return ""

    def admission(self, secrets: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Headers of a request by which the pages let in who has the service's secrets."""
        return {}

    def first(self, role: str) -> bool:  # noqa: ARG002 - as above
        """Whether others can't begin before a member of this role has published something."""
        return False

    @abstractmethod
    def member(self, place: Place) -> Member:
        """What it does on one node."""

    @abstractmethod
    def handle(self) -> type[Service]:
        """The class of its services' handles, with the framework's own client."""
