"""``pilothouse …``: the verbs of the library from a shell.

Standard output carries the answer (as JSON with ``--json``), standard error the Python line that does the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from pilothouse.errors import InvalidInput, PilothouseError, Unavailable
from pilothouse.tables import text_table
from pilothouse.verbs import engines, market, pilots, runs, streams, submitting
from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import Verb, parse

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

#: Word on the command line -> verb.
TOP: dict[str, Verb] = {
    "submit": submitting.start,
    "pilots": pilots.pilots,
    "runs": runs.runs,
    "sites": pilots.sites,
    "attach": runs.attach,
    "extend": pilots.extend,
    "shrink": pilots.shrink,
    "scale": pilots.scale,
    "renew": pilots.renew,
    "prolong": pilots.prolong,
    "adapt": pilots.adapt,
    "recover": pilots.recover,
    "execute": pilots.execute,
    "cancel": pilots.cancel,
    "stop": runs.stop,
    "remove": runs.remove,
    "logs": runs.logs,
    "events": runs.events,
    "script": pilots.script,
    "cost": pilots.cost,
    "timeline": pilots.timeline,
    "sweep": pilots.sweep,
}
NESTED: dict[str, tuple[str, tuple[Verb, ...]]] = {
    "engines": ("frameworks that run on pilots, and what they need", (engines.listed, engines.fetch)),
    "stream": ("streaming Mini-Apps", (streams.stream, runs.runs, runs.stop)),
    "market": (
        "the training market",
        (
            market.connect, market.calls, market.offers, market.provide, market.post, market.receipts, market.ledger,
            market.admitted, market.admit, market.dismiss,
        ),
    ),
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print the answer as JSON")
    made = argparse.ArgumentParser(
        prog="pilothouse",
        description="Pilots, streams, analyses and a training market, from a shell. "
        "Each command prints, to standard error, the Python line that does the same.",
    )
    made.add_argument("--version", action="store_true", help="print the version and end")
    commands = made.add_subparsers(title="commands", metavar="COMMAND")
    for word, verb in TOP.items():
        Verb(word, verb.help, verb.call, verb.arguments).add_to(commands, parents=[shared])
    for word, (about, nested) in NESTED.items():
        group = commands.add_parser(word, help=about, description=about.capitalize() + ".")
        inner = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        for verb in nested:
            verb.add_to(inner, parents=[shared])
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    try:
        try:
            return _main(argv)
        finally:
            _write("")  # what argparse has printed, too
    except PilothouseError as error:
        _say(f"pilothouse: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        return 0


def _main(argv: Sequence[str] | None) -> int:
    made = parser()
    options = parse(made, argv)
    if options.version:
        from importlib.metadata import version

        _write(f"{version('pilothouse')}\n")
        return 0
    if "verb" not in options:
        made.print_help()
        return 0
    with warnings.catch_warnings():
        warnings.showwarning = _warned
        return _do(options)


def _warned(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"pilothouse: {message}")


def _do(options: argparse.Namespace) -> int:
    call: Call = options.verb.call(options)
    _say(f"# {'; '.join(call.lines().splitlines())}")
    found = call.run(_no_expressions)
    if options.verb.name == "attach" and not options.json:
        return _watch(found)
    text = json.dumps(_plain(found), indent=1) if options.json else _shown(found)
    _write(f"{text}\n" if text else "")
    if options.verb.name == "attach":
        return _status(found)
    if options.verb.name == "execute" and options.wait:
        return _exit_status(found)
    return 0


def _status(handle: Pilot | Run) -> int:
    """0 while it goes on and when it has ended well."""
    return int(handle.state.ended and handle.state != "finished")


def _exit_status(task: Any) -> int:
    """That of the executable, as a shell has it: 128 and the signal that ended it; 1 where something else is wrong."""
    code: int | None = task.exit_code
    if code is None:  # it never came to an end
        return 1
    return code if code > 0 else 128 - code if code < 0 else _status(task)


def _no_expressions(text: str) -> Any:
    raise InvalidInput(f"{text!r}: the command line takes no Python expressions", field="expression")


# ---------------------------------------------------------------------- answers


def _write(text: str) -> None:
    """Write to standard output, now.

    Raises
    ------
    BrokenPipeError
        Nobody reads it any more.
    Unavailable
        It can't be written: a disk is full.
    """
    if sys.stdout is None:  # the shell has closed it
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
        raise
    except OSError as error:
        _drop(sys.stdout)
        raise Unavailable(f"standard output can't be written: {error.strerror or error}") from None


def _say(text: str) -> None:
    """Write a line to standard error; where nobody can read it, it is no loss."""
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Forget what a stream still holds, or the interpreter complains of it when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _plain(found: Any) -> Any:
    """`found` as JSON: handles by their records."""
    if isinstance(found, Sequence) and not isinstance(found, str):
        unreadable = [
            {"name": each.name, "state": "unreadable", "reason": each.reason, "path": str(each.path)}
            for each in getattr(found, "unreadable", ())
        ]
        return [_plain(each) for each in found] + unreadable
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        return {part.name: _plain(getattr(found, part.name)) for part in dataclasses.fields(found)}
    if isinstance(found, dict):
        return {str(key): _plain(value) for key, value in found.items()}
    record = getattr(found, "record", found)
    if hasattr(record, "model_dump"):
        return record.model_dump(mode="json")
    return record if isinstance(record, (str, int, float, bool, type(None))) else str(record)


def _shown(found: Any) -> str:
    if found is None:
        return ""
    if hasattr(found, "rows"):  # it knows its table
        return str(found)
    if isinstance(found, Sequence) and not isinstance(found, str):
        rows = [_row(each) for each in _plain(found)]
        return _table(rows) if rows else "(none)"
    if isinstance(found, dict):
        return _table([_row({name: f"{v:.2f}" if isinstance(v, float) else v for name, v in found.items()})])
    if hasattr(found, "record"):
        return _table([_row(_plain(found))])
    return str(found)


def _row(plain: Any) -> dict[str, str]:
    if not isinstance(plain, dict):
        return {"": str(plain)}
    if "nodes_wanted" in plain:
        running = sum(node["state"] == "running" for node in plain["nodes"])
        shown = {**plain, "nodes": f"{running}/{plain['nodes_wanted']}"}
        return _pick(shown, "name", "state", "site", "nodes", "created", "reason")
    if "kind" in plain and "pilot" in plain:
        progress = plain.get("progress")
        shown = {
            **plain,
            "progress": f"{progress['done']:g}/{progress['total']:g} {progress['unit']}" if progress else "",
        }
        return _pick(shown, "name", "kind", "pilot", "state", "progress", "created", "reason")
    return _pick(plain, *plain)


def _pick(plain: dict[str, Any], *columns: str) -> dict[str, str]:
    row = {}
    for column in columns:
        value = plain.get(column)
        text = "" if value is None else str(value)
        if column in ("created", "time") and "T" in text:
            text = text[:19].replace("T", " ")
        row[column] = text.splitlines()[0] if text else ""
    return row


def _table(rows: list[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return text_table([columns, *([row.get(column, "") for column in columns] for row in rows)])


# ---------------------------------------------------------------------- attach


def _watch(handle: Pilot | Run) -> int:
    """Show what `handle` is at, a line each time it changes (one line that changes, on a terminal), until it ends."""
    status = _pilot_status if hasattr(handle, "nodes") else _run_status
    terminal = sys.stdout is not None and sys.stdout.isatty()
    shown = ""
    try:
        while True:
            text = status(handle)
            if text != shown:
                _write(f"\r\x1b[K{text}" if terminal else f"{text}\n")
                shown = text
            if handle.state.ended:
                break
            time.sleep(0.5)
    except KeyboardInterrupt:
        word = "cancel" if status is _pilot_status else "stop"
        _say(f"\n{handle.name} goes on; 'pilothouse {word} {handle.name}' ends it.")
        return 0
    _write("\n" if terminal else "")
    return _status(handle)


def _pilot_status(pilot: Any) -> str:
    record = pilot.record
    states = [node.state.value for node in record.nodes]
    nodes = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none"
    alive = [run for run in pilot.runs() if not run.state.ended]
    runs = ", ".join(run.name for run in alive) or "none"
    return (
        f"{record.name}: {record.state.value}; nodes: {nodes} of {record.nodes_wanted}; runs: {runs}{_because(record)}"
    )


def _run_status(run: Any) -> str:
    record = run.record
    parts = [f"{record.name}: {record.state.value}"]
    if progress := run.progress:
        parts.append(f"{progress['done']:g} of {progress['total']:g} {progress['unit']}".strip())
    frame = run.frame()
    if len(frame.time):
        last = {name: float(values[-1]) for name, values in frame.columns.items()}
        parts += [f"{name} {value:,.6g}" for name, value in last.items() if value == value]
    return "; ".join(parts) + _because(record)


def _because(record: Any) -> str:
    return f" ({record.reason.splitlines()[0]})" if record.reason else ""


if __name__ == "__main__":
    sys.exit(main())
