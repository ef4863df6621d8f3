"""PBS's commands after the manual of OpenPBS 23.

qsub, qselect, qstat -f [-x | -t | -Q | -B], qdel, pbsnodes -a, pbsdsh -n. An array's members are jobs of the engine
with consecutive numbers; the first one's is the array's.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from engine import Engine, behave, refuse  # type: ignore[import-not-found]  # it is run as a script

SERVER = "fakepbs"


def main() -> None:
    engine = Engine(Path(sys.argv[1]))
    command, arguments = sys.argv[2], sys.argv[3:]
    behave(engine, command)
    engine.advance()
    if command == "qsub":
        qsub(engine, sys.stdin.read())
    elif command == "qselect":
        assert arguments == ["-u", getpass.getuser()], arguments
        for name in dict.fromkeys(array_of(job) or name_of(job) for job in engine.jobs() if job["state"] != "ended"):
            print(name)
    elif command == "qdel":
        qdel(engine, arguments)
    elif command == "pbsdsh":
        pbsdsh(engine, arguments)
    elif command == "pbsnodes":
        nodes(engine)
    elif arguments[0] == "-Q":
        queues(engine)
    elif arguments[0] == "-B":
        print(f"Server: {SERVER}\n    server_state = Active\n    default_queue = workq\n")
    else:
        qstat(engine, arguments)


def name_of(job: dict[str, Any]) -> str:
    array = job["array"]
    return f"{array}[{job['number'] - array}].{SERVER}" if array else f"{job['number']}.{SERVER}"


def array_of(job: dict[str, Any]) -> str:
    return f"{job['array']}[].{SERVER}" if job["array"] else ""


def qsub(engine: Engine, script: str) -> None:
    options = [line.removeprefix("#PBS ") for line in script.splitlines() if line.startswith("#PBS ")]
    values: dict[str, str] = {}
    for option in options:
        flag, _, value = option.partition(" ")
        values[f"{flag} {value.partition('=')[0]}" if flag in ("-l", "-W") else flag] = value
    name = values["-N"]
    if len(name) > 236 or not re.match(r"[A-Za-z_]", name):
        refuse("qsub: illegal -N value", 1)
    queue = values.get("-q", "workq")
    if queue not in engine.settings["queues"]:
        refuse("qsub: Unknown queue", 170)
    chunk = dict(part.partition("=")[::2] for part in values["-l select"].split(":"))
    cores, nodes = int(chunk["ncpus"]), int(chunk["select"])
    if nodes > 1:
        assert values["-l place"].startswith("place=scatter"), "else it may be one host"
    if cores > engine.settings["cores"]:
        refuse("qsub: Job violates queue and/or server resource limits", 188)
    after = values.get("-W depend", "").rpartition(":")[2]
    fields: dict[str, Any] = {
        "name": name, "queue": queue, "cores": cores, "nodes": nodes, "walltime": seconds(values.get("-l walltime")),
        "after": int(after.partition(".")[0]) if after else None,
    }  # fmt: skip
    if "-J" not in values:
        print(f"{engine.submit(script, **fields)}.{SERVER}")
        return
    first, last = map(int, values["-J"].split("-"))
    if first >= last:
        refuse("qsub: illegal -J value", 1)
    if values.get("-r") == "n":
        refuse("qsub: cannot submit non-rerunable Array Job", 15134)
    if last - first >= engine.settings.get("max_array_size", 10_000):
        refuse("qsub: Array job exceeds server or queue size limit", 15135)
    members = [{"PBS_ARRAY_INDEX": str(index)} for index in range(first, last + 1)]
    print(f"{engine.submit(script, members, **fields)}[].{SERVER}")


def qstat(engine: Engine, arguments: list[str]) -> None:
    remembered = "-x" in arguments
    if remembered and not engine.settings.get("history", True):
        refuse("qstat: PBS is not configured to maintain job history", 36)
    code = 0
    shown = engine.jobs()
    for argument in arguments:
        if argument.startswith("-"):
            continue
        jobs = [job for job in shown if name_of(job) == argument]
        array = [job for job in shown if array_of(job) == argument]
        if any(job["state"] != "ended" for job in array):
            print(f"Job Id: {argument}\n    Job_Name = {array[0]['name']}\n    job_state = B\n    array = True")
            print(f"    array_indices_submitted = 0-{len(array) - 1}\n")
            for job in array if "-t" in arguments else ():
                show(job)
        elif not jobs:
            sys.stderr.write(f"qstat: Unknown Job Id {argument}\n")
            code = 153
        for job in jobs:
            if job["state"] == "ended" and not remembered and not job["array"]:
                sys.stderr.write(
                    f"qstat: {argument} Job has finished, use -x or -H to obtain historical job information\n"
                )
                code = 35
            else:
                show(job)
    raise SystemExit(code)


def show(job: dict[str, Any]) -> None:
    letters = {"pending": "Q", "running": "R", "ended": "X" if job["array"] else "F"}
    letter = "H" if job["reason"] == "dependency" and job["state"] == "pending" else letters[job["state"]]
    comments = {
        "resources": "Not Running: Insufficient amount of resource: ncpus ",
        "never": "Can Never Run: Insufficient amount of resource: ncpus ",
    }
    lines = {
        "Job_Name": job["name"],
        "Job_Owner": f"{getpass.getuser()}@login",
        "job_state": letter,
        "queue": job["queue"],
        "ctime": time.asctime(time.localtime(job["submitted"])),
    }
    if job["started"]:
        lines["exec_host"] = "+".join(f"{host}/0*{job['cores']}" for host in job["hosts"] or [job["host"]])
        used = int((job["ended"] or time.time()) - job["started"])
        lines["resources_used.walltime"] = clock(used + (job["cause"] == "walltime"))
        lines["stime"] = time.asctime(time.localtime(job["started"]))
    lines["Resource_List.walltime"] = clock(int(job["walltime"]))
    if letter == "H":
        lines["depend"] = f"afterany:{job['after']}.{SERVER}@{SERVER}"
    if job["state"] == "pending" and job["reason"] in comments:
        lines["comment"] = comments[job["reason"]]
    if job["status"] is not None:
        status = job["status"]
        lines["Exit_status"] = str(-29 if job["cause"] == "walltime" else 256 - status if status < 0 else status)
    # A variable of two lines, as users have them.
    lines["Variable_List"] = (
        f"PBS_O_HOME=/home/{getpass.getuser()},BASH_FUNC_module%%=() {{ eval `/usr/bin/modulecmd $*`\n}},PBS_O_LANG=C"
    )
    print(f"Job Id: {name_of(job)}")
    for name, value in lines.items():
        print(folded(f"    {name} = {value}"))
    print()


def folded(line: str) -> str:
    """As qstat breaks lines: after 79 characters, the rest behind a tab."""
    parts = [line[:79]]
    rest = line[79:]
    while rest:
        parts.append(rest[:71])
        rest = rest[71:]
    return "\n\t".join(parts)


def queues(engine: Engine) -> None:
    for name in engine.settings["queues"]:
        print(
            f"Queue: {name}\n    queue_type = Execution\n    total_jobs = 0\n    enabled = True\n    started = True\n"
            f"    resources_max.ncpus = {engine.settings['cores']}\n    resources_max.walltime = 24:00:00\n"
        )


def nodes(engine: Engine) -> None:
    for host, cores in engine.settings["hosts"].items():
        print(
            f"{host}\n     Mom = {host}\n     ntype = PBS\n     state = free\n     resources_available.host = {host}\n"
            f"     resources_available.mem = 8388608kb\n     resources_available.ncpus = {cores}\n"
        )


def pbsdsh(engine: Engine, arguments: list[str]) -> None:
    """In a job: be the program on the host of that index, with as little of a job's environment as it has there."""
    option, index, end, *program = arguments
    assert (option, end) == ("-n", "--"), arguments
    job = engine.read(int(os.environ["FAKE_JOB"]))
    assert job is not None
    path = f"{engine.folder / 'hosts' / job['hosts'][int(index)]}:/usr/bin:/bin"
    os.execve(program[0], program, {"HOME": os.environ["HOME"], "PATH": path, "PBS_NODENUM": index})


def qdel(engine: Engine, arguments: list[str]) -> None:
    code = 0
    for argument in arguments:
        number = next((job["number"] for job in engine.jobs() if name_of(job) == argument), 0)
        said = engine.cancel(number)
        if said == "ended" and "[" in argument:
            sys.stderr.write(f"qdel: Request invalid for finished array subjob {argument}\n")
            code = 35
        elif said == "unknown":
            sys.stderr.write(f"qdel: Unknown Job Id {argument}\n")
            code = 153
        elif said == "ended":
            sys.stderr.write(f"qdel: Job has finished {argument}\n")
            code = 35
    raise SystemExit(code)


def seconds(text: str | None) -> float | None:
    if text is None:
        return None
    parts = [int(part) for part in text.removeprefix("walltime=").split(":")]
    return float(parts[0] * 3600 + parts[1] * 60 + parts[2])


def clock(whole: int) -> str:
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


main()
