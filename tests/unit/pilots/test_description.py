from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput
from pilothouse.pilots.queues import discovery
from pilothouse.pilots.queues.discovery import describe, site_named
from pilothouse.pilots.sites.check import checked, shown
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.schema import form_schema
from tests.unit.pilots.fake_commands import SINFO, FakeCommands


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"site": "nowhere"}, "site", "there are 'local'"),
        ({"nodes": 0}, "nodes", "greater than or equal to 1"),
        ({"nodes": -3}, "nodes", "nodes=-3"),
        ({"nodes": 65}, "nodes", "at most 64"),
        ({"nodes": 10**9}, "nodes", "less than or equal to"),
        ({"nodes": 1.5}, "nodes", "integer"),
        ({"cores": 0}, "cores", "cores=0"),
        ({"cores": (os.cpu_count() or 1) + 1}, "cores", "at most"),
        ({"memory": "1 MiB"}, "memory", "at least 64 MiB"),
        ({"memory": "900 TiB"}, "memory", "at most"),
        ({"memory": "much"}, "memory", "memory='much'"),
        ({"idle_timeout": "soon"}, "idle_timeout", "'30min'"),
        ({"idle_timeout": 0}, "idle_timeout", "idle_timeout=0"),
        ({"lease": "-1h"}, "lease", "a number with a unit"),
        ({"lease": float("inf")}, "lease", "less than or equal to 31622400"),
        ({"lease": "9" * 400 + "d"}, "lease", "less than or equal to 31622400"),
        ({"idle_timeout": 1e300}, "idle_timeout", "less than or equal to 31622400"),
        ({"name": "My Pilot"}, "name", "name='My Pilot'"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_started(
    state_home: Path, values: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ph.submit(**values)
    assert caught.value.field == field
    assert says in str(caught.value)
    assert not ph.pilots()
    assert not state_home.exists() or not any(state_home.rglob("*.json"))


def test_the_schema_says_what_a_form_needs() -> None:
    schema = PilotDescription.model_json_schema()
    assert schema["properties"]["nodes"]["minimum"] == 1
    assert all("title" in field and "description" in field for field in schema["properties"].values())


def test_memory_is_an_equal_share_by_default() -> None:
    description, site = describe(nodes=4)
    assert description.memory == site.memory // 4


#: A site whose every limit is known, as discovery and an admin's file make it.
ADMIN = """\
[cluster]
system = "slurm"
nodes = 6
memory = "3 GiB"
lease = "8h"
idle_timeout = "1h"
accounts = ["phys", "chem"]
fixed = ["placement", "exclusive", "replace", "scratch", "environment"]
placement = "job"
scratch = "/scratch"

[cluster.defaults]
account = "phys"
replace = "failed"
environment = { modules = ["python"] }

[[cluster.queue]]
name = "normal"
nodes = 4

[[cluster.queue]]
name = "debug"

[[cluster.queue]]
name = "gpu"

[[cluster.queue]]
name = "old"
"""

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"site": "clutser"}, "site", r"site='clutser': .*did you mean cluster\?"),
    ({"name": "My Pilot"}, "name", "name='My Pilot'"),
    ({"nodes": 0}, "nodes", "nodes=0: .*greater than or equal to 1"),
    ({"nodes": 7}, "nodes", "nodes=7: queue 'normal' of site 'cluster' has at most 4"),
    ({"nodes": 7, "queue": "debug"}, "nodes", "nodes=7: queue 'debug' of site 'cluster' has at most 6"),
    ({"nodes": 4, "kinds": {"more": {"nodes": 1}}}, "nodes", "nodes=5: queue 'normal' .* at most 4"),
    ({"nodes": 4, "kinds": {"g": {"nodes": 3, "queue": "gpu"}}}, "nodes", "nodes=7: site 'cluster' has at most 6"),
    ({"cores": 5}, "cores", "cores=5: queue 'normal' of site 'cluster' has at most 4"),
    ({"cores": "many"}, "cores", "cores='many'"),
    ({"memory": "4 GiB"}, "memory", "memory=4 GiB: .* has at most 3 GiB"),
    ({"memory": "1 MiB"}, "memory", "memory=1 MiB: .*at least 64 MiB"),
    ({"gpus": 1}, "gpus", "gpus=1: queue 'normal' of site 'cluster' has at most 0"),
    ({"gpus": 5, "queue": "gpu"}, "gpus", "gpus=5: queue 'gpu' .* at most 4"),
    ({"walltime": "61min"}, "walltime", "walltime=1:01:00: queue 'normal' .* at most 1:00:00"),
    ({"walltime": "10min", "queue": "debug"}, "walltime", "walltime=0:10:00: queue 'debug' .* at most 0:05:00"),
    ({"walltime": "tomorrow"}, "walltime", "walltime='tomorrow': a duration is"),
    ({"walltime": "5s"}, "walltime", "walltime='5s': .*greater than or equal to 30"),
    ({"walltime": 5}, "walltime", "walltime=5: is it minutes or seconds"),
    ({"idle_timeout": 30}, "idle_timeout", "idle_timeout=30: is it minutes or seconds"),
    ({"queue": "debgu"}, "queue", r"queue='debgu': site 'cluster' has normal, debug, gpu, old; did you mean debug\?"),
    ({"queue": "old"}, "queue", "queue='old': it takes no jobs now at site 'cluster'"),
    ({"queue": "a b"}, "queue", "queue='a b'"),
    ({"account": "physics"}, "account", r"account='physics': site 'cluster' has phys, chem; did you mean phys\?"),
    ({"project": "physics"}, "account", "account='physics'"),
    ({"constraint": "fats"}, "constraint", r"constraint='fats': .* nodes with fast; did you mean fast\?"),
    ({"constraint": "a\nb"}, "constraint", "constraint="),
    ({"exclusive": True}, "exclusive", "exclusive=True: site 'cluster' fixes it to False"),
    ({"directives": ["--a\n--b"]}, "directives.0", "directives.0="),
    ({"environment": {"modules": ["other"]}}, "environment", "environment=.*fixes it to .*python"),
    ({"environment": {"modles": []}}, "environment.modles", r"did you mean modules\?"),
    ({"environment": {"variables": {"1A": "x"}}}, "environment.variables.1A", "variables"),
    ({"scratch": "/home"}, "scratch", "scratch='/home': site 'cluster' fixes it to '/scratch'"),
    ({"idle_timeout": "2h"}, "idle_timeout", "idle_timeout=2:00:00: site 'cluster' has at most 1:00:00"),
    ({"lease": "9h"}, "lease", "lease=9:00:00: site 'cluster' has at most 8:00:00"),
    ({"replace": "always"}, "replace", "replace='always': site 'cluster' fixes it to 'failed'"),
    ({"replace": "maybe"}, "replace", "replace='maybe'"),
    ({"placement": "login"}, "placement", "placement='login': site 'cluster' fixes it to 'job'"),
    ({"kinds": {"GPU": {}}}, "kinds.GPU", "kinds"),
    ({"kinds": {"gpu": {"core": 1}}}, "kinds.gpu.core", r"did you mean cores\?"),
    ({"kinds": {"gpu": {"cores": 99}}}, "kinds.gpu.cores", "kinds.gpu.cores=99: queue 'normal' .* at most 4"),
    ({"kinds": {"gpu": {"queue": "gup"}}}, "kinds.gpu.queue", r"kinds.gpu.queue='gup'.*did you mean gpu\?"),
    ({"kinds": {"gpu": {"gpus": 1}}}, "kinds.gpu.gpus", "kinds.gpu.gpus=1: queue 'normal'"),
    ({"kinds": {"gpu": {"memory": "8 GiB"}}}, "kinds.gpu.memory", "kinds.gpu.memory=8 GiB"),
    ({"kinds": {"gpu": {"exclusive": True}}}, "kinds.gpu.exclusive", "fixes it to False"),
    ({"kinds": {"d": {"queue": "debug"}}, "walltime": "1h"}, "kinds.d.walltime", "kinds.d.walltime=1:00:00"),
    ({"kinds": {"d": {"constraint": "slow"}}}, "kinds.d.constraint", "kinds.d.constraint='slow'"),
    ({"walltim": "1h"}, "walltim", r"there is no such field; .*did you mean walltime\?"),
    ({"partition": "debug"}, "partition", "there is no such field; .*; here that is queue$"),
    ({"time": "5:00"}, "time", "; here that is walltime$"),
    ({"mem": "4G"}, "mem", "; here that is memory$"),
    ({"cpus_per_task": 4}, "cpus_per_task", "; here that is cores$"),
    ({"n_workers": 4}, "n_workers", "; here that is nodes$"),
    ({"modules": ["gcc"]}, "modules", "; here that is environment$"),
    ({"qos": "high"}, "qos", r"goes into directives, such as \['--qos=...'\]$"),
    ({"kinds": {"g": {"partition": "gpu"}}}, "kinds.g.partition", "; here that is queue$"),
    ({"directives": ["#PBS -q x"]}, "directives.0", "#PBS is for pbs, and this site has slurm"),
    ({"directives": ["# a note"]}, "directives.0", "a comment asks for nothing"),
    ({"queue": "normal,dbug"}, "queue", "queue='normal,dbug': site 'cluster' has normal, debug, gpu, old"),
    ({"queue": "normal,debug", "walltime": "2h"}, "walltime", "queue 'normal,debug' .* at most 1:00:00"),
]


