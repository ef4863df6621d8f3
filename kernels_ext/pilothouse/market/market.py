"""The market as a notebook sees it: look at calls and offers, buy training, sell it, read the books."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Conflict, InvalidInput, Lost, NotFound, Unavailable, Untrusted
from pilothouse.market.customer.job import Job
from pilothouse.market.lab_market import driver as lab_market
from pilothouse.market.lab_market.following import key_file, ledgers
from pilothouse.market.learning import arrays, datasets
from pilothouse.market.listing import L, ListedCall, ListedOffer, ListedReceipt, Listing
from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.market.messages.parameters import MSAT, JobParameters, ProviderParameters, checked
from pilothouse.market.money.accounts import Accounts
from pilothouse.registry.naming import Exist, check_exist
from pilothouse.runs.handle import Run, runs
from pilothouse.state import check_name

if TYPE_CHECKING:
    from pilothouse.market.lab_market.admission import Admission, ListedKey
    from pilothouse.market.nostr.session import Session
    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot

#: Seconds that a lab market has to open.
OPEN_S = 30.0
ALGORITHMS = ("fedavg",)
#: Name of the key with which this user buys.
CUSTOMER_KEY = "customer"


def connect(
    relays: Sequence[str] | str | None = None,
    *,
    blobs: str | None = None,
    pilot: Pilot | AttachedPilot | None = None,
    start: bool = True,
) -> Market:
    """Open a market.

    Parameters
    ----------
    relays
        URLs (``wss://…``) of the Nostr relays to trade on. Left out: this user's lab market, an embedded relay
        and blob server in a run of kind ``market``, found again if it is running and started if not. It lets in this
        user's own keys, and those that :meth:`Market.admit` names.
    blobs
        URL of a Blossom server for models and data; needed to buy on relays of one's own.
    pilot
        Where runs go; the user's local pilot when left out.
    start
        False: a lab market that does not run is not started, nor is a pilot for it.

    Raises
    ------
    InvalidInput
        A URL is none.
    NotFound
        No lab market runs, and `start` is False.
    Unavailable
        No relay can be reached; the message names each. Nothing was started.
    Refused
        Those that can be reached do not let this user's key in: a lab market of somebody who has not admitted it.
    """
    if relays is None:
        run, where = _lab_market(pilot, start)
        return Market([where["relay"]], blobs or where["blobs"], pilot, run)
    urls = [relays] if isinstance(relays, str) else list(relays)
    market = Market(urls, blobs, pilot, None)
    market._session()  # noqa: SLF001 - the class below; raises here what is wrong with the relays
    return market


class Market:
    """Relays to trade on, and a blob server; :func:`connect` makes one.

    Attributes
    ----------
    relays, blobs
        URLs.
    run
        The lab market's run, where this is one.
    """

    def __init__(
        self, relays: list[str], blobs: str | None, pilot: Pilot | AttachedPilot | None, run: Run | None
    ) -> None:
        self.relays = relays
        self.blobs = blobs
        self.run = run
        self._pilot = pilot
        self._open: Session | None = None

    def calls(self) -> Listing[ListedCall]:
        """The calls that stand, the latest first."""
        return Listing("calls", self._found(ListedCall.of, {"kinds": [events.CALL], "#t": [events.NAMESPACE]}))

    def offers(self) -> Listing[ListedOffer]:
        """The offers that stand, the latest first; a provider renews its own each minute."""
        return Listing("offers", self._found(ListedOffer.of, {"kinds": [events.OFFER], "#t": [events.NAMESPACE]}))

    def receipts(self, job: str | Job | None = None) -> Listing[ListedReceipt]:
        """Public receipts, of `job` (its name in the market, or its handle) or of everybody, by job and round."""
        name = job.parameters["job"] if isinstance(job, Run) else job
        found = self._found(ListedReceipt.of, {"kinds": [events.RECEIPT], "#L": [events.NAMESPACE]})
        chosen = [one for one in found if name is None or one.job == name]
        return Listing("receipts", sorted(chosen, key=lambda one: (one.job, one.round)))

    def admitted(self) -> Listing[ListedKey]:
        """The keys that this lab market lets in: your own by name, then those that you admitted.

        Raises
        ------
        Conflict
            This is no lab market of yours.
        """
        return Listing("keys", self._door().listed())

    def admit(self, key: str) -> Listing[ListedKey]:
        """Let somebody else trade on this lab market, and see what is public there; returns :meth:`admitted`.

        Parameters
        ----------
        key
            Their public key, ``npub1…`` or 64 hex digits.

        Raises
        ------
        InvalidInput
            It is no public key.
        Conflict
            This is no lab market of yours.
        """
        self._door().admit(key)
        return self.admitted()

    def dismiss(self, key: str) -> Listing[ListedKey]:
        """Shut out again whom you admitted, at once; returns :meth:`admitted`.

        Raises
        ------
        InvalidInput
            It is no public key, or your own.
        NotFound
            It is not let in.
        Conflict
            This is no lab market of yours.
        """
        self._door().dismiss(key)
        return self.admitted()

    def ledger(self) -> Accounts:
        """The user's books, on all markets; see :func:`pilothouse.market.ledger`."""
        return ledger()

    def post(
        self,
        call: str = "fedavg",
        *,
        data: Any,
        budget: int,
        rounds: int = 3,
        providers: int = 2,
        title: str | None = None,
        name: str | None = None,
        training: Mapping[str, Any] | None = None,
        validation: Mapping[str, Any] | None = None,
        held_out: float = 0.2,
        bid_seconds: float = 10.0,
        round_seconds: float = 120.0,
        patience_seconds: float = 15.0,
        seed: int = 0,
        exist: Exist = "number",
    ) -> Job:
        """Buy the training of a classifier; returns at once with the run's handle.

        Parameters
        ----------
        call
            The algorithm: ``"fedavg"``.
        data
            ``(X, y)``: X (n, features) numbers, y (n,) classes 0, 1, …; or a dataset's name, ``"digits"``.
            Providers see their shards.
        budget
            The most that is spent, in (test) sat. A provider may ask budget / (rounds x providers) an accepted round.
        rounds, providers
            How many.
        title
            What others read of the job; made from `call` and `data` when left out.
        name
            The run's name; made up when left out.
        training
            Fields of :class:`~pilothouse.market.messages.events.Training`: ``trainer`` (``"mlp"``, ``"softmax"``),
            ``epochs``, …
        validation
            Fields of :class:`~pilothouse.market.messages.events.Validation`, declared before anyone bids.
        held_out
            Fraction of the data that stays here, to judge by.
        bid_seconds, round_seconds
            Time for bids, and for a round's results; a round ends earlier when everyone has answered.
        patience_seconds
            Once half of the providers have answered, the others get this long, or twice what these took.
        seed
            Of the first model and of how the data is cut; the same seed gives the same shards.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this one
            ``name-2`` and warns, ``"error"`` refuses.

        Raises
        ------
        InvalidInput
            A value can't be used; nothing was published or started.
        Conflict
            Something that goes on has that name.

        Examples
        --------
        >>> market = ph.market.connect()                              # doctest: +SKIP
        >>> job = market.post("fedavg", data="digits", budget=10_000) # doctest: +SKIP
        >>> job.model().predict(images)                               # doctest: +SKIP
        """
        check_exist(exist)
        if call not in ALGORITHMS:
            raise InvalidInput(f"call={call!r} is no algorithm: take one of {', '.join(ALGORITHMS)}", field="call")
        if self.blobs is None:
            raise InvalidInput("blobs=None: with relays of your own, connect(relays, blobs='https://…')", field="blobs")
        files = {}
        dataset = data if isinstance(data, str) else None
        samples = datasets.checked(data) if dataset is None else datasets.named(dataset)
        if dataset is None:
            files["data.npz"] = arrays.pack_shard(samples)
        stem = check_name(name or "training")[:40]
        values = {
            "job": f"{stem}-{secrets.token_hex(3)}",
            "key": CUSTOMER_KEY,
            "title": title or f"{call} on {dataset or 'my data'}",
            "relays": self.relays,
            "blobs": self.blobs,
            "market": self.run.name if self.run is not None else None,
            "dataset": dataset,
            "rounds": rounds,
            "providers": providers,
            "budget_msat": _msat(budget, "budget"),
            "held_out": held_out,
            "seed": seed,
            "bid_seconds": bid_seconds,
            "round_seconds": round_seconds,
            "patience_seconds": patience_seconds,
            "training": dict(training or {}),
            "validation": dict(validation or {}),
        }
        job = checked(JobParameters, values, {"budget_msat": "budget"})
        if job.max_price_msat < 1:
            raise InvalidInput(f"budget={budget} sat is nothing for {rounds} x {providers} results", field="budget")
        datasets.check_split(samples.y, job.providers, job.seed, job.held_out)
        self._session()  # unreachable relays are an error here, not a run that fails
        run = self._where().launch("training", job.model_dump(mode="json"), name=name, files=files, exist=exist)
        return Job(run.name)

    def provide(
        self, name: str | None = None, *, price: int = 100, algorithms: Sequence[str] = ALGORITHMS,
        capacity: int = 8, pilot: Pilot | AttachedPilot | None = None, exist: Exist = "number",
    ) -> Run:  # fmt: skip
        """Sell training from a node until the run is stopped; returns at once with its handle.

        Parameters
        ----------
        name
            In the offer, of the run, and of the key, which is made when it is first used.
        price
            (Test) sat for an accepted round.
        algorithms
            Offered: ``"fedavg"``.
        capacity
            Jobs at a time.
        pilot
            Where it runs; the market's own pilot when left out.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this run
            ``name-2`` and warns, with the same key, ``"error"`` refuses.

        Raises
        ------
        InvalidInput
            A value can't be used; nothing was started.
        Conflict
            Something that goes on has that name, or a provider sells under it.
        """
        check_exist(exist)
        unknown = [one for one in algorithms if one not in ALGORITHMS]
        if unknown or isinstance(algorithms, str):
            message = f"algorithms={algorithms!r}: a list of {', '.join(ALGORITHMS)}"
            raise InvalidInput(message, field="algorithms")
        chosen = check_name(name) if name is not None else f"provider-{secrets.token_hex(2)}"
        values = {
            "name": chosen,
            "key": f"provider-{chosen}"[:48],
            "relays": self.relays,
            "price_msat": _msat(price, "price"),
            "algorithms": list(algorithms),
            "capacity": capacity,
        }
        settings = checked(ProviderParameters, values, {"price_msat": "price"})
        for run in runs():  # its key has one ledger, and one writer of that
            if run.kind == "provider" and run.parameters.get("name") == chosen and not run.state.ended:
                raise Conflict(
                    f"name={chosen!r}: a provider sells under that name; ph.attach({run.name!r}) finds it", field="name"
                )
        self._session()
        where = pilot or self._where()
        return where.launch("provider", settings.model_dump(mode="json"), name=chosen, exist=exist)

    def close(self) -> None:
        """Disconnect this process; the market and what was posted go on."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _door(self) -> Admission:
        if self.run is None:
            raise Conflict(
                f"{', '.join(self.relays)} let in whom they want: connect() without relays is the market that is yours",
                field="relays",
            )
        from pilothouse.market.lab_market.admission import Admission

        return Admission(self.run.folder)

    def _where(self) -> Pilot | AttachedPilot:
        if self._pilot is None:
            from pilothouse.pilots import pilot_for

            self._pilot = pilot_for(None)
        return self._pilot

    def _session(self) -> Session:
        if self._open is None:
            from pilothouse.market.nostr.identity import Identity
            from pilothouse.market.nostr.session import Session

            self._open = Session(Identity.load(key_file(CUSTOMER_KEY)), self.relays)
        return self._open

    def _found(self, read: Callable[[Message], L], wanted: dict[str, Any]) -> list[L]:
        found = []
        for message in self._session().fetch(wanted):
            try:
                found.append(read(message))
            except Untrusted:  # another version's, or nonsense: not for this list
                continue
        return found

    def __repr__(self) -> str:
        what = f"lab market {self.run.name!r}" if self.run is not None else "market"
        return f"<{what} on {', '.join(self.relays)}; blobs at {self.blobs or 'no server'}>"


def ledger() -> Accounts:
    """The user's books, on all markets: of each job bought, and of each key that sells."""
    return Accounts.read(sorted(ledgers().glob("*.jsonl")))


def _lab_market(pilot: Pilot | AttachedPilot | None, start: bool) -> tuple[Run, dict[str, str]]:
    """The user's lab market, the one that runs or a new one, and where it listens."""
    live = [run for run in runs() if run.kind == "market" and not run.state.ended and run.state != "stopping"]
    if live:
        run = live[0]
    elif not start:
        raise NotFound("you have no lab market that runs: ph.market.connect() opens one", field="relays")
    else:
        from pilothouse.pilots import pilot_for

        run = pilot_for(pilot).launch("market", {})
    deadline = time.monotonic() + OPEN_S
    path = run.folder / lab_market.WHERE
    while not path.exists():
        if run.state.ended:
            raise Lost(f"the lab market {run.name!r} is {run.state}: {run.reason}")
        if time.monotonic() > deadline:
            raise Unavailable(f"the lab market {run.name!r} did not open within {OPEN_S:.0f} s; see its logs()")
        time.sleep(0.02)
    where: dict[str, str] = json.loads(path.read_text())
    return run, where


def _msat(sat: int, field: str) -> int:
    if isinstance(sat, bool) or not isinstance(sat, int) or sat < 0:
        raise InvalidInput(f"{field}={sat!r}: whole (test) sat, 0 or more", field=field)
    return sat * MSAT
