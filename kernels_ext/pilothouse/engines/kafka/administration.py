"""What is asked of a cluster's controllers that librdkafka can't: moves, voters, brokers that are gone."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, NamedTuple, Self, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from kafka.protocol.admin import IncrementalAlterConfigsRequest
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.metadata import CoordinatorType, FindCoordinatorRequest

from pilothouse.engines.kafka.properties import USER, at
from pilothouse.errors import Failed

SCHEMAS = "pilothouse.engines.kafka.messages"
T = TypeVar("T")
#: Kinds of what can be configured, and what is done to a setting.
TOPIC, BROKER = 2, 4
SET, UNSET = 0, 1
#: Milliseconds for one request.
REQUEST_MS = 10_000
#: Of changes of who votes: a controller that takes its own vote often says nothing any more. Whoever asks looks then.
VOTE_MS = 2_000
#: Seconds after which an answer is none: kafka-python sets no limit to its own waiting.
ANSWER_S, CLOSE_S = 12.0, 5.0
#: Seconds for Kafka to make its own topics, and until it is asked again.
OWN_S, OWN_AGAIN_S = 20.0, 1.0
#: Seconds between two tries.
AGAIN_S = 0.1


class AddRaftVoterRequest(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Have a controller vote."""


class AddRaftVoterResponse(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Whether it does."""


class RemoveRaftVoterRequest(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Have a controller not vote any more."""


class RemoveRaftVoterResponse(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Whether it does not."""


class UnregisterBrokerRequest(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Forget a broker."""


class UnregisterBrokerResponse(ApiMessage, load_json=SCHEMAS):  # type: ignore[call-arg,misc]
    """Whether it is forgotten."""


class Voter(NamedTuple):
    """A controller: its number, the id of its data folder, where it listens."""

    number: int
    directory: uuid.UUID
    host: str
    port: int

    @classmethod
    def of(cls, member: Mapping[str, Any]) -> Voter | None:
        """What a member has published of itself; None where it has not yet."""
        if "controller" not in member or "directory" not in member:
            return None
        host, _, port = str(member["controller"]).rpartition(":")
        return cls(int(member["number"]), directory_id(str(member["directory"])), host.strip("[]"), int(port))


class Partition(NamedTuple):
    """A partition as it is: its replicas, those that have everything, its leader (-1: none)."""

    replicas: list[int]
    in_sync: list[int]
    leader: int


class Quorum(NamedTuple):
    """Who votes (number -> id of the folder), and who leads."""

    voters: dict[int, uuid.UUID]
    leader: int


class _Client(KafkaAdminClient):  # type: ignore[misc]
    """A client that asks its bootstrap servers alone, as far as they serve: others may be about to go.

    A broker whose controller has taken its own vote does not learn who leads, and questions that it hands on hang.
    """

    def __init__(self, servers: Sequence[str], **settings: Any) -> None:
        super().__init__(bootstrap_servers=list(servers), **settings)
        cluster = self._manager.cluster
        everybody: Callable[[], Collection[Any]] = cluster.brokers

        def brokers() -> Collection[Any]:
            return [each for each in everybody() if at(each.host, each.port) in servers] or everybody()

        cluster.brokers = brokers

    async def _refresh_controller_id(self, timeout_ms: int = REQUEST_MS) -> Any:  # noqa: ARG002 - as it is called
        """Whom to ask of what is the controller's: there any broker hands it on."""
        return self._manager.least_loaded_node()

    def tell(self, request: Any, timeout_ms: int = REQUEST_MS) -> Any:
        """Any broker hands it on to the controller."""
        return self._manager.run(self._manager.send, request, None, timeout_ms)

    def ask(self, request: Any, timeout_ms: int = REQUEST_MS) -> Any:
        """The same, for requests that are refused as a whole."""
        response = self.tell(request, timeout_ms)
        if response.error_code:
            error = for_code(response.error_code)
            raise error(response.error_message or error.description)
        return response


class Administration:
    """A cluster, to be asked as its administrator; a context manager.

    Clients of kafka-python remember brokers and the controller, and fail once those have changed: after an error there
    is a new one.

    Parameters
    ----------
    servers
        End points of brokers; one that answers is enough.
    password
        Of :data:`USER`.
    going_on
        Asked before each new try; it is given up where that is False.
    """

    def __init__(self, servers: Sequence[str], password: str, going_on: Callable[[], bool] = lambda: True) -> None:
        self._servers, self._password, self.going_on = list(servers), password, going_on
        self._client: _Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaError, OSError):
                _within(CLOSE_S, client.close)

    def ask(self, what: Callable[[_Client], T], seconds: float = 15.0) -> T:
        """What a client answers; asked again with a new one, after an error, for so many seconds.

        Raises
        ------
        Failed
            There was no answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self._client is None:
                    self._client = _within(ANSWER_S, self._connected)
                return _within(ANSWER_S, what, self._client)
            except (KafkaError, OSError) as error:
                self.close()
                over = time.monotonic() > deadline or not self.going_on()
                if over or isinstance(error, TopicAuthorizationFailedError):
                    raise Failed(f"Kafka: {type(error).__name__}: {error}") from error
            time.sleep(AGAIN_S)

    def _connected(self) -> _Client:
        return _Client(
            self._servers, client_id="pilothouse", request_timeout_ms=REQUEST_MS,
            bootstrap_timeout_ms=5000, reconnect_backoff_max_ms=200, security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-256", sasl_plain_username=USER, sasl_plain_password=self._password,
        )  # fmt: skip

    # ------------------------------------------------------------------ what there is

    def brokers(self) -> list[int]:
        """Numbers of the brokers that serve."""
        found = self.ask(lambda client: client.describe_cluster())["brokers"]
        return sorted(broker["broker_id"] for broker in found if not broker.get("is_fenced"))

    def partitions(self) -> dict[tuple[str, int], Partition]:
        """All partitions, of internal topics too."""
        return {
            (topic["name"], part["partition_index"]): Partition(
                list(part["replica_nodes"]), list(part["isr_nodes"]), part["leader_id"]
            )
            for topic in self.ask(lambda client: client.describe_topics())
            for part in topic["partitions"]
        }

    def sizes(self, brokers: Sequence[int]) -> dict[int, dict[tuple[str, int], int]]:
        """Bytes of each replica, by broker."""
        found = self.ask(lambda client: client.describe_log_dirs(brokers=list(brokers)))
        return {
            each["broker"]: {
                (topic["name"], part["partition_index"]): part["partition_size"]
                for folder in each["log_dirs"]
                for topic in folder["topics"]
                for part in topic["partitions"]
            }
            for each in found
        }

    def quorum(self) -> Quorum:
        """Who votes, and who leads."""
        found = self.ask(lambda client: client.describe_metadata_quorum())["topics"][0]["partitions"][0]
        voters = {voter["replica_id"]: voter["replica_directory_id"] for voter in found["current_voters"]}
        return Quorum(voters, found["leader_id"])

    # ------------------------------------------------------------------ moves

    def moving(self) -> dict[tuple[str, int], dict[str, list[int]]]:
        """Partitions that are being moved: their ``replicas``, ``adding_replicas``, ``removing_replicas``."""
        found = self.ask(lambda client: client.list_partition_reassignments())
        return {(tp.topic, tp.partition): what for tp, what in found.items()}

    def move(self, targets: Mapping[tuple[str, int], list[int] | None]) -> dict[tuple[str, int], str]:
        """Begin moves, or with None give them up; those that were refused, and why."""
        asked = {TopicPartition(*partition): replicas for partition, replicas in targets.items()}
        answers = self.ask(lambda client: client.alter_partition_reassignments(asked))
        return {
            (tp.topic, tp.partition): error.__name__
            for tp, error in answers.items()
            if error is not None and error.__name__ != "NoReassignmentInProgressError"
        }

    def elect(self, partitions: Sequence[tuple[str, int]], *, unclean: bool = False) -> None:
        """Have the preferred replica of each lead; `unclean`: any that lives, where none that has everything does."""
        by_topic: dict[str, list[int]] = {}
        for topic, number in partitions:
            by_topic.setdefault(topic, []).append(number)
        self.ask(lambda client: client.elect_leaders(1 if unclean else 0, by_topic, raise_errors=False))

    def make_own_topics(self, names: Sequence[str]) -> None:
        """Have Kafka make topics of its own, those of groups and transactions, before anybody needs them.

        It makes them with as many replicas as there were to be when a broker started; later there may be fewer brokers
        than that, and then it can't.
        """
        kinds = {"__consumer_offsets": CoordinatorType.GROUP, "__transaction_state": CoordinatorType.TRANSACTION}
        deadline, asked_at = time.monotonic() + OWN_S, 0.0
        while missing := set(names).difference(topic for topic, _ in self.partitions()):
            now = time.monotonic()
            if now - asked_at > OWN_AGAIN_S:
                asked_at = now
                for name in sorted(missing):
                    request = FindCoordinatorRequest(
                        key_type=kinds[name].value, coordinator_keys=["pilothouse"], min_version=4
                    )
                    self.ask(lambda client, request=request: client.tell(request))  # type: ignore[misc]
            if now > deadline:
                raise Failed(f"Kafka has not made {', '.join(sorted(missing))} within {OWN_S:g} s")
            if not self.going_on():
                raise Failed("interrupted")
            time.sleep(AGAIN_S)

    def configure(self, changes: Mapping[tuple[int, str], Mapping[str, str | None]]) -> None:
        """Set (None: unset) what topics and brokers are to do.

        Parameters
        ----------
        changes
            From :data:`TOPIC` or :data:`BROKER` and a name (of brokers ``""``: all of them) to settings.
        """
        kind = IncrementalAlterConfigsRequest.AlterConfigsResource
        resources = [
            kind(
                resource_type=of, resource_name=name,
                configs=[
                    kind.AlterableConfig(name=key, config_operation=UNSET if value is None else SET, value=value)
                    for key, value in settings.items()
                ],
            )
            for (of, name), settings in changes.items()
        ]  # fmt: skip
        request = IncrementalAlterConfigsRequest(resources=resources, validate_only=False)
        for answer in self.ask(lambda client: client.tell(request)).responses:
            gone = answer.error_code == UnknownTopicOrPartitionError.errno  # somebody has deleted it meanwhile
            if answer.error_code and not gone:
                raise Failed(f"Kafka: {answer.resource_name!r} can't be configured: {answer.error_message}")

    # ------------------------------------------------------------------ members

    def add_voter(self, cluster: str, voter: Voter) -> None:
        """Have a controller, that is there, vote."""
        listener = AddRaftVoterRequest.Listener(name="CONTROLLER", host=voter.host, port=voter.port)
        request = AddRaftVoterRequest(
            cluster_id=cluster, timeout_ms=REQUEST_MS, voter_id=voter.number, voter_directory_id=voter.directory,
            listeners=[listener],
        )  # fmt: skip
        self.ask(lambda client: client.ask(request, VOTE_MS), 0.0)

    def remove_voter(self, cluster: str, number: int, directory: uuid.UUID) -> None:
        """Have a controller, that may be gone, not vote any more."""
        request = RemoveRaftVoterRequest(cluster_id=cluster, voter_id=number, voter_directory_id=directory)
        self.ask(lambda client: client.ask(request, VOTE_MS), 0.0)

    def unregister(self, broker: int) -> None:
        """Forget a broker that has gone."""
        self.ask(lambda client: client.ask(UnregisterBrokerRequest(broker_id=broker)))


def _within(seconds: float, what: Callable[..., T], *arguments: Any) -> T:
    """What a function returns, or raises; :class:`KafkaTimeoutError` when it has done neither after so many seconds."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(what(*arguments))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            answer.set_exception(error)

    threading.Thread(target=run, name="kafka", daemon=True).start()
    try:
        return answer.result(seconds)
    except FutureTimeoutError:
        raise KafkaTimeoutError(f"no answer within {seconds:g} s") from None


def directory_id(text: str) -> uuid.UUID:
    """The id of a data folder, as ``meta.properties`` has it."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