@pytest.fixture
def cluster(host: FakeCommands, admin: Callable[[str], Path]) -> FakeCommands:
    """`ADMIN`'s site; what submits counts its calls."""
    host.prints("sinfo", SINFO)
    host.prints("sbatch", "1\n")
    admin(ADMIN)
    return host


@pytest.mark.parametrize(("values", "field", "says"), WRONG)
def test_each_field_is_held_against_the_site_and_nothing_is_submitted(
    state_home: Path, cluster: FakeCommands, values: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){says}") as caught:
        ph.submit(**{"site": "cluster", **values})
    assert caught.value.field == field
    assert not ph.pilots()
    assert not cluster.calls("sbatch")


def test_every_field_is_wrong_in_turn() -> None:
    named = {field.partition(".")[0] for _, field, _ in WRONG}
    assert named >= set(PilotDescription.model_fields)


@pytest.mark.parametrize("field", ["queue", "constraint", "directives"])
def test_this_computer_has_no_batch_system_to_heed(state_home: Path, host: FakeCommands, field: str) -> None:
    asked: dict[str, Any] = {field: ["x"] if field == "directives" else "x"}
    with pytest.raises(InvalidInput, match="has no batch system to heed it") as caught:
        ph.submit("local", **asked)
    assert caught.value.field == field


