"""The verbs that magics and the command line share: for each its arguments, and the Python call that it stands for.

The line that is shown and the call that is made are one object, so they can't differ. Nothing heavy is
imported here: a verb reaches the library when it is called.
"""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import InvalidInput


@dataclass(frozen=True)
class Expression:
    """Python that only the user's namespace can give a value: ``u.atoms``."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Call:
    """A call of a public function, or of a method of what another call returned.

    Attributes
    ----------
    function
        ``"ph.submit"``; ``".extend"`` of what `on` returns; ``"market.offers"`` of a name in `namespace`.
    args, kwargs
        Plain values, expressions, or further calls.
    imports
        Lines ``from module import name`` that the call needs.
    """

    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    on: Call | None = None
    imports: tuple[str, ...] = ()

    def then(self, method: str, *args: Any, **kwargs: Any) -> Call:
        """The call of `method` on what this call returns."""
        return Call(f".{method}", args, kwargs, on=self, imports=self.imports)

    def __str__(self) -> str:
        shown = [_shown(value) for value in self.args]
        shown += [f"{name}={_shown(value)}" for name, value in self.kwargs.items()]
        return f"{self.on or ''}{self.function}({', '.join(shown)})"

    def lines(self) -> str:
        """The Python that does the same, imports first."""
        return "\n".join([*self.imports, str(self)])

    def run(self, evaluate: Callable[[str], Any]) -> Any:
        """Make the call; `evaluate` gives expressions their value."""
        target: Any
        if self.on is not None:
            target = self.on.run(evaluate)
            path = self.function.removeprefix(".")
        else:
            root, _, path = self.function.partition(".")
            target = importlib.import_module("pilothouse") if root == "ph" else evaluate(root)
        for part in path.split("."):
            target = getattr(target, part)
        args = [self._value(value, evaluate) for value in self.args]
        return target(*args, **{name: self._value(value, evaluate) for name, value in self.kwargs.items()})

    def _value(self, value: Any, evaluate: Callable[[str], Any]) -> Any:
        if isinstance(value, Call):
            return value.run(evaluate)
        if isinstance(value, Expression):
            for line in self.imports:
                _, module, _, name = line.split()
                if name == value.text:
                    return getattr(importlib.import_module(module), name)
            return evaluate(value.text)
        if isinstance(value, list):
            return [self._value(each, evaluate) for each in value]
        return value


def _shown(value: Any) -> str:
    if isinstance(value, (Call, Expression)):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not {'"', "\\"} & set(value) else repr(value)
    return repr(value)


@dataclass(frozen=True)
class Argument:
    """An argument of a verb, as argparse takes it.

    Attributes
    ----------
    names
        Whose names complete it: ``pilots``, ``runs`` or ``sites``.
    """

    flags: tuple[str, ...]
    options: Mapping[str, Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verb:
    """A verb: what the user types, and the call it stands for."""

    name: str
    help: str
    call: Callable[[argparse.Namespace], Call]
    arguments: tuple[Argument, ...] = ()

    def add_to(self, parsers: argparse._SubParsersAction[Any], **options: Any) -> argparse.ArgumentParser:
        """Add the verb's parser to those of its group."""
        parser: argparse.ArgumentParser = parsers.add_parser(
            self.name, help=self.help, description=self.help[0].upper() + self.help[1:] + ".", **options
        )
        for argument in self.arguments:
            parser.add_argument(*argument.flags, **argument.options)
        parser.set_defaults(verb=self)
        return parser


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """`words` parsed; ``NAME=VALUE`` may stand anywhere, which argparse alone does not do."""
    options, rest = parser.parse_known_args(words)
    takes = next((name for name in ("parameters", "expressions") if name in options), None)
    if strange := [word for word in rest if takes is None or word.startswith("-")]:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    if takes:
        getattr(options, takes).extend(rest)
    return options


def arg(*flags: str, names: tuple[str, ...] = (), **options: Any) -> Argument:
    """An argument, written as for argparse."""
    return Argument(flags, options, names)


