"""Site files: what they add, who wins, and what is said of a mistake."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.pilots.queues.discovery import describe, site_named
from pilothouse.pilots.sites.files import read
from tests.unit.pilots.fake_commands import SINFO, FakeCommands

Write = Callable[[str], Path]

CLUSTER = """\
[cluster]
system = "slurm"
title = "The cluster"
accounts = ["phys", "chem"]
fixed = ["placement", "exclusive"]
placement = "job"
walltime = "2h"
lease = "8h"
prologue = ["module purge"]

[cluster.defaults]
account = "phys"
walltime = "1h"

[[cluster.queue]]
name = "normal"
cores = 2

[[cluster.queue]]
name = "debug"
"""


def test_an_admins_file_adds_a_site_within_what_was_found(host: FakeCommands, admin: Write) -> None:
    host.prints("sinfo", SINFO)
    path = admin(CLUSTER)
    site = site_named("cluster")
    assert (site.title, site.placement, site.lease) == ("The cluster", "job", 28_800)
    assert [queue.name for queue in site.queues] == ["normal", "debug"]  # those that the file lists
    assert site.queues[0].cores == 2  # the file's, tighter than the 4 found
    assert site.queues[1].walltime == 300  # as found
    assert str(path) in site.source
    assert [each.name for each in ph.sites()] == ["local", "slurm", "cluster"]
    assert [queue.name for queue in ph.sites()[1].queues] == ["normal", "debug", "gpu", "old"]


def test_a_file_refines_a_site_that_was_found(host: FakeCommands, admin: Write) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm]\nnodes = 8\n[[slurm.queue]]\nname = "gpu"\nwalltime = "4h"\ngpus = 8\navailable = false\n')
    site = site_named("slurm")
    assert (site.nodes, [queue.name for queue in site.queues]) == (8, ["normal", "debug", "gpu", "old"])
    gpu = site.queue_named("gpu")
    assert gpu is not None
    assert (gpu.walltime, gpu.gpus, gpu.features, gpu.available) == (14_400, 4, ["a100", "nvlink"], False)


def test_an_admin_may_spare_the_login_node(host: FakeCommands, admin: Write) -> None:
    admin("[local]\nnodes = 2\ncores = 1\n")
    with pytest.raises(InvalidInput, match=r"nodes=3: site 'local' has at most 2"):
        describe(nodes=3)


def test_a_users_file_changes_what_the_admin_leaves_open(host: FakeCommands, admin: Write, user: Write) -> None:
    host.prints("sinfo", SINFO)
    admin(CLUSTER)
    user(
        """\
[cluster]
title = "Mine"
accounts = ["other"]
placement = "login"
fixed = []
walltime = "9h"
lease = "2h"
python = "/opt/python"
prologue = ["module load md"]
poll_most = 60.0
defaults = { project = "chem", exclusive = true, cores = 2 }
queue = [{ name = "normal", cores = 64, walltime = "30min" }]

