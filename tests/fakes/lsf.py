"""LSF's commands after the manual of Spectrum LSF 10.1: bsub, bjobs -json, bkill, bqueues -l, bhosts -w, lshosts -w."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from engine import Engine, behave, refuse  # type: ignore[import-not-found]  # it is run as a script


def main() -> None:
    engine = Engine(Path(sys.argv[1]))
    command, arguments = sys.argv[2], sys.argv[3:]
    behave(engine, command)
    engine.advance()
    if command == "bsub":
        bsub(engine, sys.stdin.read())
    elif command == "bjobs":
        bjobs(engine, arguments)
    elif command == "bkill":
        bkill(engine, arguments)
    elif command == "bqueues":
        queues(engine)
    elif command == "bhosts":
        print("HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV")
        for host, cores in engine.settings["hosts"].items():
            print(f"{host:18} ok              -      {cores}      0      0      0      0      0")
    else:
        print("HOST_NAME                       type       model  cpuf ncpus maxmem maxswp server RESOURCES")
        for host, cores in engine.settings["hosts"].items():
            print(f"{host:27} X86_64    Intel_EM64T  60.0 {cores:5}     8G     4G    Yes (mg)")


def bsub(engine: Engine, script: str) -> None:
    values: dict[str, str] = {}
    for line in script.splitlines():
        if line.startswith("#BSUB "):
            words = shlex.split(line.removeprefix("#BSUB "))
            values[words[0]] = words[1] if len(words) > 1 else ""
    queue = values.get("-q", "normal")
    if queue not in engine.settings["queues"]:
        refuse(f"{queue}: No such queue. Job not submitted.", 255)
    cores = int(values["-n"])
    if cores > engine.settings["cores"]:
        refuse("Too many processors requested. Job not submitted.", 255)
    walltime = None
    if "-W" in values:
        hours, _, minutes = values["-W"].rpartition(":")
        walltime = (int(hours or 0) * 60 + int(minutes)) * float(engine.settings.get("minute", 60))
    after = re.fullmatch(r"ended\((\d+)\)", values.get("-w", ""))
    if after and engine.read(int(after[1])) is None:
        refuse(f"{after[0]}: No matching job found. Job not submitted.", 255)
    number = engine.submit(
        script, name=values["-J"], queue=queue, cores=cores, walltime=walltime, after=int(after[1]) if after else None
    )
    print(f"Job <{number}> is submitted to {'' if '-q' in values else 'default '}queue <{queue}>.")


def bjobs(engine: Engine, arguments: list[str]) -> None:
    assert arguments[:2] == ["-a", "-o"], arguments
    assert arguments[3] == "-json", arguments
    fields = [field.upper() for field in arguments[2].split()]
    wanted = arguments[4:]
    jobs = engine.jobs()
    if not wanted and not jobs:
        refuse("No job found", engine.settings.get("none", 0))
    records = [show(job, fields) for job in jobs if not wanted or str(job["number"]) in wanted]
    known = {record["JOBID"] for record in records}
    records += [{"JOBID": each, "ERROR": f"Job <{each}> is not found"} for each in wanted if each not in known]
    print(json.dumps({"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}, indent=2))


def show(job: dict[str, Any], fields: list[str]) -> dict[str, str]:
    reasons = {
        "resources": "Job requirements for reserving resource (mem) not satisfied: 2 hosts;",
        "never": "Job's requirements for number of processors not satisfied;",
        "dependency": "Job dependency condition not satisfied;",
    }
    status = job["status"]
    word = {"pending": "PEND", "running": "RUN"}.get(
        job["state"], "DONE" if status == 0 and not job["cause"] else "EXIT"
    )
    why = {
        "cancelled": "TERM_OWNER: job killed by owner",
        "walltime": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    }
    values = {
        "JOBID": str(job["number"]),
        "STAT": word,
        "JOB_NAME": job["name"],
        "EXEC_HOST": (f"{job['cores']}*{job['host']}" if job["cores"] > 1 else job["host"]) if job["started"] else "",
        "PEND_REASON": reasons.get(job["reason"], "") if word == "PEND" else "",
        "FINISH_TIME": f"{date(job['started'] + job['walltime'])} L" if word == "RUN" else "",
        "EXIT_CODE": str(128 - status if status < 0 else status) if word == "EXIT" and status is not None else "",
        "EXIT_REASON": why.get(job["cause"], "") if word == "EXIT" else "",
    }
    return {field: values.get(field, "") for field in fields}


def date(seconds: float) -> str:
    return time.strftime("%b %d %H:%M", time.localtime(seconds))


def bkill(engine: Engine, arguments: list[str]) -> None:
    code = 0
    for argument in arguments:
        said = engine.cancel(int(argument))
        if said == "cancelled":
            print(f"Job <{argument}> is being terminated")
        else:
            sys.stderr.write(
                f"Job <{argument}>: {'No matching job found' if said == 'unknown' else 'Job has already finished'}\n"
            )
            code = 255
    raise SystemExit(code)


def queues(engine: Engine) -> None:
    for index, name in enumerate(engine.settings["queues"]):
        print(
            f"\nQUEUE: {name}\n  -- For jobs.{'  This is the default queue.' if index == 0 else ''}\n\n"
            "PARAMETERS/STATISTICS\n"
            "PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS\n"
            " 30    0  Open:Active       -    -    -    -     0     0     0     0     0    0     0\n"
            "Interval for a host to accept two jobs is 0 seconds\n\n"
            "DEFAULT LIMITS:\n RUNLIMIT\n 60.0 min\n\nMAXIMUM LIMITS:\n RUNLIMIT\n 1440.0 min\n"
        )


main()
