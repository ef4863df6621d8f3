from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Iterator

import pytest

from pilothouse.errors import InvalidInput
from pilothouse.verbs import GROUPS
from pilothouse.verbs.call import Call, Expression
from pilothouse.verbs.verb import Verb, pairs, parse


def parsed(group: str, *words: str) -> Call:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for verb in GROUPS[group][1]:
        verb.add_to(commands)
    options = parse(parser, words)
    call = options.verb.call(options)
    assert isinstance(call, Call)
    return call


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("pilot start", "ph.submit()"),
        (
            "pilot start local --nodes 2 --name anna --lease 2h",
            'ph.submit("local", name="anna", nodes=2, lease="2h")',
        ),
        ("pilot start --wait", "ph.submit().wait()"),
        (
            "pilot start slurm --nodes 2 --kind gpu:nodes=1,gpus=2,walltime=1h,memory=4GiB "
            "--kind io:directives=['-x','-y']",
            "ph.submit(\"slurm\", nodes=2, kinds={'gpu': {'nodes': 1, 'gpus': 2, 'walltime': '1h', "
            "'memory': '4GiB'}, 'io': {'directives': ['-x', '-y']}})",
        ),
        ("pilot start slurm --kind cpu", "ph.submit(\"slurm\", kinds={'cpu': {}})"),
        ("pilot start slurm --nodes 2 --dry-run", 'ph.preview("slurm", nodes=2)'),
        ("pilot list", "ph.pilots()"),
        ("pilot sites", "ph.sites()"),
        ("pilot extend anna", 'ph.attach("anna").extend()'),
        ("pilot extend anna 3", 'ph.attach("anna").extend(3)'),
        (
            "pilot extend anna 2 --kind gpu --walltime 2h",
            'ph.attach("anna").extend(2, kind="gpu", walltime="2h")',
        ),
        ("pilot shrink anna --kind gpu", 'ph.attach("anna").shrink(kind="gpu")'),
        ("pilot shrink anna 1", 'ph.attach("anna").shrink(1)'),
        ("pilot scale anna", 'ph.attach("anna").scale()'),
        ("pilot scale anna 4", 'ph.attach("anna").scale(4)'),
        ("pilot renew anna", 'ph.attach("anna").renew()'),
        ("pilot prolong anna 2h", 'ph.attach("anna").prolong("2h")'),
        ("pilot adapt anna 0 4", 'ph.attach("anna").adapt(0, 4)'),
        ("pilot recover anna", 'ph.attach("anna").recover()'),
        ("pilot script anna", 'ph.attach("anna").script()'),
        ("pilot script anna anna-2", 'ph.attach("anna").script("anna-2")'),
        ("pilot cost anna", 'ph.attach("anna").cost()'),
        ("pilot timeline anna", 'ph.attach("anna").timeline()'),
        ("pilot sweep", "ph.sweep()"),
        ("pilot sweep --list", "ph.sweep(end=False)"),
        ("pilot execute anna gmx mdrun -v", 'ph.attach("anna").execute(["gmx", "mdrun", "-v"])'),
        (
            "pilot execute --cores 4 --ranks 2 --timeout 2h --run-name md anna sim --seed 1",
            'ph.attach("anna").execute(["sim", "--seed", "1"], cores=4, ranks=2, timeout="2h", name="md")',
        ),
        (
            "pilot execute --through radical anna hostname",
            'ph.attach("anna").execute(["hostname"], through="radical")',
        ),
        ("pilot execute anna --cores 4 sim --seed 1", 'ph.attach("anna").execute(["sim", "--seed", "1"], cores=4)'),
        ("pilot execute anna --wait -- sim --wait", 'ph.attach("anna").execute(["sim", "--wait"]).wait()'),
        ("pilot execute --wait anna -- sim -- x", 'ph.attach("anna").execute(["sim", "--", "x"]).wait()'),
        ("pilot cancel anna", 'ph.attach("anna").cancel()'),
        ("pilot logs anna --tail 5", 'ph.attach("anna").logs(tail=5)'),
        ("pilot logs anna --node anna-2", 'ph.attach("anna").logs(node="anna-2")'),
        ("pilot extend anna --kind gpu 2", 'ph.attach("anna").extend(2, kind="gpu")'),
        (
            "pilot start --nodes 2 slurm --partition a --time 5:00",
            'ph.submit("slurm", nodes=2, walltime="5:00", queue="a")',
        ),
        ("pilot extend kafka 2", 'ph.attach("kafka").extend(2)'),
        ("engines list", "ph.engines()"),
        ("engines fetch kafka", 'ph.engines.fetch("kafka")'),
        ("engines start anna kafka", 'ph.attach("anna").start("kafka")'),
        (
            "engines start anna kafka --nodes 3 --run-name k partitions=8 keep=/data --exist error --wait",
            'ph.attach("anna").start("kafka", nodes=3, exist="error", name="k", partitions=8, keep="/data").wait()',
        ),
        ("engines extend k", 'ph.attach("k").extend()'),
        ("engines shrink k 2", 'ph.attach("k").shrink(2)'),
        ("engines logs k --node anna-2 --tail 5", 'ph.attach("k").logs(node="anna-2", tail=5)'),
        ("engines stop k", 'ph.attach("k").stop()'),
        ("runs list", "ph.runs()"),
        ("runs stop km", 'ph.attach("km").stop()'),
        ("runs result km", 'ph.attach("km").result()'),
        ("runs events km", 'ph.attach("km").events()'),
        (
            "stream run --source kmeans-random --processor kmeans --broker log --pilot anna rate=1e3",
            'ph.streams.run(source="kmeans-random", processor="kmeans", broker="log", rate=1000.0, '
            'pilot=ph.attach("anna"))',
        ),
        ("md rmsd u.atoms select=backbone", 'ph.md.analyse(RMSD, u.atoms, select="backbone")'),
        ("md psa paths", "ph.md.psa(paths)"),
        ("md psa a b metric=frechet --pilot anna", 'ph.md.psa([a, b], metric="frechet", pilot=ph.attach("anna"))'),
        ("market connect", "ph.market.connect()"),
        ("market connect --relay ws://127.0.0.1:1", 'ph.market.connect(relays=["ws://127.0.0.1:1"])'),
        ("market offers", "ph.market.connect(start=False).offers()"),
        (
            "market provide --name ada --pilot anna price=5",
            'ph.market.connect(pilot=ph.attach("anna")).provide(name="ada", price=5)',
        ),
        ("market post --data (x,y) budget=10", "ph.market.connect().post(data=(x,y), budget=10)"),
        ("market post data=digits budget=10", 'ph.market.connect().post(data="digits", budget=10)'),
        ("market admitted", "ph.market.connect(start=False).admitted()"),
        ("market admit npub1x", 'ph.market.connect(start=False).admit("npub1x")'),
        ("market dismiss npub1x", 'ph.market.connect(start=False).dismiss("npub1x")'),
        ("market calls --relay ws://127.0.0.1:1", 'ph.market.connect(relays=["ws://127.0.0.1:1"]).calls()'),
        ("market ledger", "ph.market.ledger()"),
    ],
)
def test_a_verb_shows_the_line_it_stands_for(words: str, line: str) -> None:
    call = parsed(*words.split())
    assert str(call) == line
    ast.parse(call.lines())