def test_the_gpus_of_this_computer_are_a_limit(host: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_local_gpus", lambda: 1)
    assert describe(gpus=1)[0].gpus == 1
    with pytest.raises(InvalidInput, match="gpus=2: site 'local' has at most 1"):
        describe(gpus=2)


def test_what_is_left_out_is_as_the_site_says_and_within_its_limits(cluster: FakeCommands) -> None:
    description, site = describe(site="cluster")
    assert (description.account, description.replace) == ("phys", "failed")
    assert description.environment.modules == ["python"]
    assert description.lease == 28_800  # 12 h is too long here
    assert description.idle_timeout == 1800
    assert checked(description, site) == description  # what is stored is checked again when it changes


def test_a_default_is_lowered_to_what_the_queue_allows(host: FakeCommands, admin: Callable[[str], Path]) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm.defaults]\nwalltime = "1h"\ncores = 64\n')
    assert describe(site="slurm")[0].walltime == 3600
    debug, site = describe(site="slurm", queue="debug")
    assert (debug.walltime, debug.cores) == (300, 4)
    mixed = describe(site="slurm", queue="gpu", kinds={"d": {"queue": "debug"}})[0]
    assert (mixed.walltime, mixed.cores) == (3600, 64)
    assert (mixed.kind("d").walltime, mixed.kind("d").cores) == (300, 4)
    assert checked(mixed, site) == mixed


