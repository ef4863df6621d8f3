"""Which sites are found, and what is said when a batch system does not answer."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.pilots.queues import discovery
from pilothouse.pilots.queues.discovery import describe, local_site, site_named, site_names
from tests.unit.pilots.fake_commands import SINFO, FakeCommands

Write = Callable[[str], Path]


@pytest.mark.usefixtures("host")
def test_a_laptop_has_its_own_site_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(work: object) -> None:
        raise AssertionError(f"asked {work}")

    monkeypatch.setattr(discovery, "blocking", asked)
    assert [site.name for site in ph.sites()] == ["local"]


def test_queues_are_found_with_their_limits(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    _, slurm = ph.sites()
    assert (slurm.name, slurm.trouble) == ("slurm", "")
    found = {queue.name: queue for queue in slurm.queues}
    assert list(found) == ["normal", "debug", "gpu", "old"]
    assert (found["normal"].walltime, found["normal"].features, found["normal"].default) == (3600, ["fast"], True)
    assert (found["debug"].walltime, found["debug"].cores, found["debug"].default) == (300, 4, False)
    assert (found["gpu"].gpus, found["gpu"].cores, found["gpu"].walltime) == (4, 64, 172_800)
    assert (found["old"].walltime, found["old"].available) == (None, False)


def test_a_system_whose_answers_cost_much_is_asked_less_often(host: FakeCommands, user: Write) -> None:
    host.prints("sinfo", SINFO)
    host.prints("oarnodes", "")
    assert {site.name: site.poll_least for site in ph.sites()} == {"local": 2, "slurm": 2, "oar": 5}
    user('[oar]\npoll_least = 3.0\n[campus]\nsystem = "oar"\n')
    assert (site_named("oar").poll_least, site_named("campus").poll_least) == (3, 5)


def test_what_was_said_is_kept_for_some_seconds_and_no_longer(
    host: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.prints("sinfo", SINFO)
    monkeypatch.setattr(discovery, "FRESH_S", 600.0)
    ph.sites()[1].queues.clear()  # nobody changes what the next one gets
    assert ph.sites()[1].queues
    describe(site="slurm")
    assert host.calls("sinfo") == 1
    monkeypatch.setattr(discovery, "FRESH_S", -1.0)
    ph.sites()
    assert host.calls("sinfo") == 2


@pytest.mark.parametrize("variable", ["SLURM_CONF", "SLURM_CLUSTERS"])
def test_another_installation_is_asked_at_once(
    host: FakeCommands, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    host.prints("sinfo", SINFO)
    ph.sites()
    monkeypatch.setenv(variable, "other")
    ph.sites()
    assert host.calls("sinfo") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Greetings!\n", "something else than partitions"),
        ("nor mal*|1:00:00|4|4000|(null)|(null)|up\n", "can't be understood"),
    ],
)
def test_garbage_is_a_trouble(host: FakeCommands, text: str, says: str) -> None:
    host.prints("sinfo", text)
    assert says in ph.sites()[1].trouble


def test_a_command_that_fails_or_hangs_is_a_trouble_and_hides_nothing(host: FakeCommands, user: Write) -> None:
    host.hangs("sinfo")
    host.fails("qhost", "error: unable to contact qmaster")
    host.hangs("oarnodes")
    user("[slurm]\ntimeout = 0.2\n[oar]\ntimeout = 0.2\n")
    found = {site.name: site for site in ph.sites()}
    assert list(found) == ["local", "slurm", "gridengine", "oar"]
    assert not found["local"].trouble
    assert "sinfo did not answer within 0.2 s" in found["slurm"].trouble
    assert "unable to contact qmaster" in found["gridengine"].trouble
    assert "oarnodes did not answer" in found["oar"].trouble


def test_a_site_in_trouble_takes_nothing_and_says_why(state_home: Path, host: FakeCommands) -> None:
    host.fails("sinfo", "slurm_load_partitions: Unable to contact slurm controller")
    with pytest.raises(Unavailable, match="Unable to contact slurm controller") as caught:
        ph.submit("slurm")
    assert caught.value.field == "site"
    assert not ph.pilots()


def test_all_systems_are_asked_at_the_same_time(host: FakeCommands, tmp_path: Path) -> None:
    # Each waits until the other one was started.
    for name, other in (("sinfo", "qhost"), ("qhost", "sinfo")):
        script = (
            f'> "{tmp_path}/{name}"; until [ -e "{tmp_path}/{other}" ]; do /bin/sleep 0.02; done; echo done >&2; exit 1'
        )
        (host.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (host.folder / name).chmod(0o755)
    assert [site.trouble.splitlines()[-1].endswith("done") for site in ph.sites()[1:]] == [True, True]


def test_only_the_system_that_is_meant_is_asked(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    host.prints("qhost", "")
    describe()
    assert host.calls("sinfo") == host.calls("qhost") == 0
    describe(site="slurm")
    assert (host.calls("sinfo"), host.calls("qhost")) == (1, 0)
    site_names()
    assert host.calls("qhost") == 0


def test_batch_systems_are_told_apart_by_commands_that_only_they_have(
    host: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "systems", lambda: ["local", *discovery.COMMANDS])
    for name in ("qsub", "qstat", "qdel"):  # of Grid Engine, PBS, and Slurm's own imitation of PBS
        host.prints(name, "")
    assert site_names() == ["local"]
    (host.folder / "pbsnodes").write_text("#! /usr/bin/perl -w\n#  This file is part of Slurm\nuse Slurm ':all';\n")
    (host.folder / "pbsnodes").chmod(0o755)
    host.prints("sinfo", SINFO)
    assert site_names() == ["local", "slurm"]
    host.prints("pbsnodes", "")
    host.prints("qconf", "")
    host.prints("condor_status", "")
    host.prints("lsid", "")
    assert site_names() == ["local", "slurm", "gridengine", "pbs", "lsf", "htcondor"]


def test_a_system_that_nothing_installed_knows_is_not_there(
    host: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "systems", lambda: ["local"])
    host.prints("sinfo", SINFO)
    assert site_names() == ["local"]
    with pytest.raises(InvalidInput, match="there are 'local'"):
        site_named("slurm")


def test_an_unknown_site_names_the_near_one(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    with pytest.raises(InvalidInput, match=r"site='slrm'.*'slurm'.*did you mean slurm\?"):
        site_named("slrm")


def test_the_gpus_of_this_computer_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        (tmp_path / "gpus" / f"0000:0{number}:00.0").mkdir(parents=True)
    monkeypatch.setattr(discovery, "_GPUS", tmp_path / "gpus")
    assert local_site().gpus == 2
    monkeypatch.setattr(discovery, "_GPUS", tmp_path / "none")
    monkeypatch.setattr(discovery, "_AMD", tmp_path / "none")
    assert local_site().gpus == 0
    monkeypatch.setattr(discovery, "_AMD", tmp_path)
    assert local_site().gpus is None


def test_many_threads_may_ask(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(ph.sites()[1].queues))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [4] * 8


def test_a_list_of_sites_is_a_table(host: FakeCommands, user: Write) -> None:
    host.prints("sinfo", SINFO)
    user('[slurm]\ntitle = "<b>Big</b>"\naccounts = ["phys", "chem"]\n[broken]\nsystm = "slurm"\n')
    text = repr(ph.sites())
    lines = text.splitlines()
    assert lines[0].split() == ["site", "queue", "nodes", "cores", "memory", "gpus", "walltime", "about"]
    assert any("debug" in line and "0:05:00" in line and "3.9 GiB" in line for line in lines)
    assert "accounts: phys, chem" in text
    assert lines[-1].startswith("unreadable: ")
    assert "did you mean system?" in lines[-1]
    bundle = ph.sites()._repr_mimebundle_()
    assert bundle is not None
    assert bundle["text/plain"] == text
    html = bundle["text/html"]
    assert "&lt;b&gt;Big&lt;/b&gt;" in html
    assert "<script" not in html
    assert "did you mean system?" in html


def test_the_command_line_shows_the_same(host: FakeCommands, user: Write) -> None:
    host.prints("sinfo", SINFO)
    user("[slurm]\ncores = 2\n[broken]\nsystm = 1\n")
    command = [sys.executable, "-m", "pilothouse.cli", "sites"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == repr(ph.sites())
    answer = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    assert [each["name"] for each in found] == ["local", "slurm", "broken"]
    assert found[-1]["state"] == "unreadable"


def test_a_command_that_hangs_is_waited_for_once(
    host: FakeCommands, user: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "FRESH_S", 600.0)
    user("[slurm]\ntimeout = 0.3\n")
    host.hangs("sinfo")
    ph.sites()
    with pytest.raises(Unavailable, match=r"within 0.3 s"):
        describe(site="slurm")
    assert host.calls("sinfo") == 1