def pairs(words: list[str]) -> dict[str, Any]:
    """``["rate=1e3", "model=net"]`` as ``{"rate": 1000.0, "model": "net"}``: literals where they read as such.

    Raises
    ------
    InvalidInput
        A word is not ``name=value``.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise InvalidInput(f"{word!r} is not NAME=VALUE", field="parameters")
        try:
            found[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            found[name] = text
    return found


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _handle(options: argparse.Namespace) -> Call:
    return Call("ph.attach", (options.name,))


def _on(options: argparse.Namespace) -> dict[str, Any]:
    return {} if options.pilot is None else {"pilot": Call("ph.attach", (options.pilot,))}


def _count(options: argparse.Namespace, method: str) -> Call:
    return _handle(options).then(method, *([] if options.n is None else [options.n]))


def _execute(options: argparse.Namespace) -> Call:
    named = {} if options.run_name is None else {"name": options.run_name}
    given = {**_given(options, "cores", "gpus", "ranks", "timeout", "retries"), **named}
    return _handle(options).then("execute", options.command, **given)


_PILOT = arg("name", metavar="NAME", help="the pilot", names=("pilots",))
_RUN = arg("name", metavar="NAME", help="the run", names=("runs",))
_EITHER = arg("name", metavar="NAME", help="the pilot or the run", names=("pilots", "runs"))
_ON = arg(
    "--pilot", metavar="NAME", help="the pilot to use (default: the local one, started if need be)", names=("pilots",)
)
_TAIL = arg("--tail", type=int, metavar="N", help="how many lines of each log (default: 200)")
_PARAMETERS = arg("parameters", nargs="*", metavar="NAME=VALUE", help="further parameters of the function")

SUBMIT = (
    arg("site", nargs="?", metavar="SITE", help="where (default: local)", names=("sites",)),
    arg("--name", help="the pilot's name (default: made up)"),
    arg("--nodes", type=int, metavar="N", help="how many nodes to keep running (default: 1)"),
    arg("--cores", type=int, metavar="N", help="cores of a node (default: 1)"),
    arg("--memory", metavar="SIZE", help="memory of a node, such as '4 GiB'"),
    arg("--gpus", type=int, metavar="N", help="GPUs of a node (default: 0)"),
    arg("--walltime", metavar="TIME", help="of each node's job, such as 2h (default: the site's)"),
    arg("--queue", help="queue (partition) of the batch system (default: the site's)"),
    arg("--account", help="account (project) that pays"),
    arg("--constraint", metavar="FEATURES", help="features that a node must have"),
    arg("--exclusive", action="store_true", default=None, help="share nodes with no other job"),
    arg("--directive", action="append", metavar="LINE", help="one more line for the batch system; may be given again"),
    arg("--module", action="append", metavar="NAME", help="environment module to load; may be given again"),
    arg("--conda", metavar="NAME", help="conda environment of the nodes"),
    arg("--venv", metavar="FOLDER", help="virtual environment of the nodes"),
    arg("--variable", action="append", metavar="NAME=VALUE", help="environment variable; may be given again"),
    arg("--scratch", metavar="FOLDER", help="for temporary files of a node, such as '$TMPDIR'"),
    arg("--idle-timeout", metavar="TIME", help="end after this time without work (default: 30min)"),
    arg("--lease", metavar="TIME", help="end after this time in any case (default: 12h)"),
    arg("--replace", metavar="WHEN", help="replace nodes that end: always, failed, never (default: always)"),
    arg("--placement", metavar="WHERE", help="of the supervisor: login, job (default: the site's)"),
    arg("--wait", action="store_true", help="return when all nodes are there"),
)
#: Options of `start` that are fields of a description by the same name.
_FIELDS = (
    "name", "nodes", "cores", "memory", "gpus", "walltime", "queue", "account", "constraint", "exclusive", "scratch",
    "idle_timeout", "lease", "replace", "placement",
)  # fmt: skip


def _submit(options: argparse.Namespace) -> Call:
    given = _given(options, *_FIELDS)
    if options.directive:
        given["directives"] = options.directive
    if environment := _environment(options):
        given["environment"] = environment
    call = Call("ph.submit", () if options.site is None else (options.site,), given)
    return call.then("wait") if options.wait else call


def _environment(options: argparse.Namespace) -> dict[str, Any]:
    found = _given(options, "conda", "venv")
    if options.module:
        found["modules"] = options.module
    for word in options.variable or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"variable={word!r} is not NAME=VALUE", field="environment.variables")
        found.setdefault("variables", {})[name] = value
    return found


start = Verb("start", "start a pilot: ask a site for nodes", _submit, SUBMIT)
pilots = Verb("list", "list the pilots", lambda _: Call("ph.pilots"))
sites = Verb("sites", "list the sites where pilots can be had, and their limits", lambda _: Call("ph.sites"))
show = Verb("show", "the handle of a pilot", _handle, (_PILOT,))
extend = Verb(
    "extend", "add nodes to a pilot that runs", lambda options: _count(options, "extend"),
    (_PILOT, arg("n", nargs="?", type=int, metavar="N", help="how many (default: 1)")),
)  # fmt: skip
shrink = Verb(
    "shrink", "take nodes from a pilot, letting their work end elsewhere", lambda options: _count(options, "shrink"),
    (_PILOT, arg("n", nargs="?", type=int, metavar="N", help="how many (default: 1)")),
)  # fmt: skip
scale = Verb(
    "scale", "set the number of nodes of a pilot", lambda options: _count(options, "scale"),
    (_PILOT, arg("n", type=int, metavar="N", help="how many nodes to keep running")),
)  # fmt: skip
renew = Verb(
    "renew", "replace each node of a pilot by a new one before its walltime is over",
    lambda options: _handle(options).then("renew"), (_PILOT,),
)  # fmt: skip
adapt = Verb(
    "adapt", "let a pilot follow its load between two numbers of nodes",
    lambda options: _handle(options).then("adapt", options.minimum, options.maximum),
    (
        _PILOT, arg("minimum", type=int, metavar="MIN", help="the fewest nodes to keep"),
        arg("maximum", type=int, metavar="MAX", help="the most nodes to ask for"),
    ),
)  # fmt: skip
recover = Verb(
    "recover", "go on with a pilot whose supervisor was lost", lambda options: _handle(options).then("recover"),
    (_PILOT,),
)  # fmt: skip
sweep = Verb(
    "sweep", "end jobs of yours that no pilot wants any more", lambda options: Call(
        "ph.sweep", (), {"end": False} if options.list else {}
    ),
    (arg("--list", action="store_true", help="only list them"),),
)  # fmt: skip
script = Verb(
    "script", "the job script of a pilot's node, or of the next one",
    lambda options: _handle(options).then("script", *([] if options.node is None else [options.node])),
    (_PILOT, arg("node", nargs="?", metavar="NODE", help="the node (default: the next one)")),
)  # fmt: skip
cost = Verb(
    "cost", "hours of nodes, cores and GPUs that a pilot has used, and hours in the queue",
    lambda options: _handle(options).then("cost"), (_PILOT,),
)  # fmt: skip
timeline = Verb(
    "timeline", "what a pilot's nodes and runs did when", lambda options: _handle(options).then("timeline"), (_PILOT,)
)
execute = Verb(
    "execute", "run an executable on a node of a pilot; options come before the pilot's name", _execute,
    (
        arg("--cores", type=int, metavar="N", help="cores that it gets, of each rank (default: 1)"),
        arg("--gpus", type=int, metavar="N", help="GPUs that it gets (default: 0)"),
        arg("--ranks", type=int, metavar="N", help="start it as an MPI program with so many ranks"),
        arg("--timeout", metavar="TIME", help="end it after this time, such as 2h"),
        arg("--retries", type=int, metavar="N", help="how often it is tried again when it fails (default: 0)"),
        arg("--run-name", dest="run_name", metavar="NAME", help="the run's name (default: made up)"),
        _PILOT,
        arg("command", nargs=argparse.REMAINDER, metavar="...", help="the executable and its arguments"),
    ),
)  # fmt: skip
cancel = Verb("cancel", "end a pilot with everything on it", lambda options: _handle(options).then("cancel"), (_PILOT,))
runs = Verb("list", "list the runs, the latest first", lambda _: Call("ph.runs"))
attach = Verb("attach", "the pilot or the run of that name, with its history", _handle, (_EITHER,))
stop = Verb("stop", "end a run, keeping what it has", lambda options: _handle(options).then("stop"), (_RUN,))
result = Verb(
    "result", "wait for a run and return its result", lambda options: _handle(options).then("result"), (_RUN,)
)
logs = Verb(
    "logs", "the last lines of the logs of a pilot or a run",
    lambda options: _handle(options).then("logs", **_given(options, "tail")), (_EITHER, _TAIL),
)  # fmt: skip
events = Verb(
    "events", "what happened to a pilot or a run, when and why",
    lambda options: _handle(options).then("events"), (_EITHER,),
)  # fmt: skip
stream = Verb(
    "run", "launch a streaming Mini-App: a source, a broker, a processor",
    lambda options: Call(
        "ph.streams.run", (),
        {**_given(options, "source", "processor", "broker", "name"), **pairs(options.parameters), **_on(options)},
    ),
    (
        arg("--source", help="what produces the messages, such as kmeans-random"),
        arg("--processor", help="what consumes them, such as kmeans"),
        arg("--broker", help="what carries them: log"),
        arg("--name", help="the run's name (default: made up)"),
        _ON, _PARAMETERS,
    ),
)  # fmt: skip


def _market(options: argparse.Namespace) -> Call:
    relays = {"relays": options.relay} if options.relay else {}
    return Call("ph.market.connect", (), {**relays, **_on(options)})


_RELAYS = (
    arg("--relay", action="append", metavar="URL", help="a relay; may be given again (default: your lab market)"),
    _ON,
)
connect = Verb("connect", "open a market: your own lab market, or relays", _market, _RELAYS)
calls = Verb("calls", "the calls for training that stand", lambda options: _market(options).then("calls"), _RELAYS)
offers = Verb("offers", "the offers of providers that stand", lambda options: _market(options).then("offers"), _RELAYS)
receipts = Verb(
    "receipts", "public receipts, by job and round", lambda options: _market(options).then("receipts"), _RELAYS
)
ledger = Verb(
    "ledger", "your books: what was paid and earned", lambda options: _market(options).then("ledger"), _RELAYS
)
provide = Verb(
    "provide", "sell training from a node of a pilot",
    lambda options: _market(options).then("provide", **_given(options, "name"), **pairs(options.parameters)),
    (arg("--name", help="of the provider and its run (default: made up)"), *_RELAYS, _PARAMETERS),
)  # fmt: skip
post = Verb(
    "post", "buy training: post a call, and pay for what is accepted",
    lambda options: _market(options).then(
        "post", **({} if options.data is None else {"data": Expression(options.data)}), **pairs(options.parameters)
    ),
    (
        arg("--data", metavar="EXPRESSION", help="Python: (X, y) to train on; or data=NAME, such as data=digits"),
        *_RELAYS, _PARAMETERS,
    ),
)  # fmt: skip


def _rmsd(options: argparse.Namespace) -> Call:
    return Call(
        "ph.md.analyse", (Expression("RMSD"), Expression(options.expression)),
        {**pairs(options.parameters), **_on(options)}, imports=("from MDAnalysis.analysis.rms import RMSD",),
    )  # fmt: skip


def _psa(options: argparse.Namespace) -> Call:
    given = [word for word in options.expressions if not _is_pair(word)]
    parameters = pairs([word for word in options.expressions if _is_pair(word)])
    trajectories = Expression(given[0]) if len(given) == 1 else [Expression(text) for text in given]
    return Call("ph.md.psa", (trajectories,), {**parameters, **_on(options)})


def _is_pair(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


rmsd = Verb(
    "rmsd", "RMSD over time of an AtomGroup, in Å", _rmsd,
    (arg("expression", metavar="ATOMS", help="Python: the AtomGroup or Universe"), _ON, _PARAMETERS),
)  # fmt: skip
psa = Verb(
    "psa", "distances between trajectories (path similarity analysis), in Å", _psa,
    (
        arg("expressions", nargs="+", metavar="TRAJECTORY",
            help="Python: Universes, AtomGroups or arrays (frames, atoms, 3), or one list of them; then NAME=VALUE"),
        _ON,
    ),
)  # fmt: skip

#: The magics' groups: name -> what it is about, its verbs (the first is the default where it needs no argument).
GROUPS: dict[str, tuple[str, tuple[Verb, ...]]] = {
    "pilot": (
        "Pilots: nodes of a site that are yours for a while.",
        (
            pilots,
            start,
            show,
            extend,
            shrink,
            scale,
            renew,
            adapt,
            recover,
            execute,
            cancel,
            logs,
            events,
            script,
            cost,
            timeline,
            sites,
            sweep,
        ),
    ),
    "runs": ("Runs: what was launched on pilots, alive and ended.", (runs, attach, stop, result, logs, events)),
    "stream": ("Streaming Mini-Apps.", (runs, stream, stop, logs, events)),
    "md": ("Analyses of molecular-dynamics trajectories.", (rmsd, psa)),
    "market": ("The training market.", (offers, connect, calls, provide, post, receipts, ledger)),
}