def test_slurm_takes_several_queues_of_which_one_has_to_fit(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    description, site = describe(site="slurm", queue="debug,normal", walltime="30min", constraint="fast")
    assert description.queue == "debug,normal"
    assert "#SBATCH -p debug,normal" in ph.script("slurm", queue="debug,normal", walltime="30min")
    assert describe(site="slurm", queue="gpu,old", cores=64)[0].cores == 64  # the one that takes no jobs counts not
    site = site.model_copy(update={"system": "pbs"})
    with pytest.raises(InvalidInput, match="queue='debug,normal': site 'slurm' has normal, debug"):
        checked(description, site)


@pytest.mark.parametrize("line", ["--qos=x", "#SBATCH --qos=x", " #SBATCH   --qos=x "])
def test_a_directive_may_have_the_mark_of_its_batch_system(host: FakeCommands, line: str) -> None:
    host.prints("sinfo", SINFO)
    assert ph.script("slurm", directives=[line]).splitlines().count("#SBATCH --qos=x") == 1


def test_users_add_to_the_environment_of_a_site(host: FakeCommands, admin: Callable[[str], Path]) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm.defaults.environment]\nmodules = ["python"]\nvariables = { A = "1" }\n')
    environment = describe(site="slurm", environment={"conda": "md", "variables": {"B": "2"}})[0].environment
    assert (environment.modules, environment.conda, environment.variables) == (["python"], "md", {"B": "2"})


def test_an_account_is_needed_where_several_may_pay(host: FakeCommands, admin: Callable[[str], Path]) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm]\naccounts = ["phys", "chem"]\n')
    with pytest.raises(InvalidInput, match="account=None: site 'slurm' needs one of phys, chem") as caught:
        describe(site="slurm")
    assert caught.value.field == "account"
    assert describe(site="slurm", project="chem")[0].account == "chem"
    admin('[slurm]\naccounts = ["phys"]\n')
    assert describe(site="slurm")[0].account == "phys"


def test_a_constraint_that_is_an_expression_is_left_to_the_batch_system(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    assert describe(site="slurm", queue="gpu", constraint="a100&nvlink")[0].constraint == "a100&nvlink"


def test_the_form_is_as_narrow_as_the_site(cluster: FakeCommands) -> None:
    fields = form_schema(site_named("cluster"))["properties"]
    assert all("title" in field and "description" in field for field in fields.values())
    assert fields["site"]["default"] == "cluster"
    assert fields["nodes"]["maximum"] == 6
    assert fields["cores"]["maximum"] == 64  # of the largest queue
    assert fields["gpus"]["maximum"] == 4
    assert fields["queue"]["anyOf"][0]["enum"] == ["normal", "debug", "gpu"]
    assert "debug: walltime 0:05:00" in fields["queue"]["description"]
    assert fields["account"]["anyOf"][0]["enum"] == ["phys", "chem"]
    assert fields["account"]["default"] == "phys"
    assert fields["constraint"]["examples"] == ["a100", "fast", "nvlink"]
    assert "At most 3 GiB" in fields["memory"]["description"]
    assert fields["lease"]["default"] == "8h"
    assert fields["placement"]["readOnly"]
    assert fields["placement"]["default"] == "job"
    assert fields["environment"]["default"]["modules"] == ["python"]
    kind = form_schema(site_named("cluster"))["$defs"]["NodeKind"]["properties"]
    assert (kind["nodes"]["maximum"], kind["cores"]["anyOf"][0]["maximum"]) == (6, 64)
    assert kind["queue"]["anyOf"][0]["enum"] == ["normal", "debug", "gpu"]
    assert kind["exclusive"]["readOnly"]
    given = {name: field["default"] for name, field in fields.items() if field.get("default") is not None}
    describe(**given)  # a form that is sent as it is


def test_the_form_of_this_computer_has_no_queues(host: FakeCommands) -> None:
    fields = form_schema(site_named("local"))["properties"]
    assert fields["nodes"]["maximum"] == 64
    assert "enum" not in fields["queue"]["anyOf"][0]
    assert PilotDescription.model_json_schema()["properties"]["nodes"]["maximum"] == 10_000


def test_sizes_are_shown_no_larger_than_they_are() -> None:
    assert [shown("memory", size) for size in (1, 2**20 - 1, 64 * 2**20, 4000 * 2**20)] == [
        "1 B",
        "1023.9 KiB",
        "64 MiB",
        "3.9 GiB",
    ]