[own]
system = "local"
nodes = 1
"""
    )
    site = site_named("cluster")
    assert (site.title, site.python, site.poll_most) == ("Mine", "/opt/python", 60)
    assert (site.accounts, site.placement, site.fixed) == (["phys", "chem"], "job", ["placement", "exclusive"])
    assert (site.walltime, site.lease) == (7200, 7200)  # the tighter one
    assert site.prologue == ["module purge", "module load md"]
    assert site.defaults == {"account": "chem", "walltime": "1h", "cores": 2}  # not exclusive: it is fixed
    assert [(queue.name, queue.cores, queue.walltime) for queue in site.queues] == [
        ("normal", 2, 1800),
        ("debug", 4, 300),
    ]
    assert describe(site="own")[1].nodes == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[slurm]\n[[slurm.queue]]\nname = "debug"\n[[slurm.queue]]\nname = "nromal"\nwalltime = "1h"\n', 4),
        ('[slurm]\nqueues = [\n  { name = "debug" },\n  { name = "nromal" },\n]\n', 2),
    ],
)
def test_a_typing_error_in_a_queues_name_is_said(host: FakeCommands, user: Write, text: str, line: int) -> None:
    host.prints("sinfo", SINFO)
    path = user(text)
    said = (
        f"{path}, line {line}: [slurm] queue 'nromal': there is no such queue; there are normal, debug, gpu, old; "
        "did you mean normal?"
    )
    assert ph.sites()[1].trouble == said
    with pytest.raises(Unavailable, match="nromal"):
        describe(site="slurm")


def test_an_admin_may_name_queues_that_the_batch_system_does_not_tell(host: FakeCommands, admin: Write) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm]\n[[slurm.queue]]\nname = "hidden"\n')
    assert site_named("slurm").queue_named("hidden")


def test_places_by_their_weight(
    host: FakeCommands, tmp_path: Path, user: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("XDG_CONFIG_DIRS", os.pathsep.join(map(str, (first, second))))
    for folder, title in ((first, "first"), (second, "second")):
        (folder / "pilothouse" / "sites").mkdir(parents=True)
        (folder / "pilothouse" / "sites" / "a.toml").write_text(f'[local]\ntitle = "{title}"\nscratch = "/{title}"\n')
    assert site_named("local").title == "first"  # of the system's folders, the first one counts
    single = tmp_path / "single.toml"
    single.write_text('[local]\ntitle = "single"\n[extra]\nsystem = "local"\n')
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.toml").write_text('[local]\nscratch = "/folder"\n')
    (folder / "ignored.txt").write_text("not TOML")
    monkeypatch.setenv("PILOTHOUSE_SITES", os.pathsep.join(map(str, (single, folder))))
    local = site_named("local")
    assert (local.title, local.scratch) == ("single", "/folder")
    assert [site.name for site in ph.sites()] == ["local", "extra"]
    user('[local]\ntitle = "mine"\n')
    assert site_named("local").title == "mine"


def test_a_place_that_is_named_and_missing_is_said(
    host: FakeCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTHOUSE_SITES", str(tmp_path / "nowhere"))
    assert [site.name for site in ph.sites()] == ["local"]
    assert "nowhere: there is no such file or folder" in ph.sites().unreadable[0].reason


def test_which_engines_there_are_is_the_admins_matter(host: FakeCommands, admin: Write, user: Write) -> None:
    host.prints("sinfo", SINFO)
    assert site_named("slurm").engines is None
    admin('[slurm]\nengines = ["spark"]\n')
    user('[slurm]\nengines = ["spark", "kafka"]\n')
    assert site_named("slurm").engines == ["spark"]


def test_whether_there_are_job_arrays_is_the_admins_matter(host: FakeCommands, admin: Write, user: Write) -> None:
    host.prints("sinfo", SINFO)
    assert site_named("slurm").job_arrays
    admin("[slurm]\njob_arrays = false\n")
    user("[slurm]\njob_arrays = true\n")
    assert not site_named("slurm").job_arrays
    assert "--array" not in ph.script("slurm", nodes=3)


def test_a_file_for_a_system_that_is_not_here_is_in_trouble(host: FakeCommands, admin: Write) -> None:
    admin(CLUSTER)
    assert "none of its commands (sinfo) is on PATH" in ph.sites()[1].trouble
    with pytest.raises(Unavailable, match="sinfo"):
        describe(site="cluster")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[cluster]\nsystem = "slurm"\nwalltim = "1h"\n', 3, r"\[cluster\] walltim: .*did you mean walltime\?"),
        ('[cluster]\nsystem = "slurm"\nnodes = 0\n', 3, "nodes=0: input should be greater than or equal to 1"),
        ('[cluster]\nsystem = "slrum"\n', 2, r"system='slrum': .*did you mean slurm\?"),
        ("[cluster]\nnodes = 2\n", 1, r"\[cluster\] has no system"),
        ('[cluster]\nsystem = "slurm"\nplacement = "cloud"\n', 3, "placement='cloud'"),
        ('[cluster]\nsystem = "slurm"\nfixed = ["walltim"]\n', 3, r"walltim: .*did you mean walltime\?"),
        ('[cluster]\nsystem = "slurm"\nfixed = ["name"]\n', 3, "name: a pilot's description has no such field"),
        ('[cluster]\nsystem = "slurm"\nprologue = ["a\\nb"]\n', 3, "prologue.0="),
        ('[cluster]\nsystem = "slurm"\n\n[cluster.defaults]\n# one\nwaltime = "1h"\n', 6, r"did you mean walltime\?"),
        ('[cluster]\nsystem = "slurm"\n[cluster.defaults]\nwalltime = "soon"\n', 4, "defaults.walltime='soon'"),
        ('[cluster]\nsystem = "slurm"\ndefaults.cores = 0\n', 3, "defaults.cores=0"),
        (
            '[cluster]\nsystem = "slurm"\n[cluster.defaults.environment]\nmodules = []\nmodles = ["a"]\n',
            5,
            r"did you mean modules\?",
        ),
        (
            '[cluster]\nsystem = "slurm"\n[[cluster.queue]]\nname = "a"\n[[cluster.queue]]\nname = "b"\ncorse = 2\n',
            7,
            r"corse: .*did you mean cores\?",
        ),
        (
            '[cluster]\nsystem = "slurm"\n[[cluster.queue]]\nname = "a"\n[[cluster.queue]]\nname = "b"\ncores = -2\n',
            7,
            "queues.1.cores=-2",
        ),
        (
            '[cluster]\nsystem = "slurm"\nqueue = [\n  { name = "a" },\n  { nam = "b" },\n]\n',
            5,
            r"did you mean name\?",
        ),
        ('[cluster]\nsystem = "slurm"\n[[cluster.queue]]\ncores = 2\n', 3, "queues.0.name"),
        ('["Big One"]\nsystem = "slurm"\n', 1, "can't be a site's name"),
        ('system = "slurm"\n', 1, "system stands outside of a site's table"),
        ('[cluster]\nsystem = "lsf"\njob_arrays = true\n', 1, r"job_arrays=True: system 'lsf' has no job arrays"),
        ('[local]\nsystem = "slurm"\n', 2, "the site local is this computer"),
        ('[cluster]\nsystem = "slurm"\nsystem = "slurm"\n', 3, r", column \d+: Cannot overwrite a value"),
        ("[cluster]\nsystem = slurm\n", 2, ", column 10: Invalid value"),
        ('[cluster]\nsystem = "slurm', 2, "Unterminated string"),
        ('[cluster]\nsystem = "slurm"\ntitle = "\xff"\n', 3, "not text in UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_hides_no_other_site(
    state_home: Path, host: FakeCommands, user: Write, admin: Write, text: str, line: int, says: str
) -> None:
    host.prints("sinfo", SINFO)
    admin('[good]\nsystem = "slurm"\n')
    path = user("")
    path.write_bytes(text.encode("latin-1"))
    found = ph.sites()
    assert [site.name for site in found] == ["local", "slurm", "good"]
    (broken,) = found.unreadable
    assert broken.path == path
    assert broken.reason.startswith(f"{path}, line {line}")
    assert re.search(says, broken.reason)
    describe(site="good")
    with pytest.raises(InvalidInput) as caught:
        ph.submit(broken.sites[0])
    assert broken.reason in str(caught.value)
    assert caught.value.field == "site"
    assert not ph.pilots()


def test_a_mistake_in_one_table_leaves_the_others(host: FakeCommands, user: Write) -> None:
    host.prints("sinfo", SINFO)
    user('[one]\nsystem = "slurm"\nwalltim = 1\n[two]\nsystem = "slurm"\n')
    assert [site.name for site in ph.sites()] == ["local", "slurm", "two"]
    with pytest.raises(InvalidInput, match="line 3"):
        describe(site="one")
    describe(site="two")


def test_a_site_is_not_used_without_what_a_broken_file_says_of_it(host: FakeCommands, admin: Write) -> None:
    host.prints("sinfo", SINFO)
    admin("[slurm]\nnodes = \n[slurm.defaults]\ncores = 2\n")
    with pytest.raises(InvalidInput, match="line 2, column 9"):
        describe(site="slurm")
    describe(site="local")


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()
    _, broken = read(tmp_path / "a.toml", admin=False)
    assert "directory" in broken[0].reason


def test_the_example_of_the_documentation_is_right(host: FakeCommands, user: Write) -> None:
    host.prints("sinfo", SINFO)
    page = (Path(__file__).parents[3] / "docs" / "sites.md").read_text()
    user(page.split("```toml\n")[1].split("```")[0])
    description, site = describe(site="cluster")
    assert not ph.sites().unreadable
    assert (site.nodes, site.placement, description.account, description.walltime) == (16, "job", "phys", 3600)
