"""The training market."""

from __future__ import annotations

import argparse

from pilothouse.verbs.call import Call, Expression
from pilothouse.verbs.verb import ON, PARAMETERS, Verb, arg, given, on, pairs


def _market(options: argparse.Namespace) -> Call:
    relays = {"relays": options.relay} if options.relay else {}
    return Call("ph.market.connect", (), {**relays, **on(options)})


def _look(options: argparse.Namespace) -> Call:
    """A market to look at: nothing is started for it."""
    return Call("ph.market.connect", (), {"relays": options.relay} if options.relay else {"start": False})


_LAB = Call("ph.market.connect", (), {"start": False})
_RELAY = arg("--relay", action="append", metavar="URL", help="a relay; may be given again (default: your lab market)")
_RELAYS = (_RELAY, ON)
connect = Verb("connect", "open a market: your own lab market, or relays", _market, _RELAYS)
calls = Verb("calls", "the calls for training that stand", lambda options: _look(options).then("calls"), (_RELAY,))
offers = Verb("offers", "the offers of providers that stand", lambda options: _look(options).then("offers"), (_RELAY,))
receipts = Verb(
    "receipts", "public receipts, by job and round", lambda options: _look(options).then("receipts"), (_RELAY,)
)
ledger = Verb("ledger", "your books: what was paid and earned", lambda _: Call("ph.market.ledger"))
provide = Verb(
    "provide", "sell training from a node of a pilot",
    lambda options: _market(options).then("provide", **given(options, "name"), **pairs(options.parameters)),
    (arg("--name", help="of the provider and its run (default: made up)"), *_RELAYS, PARAMETERS),
)  # fmt: skip
post = Verb(
    "post", "buy training: post a call, and pay for what is accepted",
    lambda options: _market(options).then(
        "post", **({} if options.data is None else {"data": Expression(options.data)}), **pairs(options.parameters)
    ),
    (
        arg("--data", metavar="EXPRESSION", help="Python: (X, y) to train on; or data=NAME, such as data=digits"),
        *_RELAYS, PARAMETERS,
    ),
)  # fmt: skip
_KEY = arg("key", metavar="KEY", help="their public key: npub1…, or 64 hex digits")
admitted = Verb("admitted", "the keys that your lab market lets in", lambda _: _LAB.then("admitted"))
admit = Verb(
    "admit", "let somebody else trade on your lab market", lambda options: _LAB.then("admit", options.key),
    (_KEY,),
)  # fmt: skip
dismiss = Verb(
    "dismiss", "shut out of your lab market whom you admitted",
    lambda options: _LAB.then("dismiss", options.key), (_KEY,),
)  # fmt: skip