def test_the_line_says_what_must_be_imported() -> None:
    assert parsed("md", "rmsd", "u").lines().splitlines()[0] == "from MDAnalysis.analysis.rms import RMSD"


def test_the_call_that_is_made_is_the_one_that_is_shown() -> None:
    seen = []

    class Market:
        def post(self, *args: object, **kwargs: object) -> str:
            seen.append((args, kwargs))
            return "job"

    call = Call("market.connect").then("post", Expression("x + 1"), data=[Expression("x")], budget=3)
    market = Market()
    market.connect = lambda: market  # type: ignore[attr-defined]
    values = {"x": 1, "market": market}
    assert call.run(lambda text: eval(text, values)) == "job"
    assert seen == [((2,), {"data": [1], "budget": 3})]
    assert str(call) == "market.connect().post(x + 1, data=[x], budget=3)"


@pytest.mark.parametrize("text", ['say "hi"', "back\\slash", "line\nbreak", "it's"])
def test_strange_text_is_shown_as_python_that_means_the_same(text: str) -> None:
    assert ast.literal_eval(str(Call("f", (text,))).removeprefix("f")) == text


def test_pairs_take_literals_and_words_and_refuse_the_rest() -> None:
    assert pairs(["a=1", "b=[1, 2]", "c=net", 'd="4 GiB"', "e=None"]) == {
        "a": 1, "b": [1, 2], "c": "net", "d": "4 GiB", "e": None,
    }  # fmt: skip
    for word in ("rate", "=3", "a b=1"):
        with pytest.raises(InvalidInput, match="NAME=VALUE"):
            pairs([word])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gpu:gpus"], "kind='gpu:gpus': 'gpus' is not NAME=VALUE; write NAME:FIELD=VALUE"),
        ([":gpus=1"], "kind=':gpus=1': it has no name"),
        (["gpu:gpus=1", "gpu:gpus=2"], "kind='gpu:gpus=2': it is there twice"),
    ],
)
def test_a_kind_that_can_not_be_read_is_named(words: list[str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        parsed("pilot", "start", *(f"--kind={word}" for word in words))
    assert caught.value.field == "kinds"


def every_verb() -> Iterator[tuple[str, Verb]]:
    for group, (_, verbs) in GROUPS.items():
        for verb in verbs:
            yield group, verb


def options_of(verb: Verb) -> list[str]:
    """Words that give the verb everything it takes."""
    words: list[str] = [verb.name]
    for argument in verb.arguments:
        flag, options = argument.flags[0], argument.options
        value = "2" if options.get("type") is int else "[1]" if "expression" in flag else "x"
        if flag.startswith("--") and options.get("metavar") == "NAME=VALUE":
            value = "A=x"
        if flag == "--dry-run":
            continue  # it makes another call
        if options.get("action") == "store_true":
            words.append(flag)
        elif flag.startswith("--"):
            words += [flag, value]
        elif options.get("metavar") != "NAME=VALUE":
            words.append(value)
    return words


@pytest.mark.parametrize(
    ("group", "verb"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1].name}") for pair in every_verb()]
)
def test_every_verb_fits_the_signature_of_its_public_function(group: str, verb: Verb) -> None:
    call: Call | None = parsed(group, *options_of(verb))
    assert call is not None
    while call.on is not None:
        call = call.on
    module, _, name = call.function.rpartition(".")
    import pilothouse

    where = pilothouse
    for part in module.split(".")[1:]:
        where = getattr(where, part)
    function = getattr(where, name)
    inspect.signature(function).bind(*call.args, **call.kwargs)


def test_methods_of_handles_take_what_the_verbs_give_them() -> None:
    from pilothouse import Pilot, Run
    from pilothouse.engines.service import Service

    for group, verb in every_verb():
        call = parsed(group, *options_of(verb))
        if call.on is not None and call.on.function == "ph.attach":
            name = call.function.removeprefix(".")
            owners = [owner for owner in (Pilot, Run, Service) if hasattr(owner, name)]
            if group == "engines" and name != "start":
                owners = [owner for owner in owners if owner is Service]
            assert owners, f"{group} {verb.name}: neither a pilot, a run nor a service has {name}"
            not_pilots = {"node", "kind", "walltime"}  # of which there is none: they are told so
            for owner in owners if Pilot not in owners else [Pilot]:
                given = {key: value for key, value in call.kwargs.items() if owner is not Run or key not in not_pilots}
                inspect.signature(getattr(owner, name)).bind(None, *call.args, **given)


def test_a_setting_that_is_an_option_is_told_so() -> None:
    with pytest.raises(InvalidInput, match="nodes=2: it is an option, --nodes"):
        parsed("engines", "start", "anna", "kafka", "nodes=2")


def test_what_a_function_does_not_take_is_named() -> None:
    call = Call("f.run", (), {"node": "x"})
    with pytest.raises(InvalidInput, match="run: got an unexpected keyword argument 'node'; it takes tail"):
        call.run(lambda _: type("Run", (), {"run": staticmethod(lambda tail=200: tail)}))
