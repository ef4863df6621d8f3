"""HTCondor's commands after the manual of version 23: condor_submit, _q, _history, _rm and _status."""

from __future__ import annotations

import getpass
import json
import re
import sys
from pathlib import Path
from typing import Any

from engine import Engine, behave, refuse  # type: ignore[import-not-found]  # it is run as a script


def main() -> None:
    engine = Engine(Path(sys.argv[1]))
    command, arguments = sys.argv[2], sys.argv[3:]
    behave(engine, command)
    engine.advance()
    if command == "condor_submit":
        assert arguments == ["-terse", "-"], arguments
        submit(engine, sys.stdin.read())
    elif command == "condor_q":
        assert arguments[0] == getpass.getuser(), arguments
        dump([show(job) for job in engine.jobs() if job["state"] != "ended"], arguments)
    elif command == "condor_history":
        wanted = [argument for argument in arguments if re.fullmatch(r"\d+\.\d+", argument)]
        jobs = [job for job in reversed(engine.jobs()) if job["state"] == "ended" and f"{job['number']}.0" in wanted]
        dump([show(job) for job in jobs], arguments)
    elif command == "condor_rm":
        remove(engine, arguments)
    else:
        slots = [
            {"Machine": host, "TotalSlotCpus": cores, "TotalSlotMemory": 8192, "TotalSlotGPUs": 0}
            for host, cores in engine.settings["hosts"].items()
        ]
        dump(slots, arguments)


def submit(engine: Engine, description: str) -> None:
    values: dict[str, str] = {}
    for line in description.splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            values[name.lower()] = value.strip()
        elif line.strip() != "queue":
            refuse(f"ERROR: Failed to parse command file (line 1): {line}", 1)
    program = Path(values["executable"])
    if not program.exists():
        refuse(f"ERROR: Executable file {program} does not exist", 1)
    cores = (
        int(values["my.daskworkercores"])
        if values["requestcpus"] == "MY.DaskWorkerCores"
        else int(values["requestcpus"])
    )
    walltime = values.get("my.pilothousewalltime")
    number = engine.submit(
        program.read_text(), name=values["batch_name"], cores=cores, folder=values["initialdir"],
        walltime=float(walltime) if walltime else None,
    )  # fmt: skip
    print(f"{number}.0 - {number}.0")


def show(job: dict[str, Any]) -> dict[str, Any]:
    status = {"pending": 1, "running": 2}.get(job["state"], 3 if job["cause"] else 4)
    ad: dict[str, Any] = {
        "ClusterId": job["number"],
        "ProcId": 0,
        "JobStatus": status,
        "JobBatchName": job["name"],
        "PilothouseWalltime": int(job["walltime"]),
        "QDate": int(job["submitted"]),
        "EnteredCurrentStatus": int(job["ended"] or job["started"] or job["submitted"]) + (job["cause"] == "walltime"),
    }
    if job["started"]:
        ad["JobCurrentStartDate"] = int(job["started"])
        ad["RemoteHost" if status == 2 else "LastRemoteHost"] = f"slot1_1@{job['host']}"
    if job["reason"] in ("resources", "never") and status == 1:
        ad["LastRejMatchReason"] = "no match found "
    if status == 3:
        removed = "The job attribute PeriodicRemove expression evaluated to TRUE"
        ad["RemoveReason"] = removed if job["cause"] == "walltime" else f"via condor_rm (by user {getpass.getuser()})"
    if status == 4:
        ad["ExitBySignal"] = job["status"] < 0
        ad["ExitSignal" if job["status"] < 0 else "ExitCode"] = abs(job["status"])
    return ad


def dump(ads: list[dict[str, Any]], arguments: list[str]) -> None:
    """Nothing at all where there is no ad, as condor_q prints it."""
    wanted = arguments[arguments.index("-attributes") + 1].split(",")
    assert "-json" in arguments, arguments
    if ads:
        print(json.dumps([{name: value for name, value in ad.items() if name in wanted} for ad in ads], indent=2))


def remove(engine: Engine, arguments: list[str]) -> None:
    code = 0
    for argument in arguments:
        if engine.cancel(int(argument.partition(".")[0])) == "cancelled":
            print(f"Job {argument} marked for removal")
        else:
            sys.stderr.write(f"Job {argument} not found\n")
            code = 1
    raise SystemExit(code)


main()
