"""Times and sizes mean what the users of each batch system mean by them; what could be two things is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput
from pilothouse.pilots.queues.discovery import describe, site_named
from pilothouse.pilots.sites.description import NodeKind, PilotDescription, check
from pilothouse.pilots.sites.schema import form_schema
from pilothouse.pilots.sites.units import written
from tests.unit.pilots.fake_commands import SINFO, FakeCommands

HOUR, DAY, GIB = 3600, 86_400, 2**30


def kind(system: str, **values: object) -> NodeKind:
    """What a user of `system` asks for."""
    found: NodeKind = check(NodeKind, values, system, bare=False)
    return found


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("90s", 90), ("90sec", 90), ("30min", 1800), ("30 minutes", 1800), ("2h", 2 * HOUR), ("1.5 h", 1.5 * HOUR),
        ("1d", DAY), ("2h30m", 2.5 * HOUR), ("1h 30min", 1.5 * HOUR), ("1d12h", 1.5 * DAY),
        ("1 day 6 hours", 1.25 * DAY), ("02:30:00", 2.5 * HOUR), ("36:00:00", 1.5 * DAY), ("1-12", 1.5 * DAY),
        ("1-12:30", 1.5 * DAY + 1800), ("1-00:00:30", DAY + 30), (timedelta(hours=2), 2 * HOUR),
    ],
)  # fmt: skip
@pytest.mark.parametrize("system", ["local", "slurm", "oar"])
def test_most_ways_to_write_a_time_are_one_everywhere(system: str, given: object, seconds: float) -> None:
    assert kind(system, walltime=given).walltime == seconds


@pytest.mark.parametrize(
    ("system", "given", "seconds"),
    [
        ("slurm", "5:00", 300), ("slurm", "90:30", 5430), ("pbs", "5:00", 300), ("psij:slurm", "5:00", 300),
        ("lsf", "5:00", 5 * HOUR), ("lsf", "1:30", 1.5 * HOUR),
    ],
)  # fmt: skip
def test_two_numbers_with_a_colon_are_what_the_batch_system_takes_them_for(
    system: str, given: str, seconds: float
) -> None:
    assert kind(system, walltime=given).walltime == seconds


@pytest.mark.parametrize(
    ("system", "given", "says"),
    [
        ("slurm", 90, "walltime=90: is it minutes or seconds? write '90min', '90s' or '1h30m'"),
        ("slurm", "90", "walltime='90': is it minutes or seconds? write '90min', '90s' or '1h30m'"),
        ("local", 3600.0, "walltime=3600.0: is it minutes or seconds? write '3600min', '3600s' or '1h30m'"),
        ("local", "5:00", "walltime='5:00': is it hours or minutes? write '5h' or '5min'"),
        ("gridengine", "5:30", "walltime='5:30': is it hours or minutes? write '5h30m' or '5m30s'"),
        ("", "5:00", "is it hours or minutes"),
        ("slurm", "5:99", "walltime='5:99': a duration is a number with a unit"),
        ("slurm", "30m2h", "a duration is a number with a unit"),
        ("slurm", "1-", "a duration is a number with a unit"),
        ("slurm", "", "a duration is a number with a unit"),
    ],
)
def test_a_time_that_could_be_two_is_refused_with_the_choices(system: str, given: object, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        kind(system, walltime=given)
    assert says in str(caught.value)
    assert caught.value.field == "walltime"


@pytest.mark.parametrize(
    ("system", "given", "size"),
    [
        ("slurm", "4G", 4 * GIB), ("slurm", "900M", 900 * 2**20), ("slurm", "1T", 1024 * GIB), ("pbs", "4gb", 4 * GIB),
        ("lsf", "4GB", 4 * GIB), ("htcondor", "4 GB", 4 * GIB), ("psij:slurm", "4G", 4 * GIB),
        ("gridengine", "4G", 4 * GIB), ("gridengine", "4g", 4 * 10**9),  # its manual: small letters count in thousands
        ("local", "4 GiB", 4 * GIB), ("slurm", "4 GiB", 4 * GIB), ("local", "4GB", 4 * 10**9),
        ("slurm", "1.5G", 1.5 * GIB),
    ],
)  # fmt: skip
def test_a_size_is_what_the_batch_system_takes_it_for(system: str, given: str, size: float) -> None:
    assert kind(system, memory=given).memory == size


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (16, "memory=16: is it GiB or MiB? write '16 GiB' or '16 MiB'"),
        ("16", "memory='16': is it GiB or MiB? write '16 GiB' or '16 MiB'"),
        (2**34, "memory=17179869184: in which unit? write '17179869184 B'"),
    ],
)
def test_a_size_without_a_unit_is_refused_with_the_choices(given: object, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        kind("slurm", memory=given)
    assert says in str(caught.value)
    assert kind("slurm", memory="17179869184 B").memory == 2**34


def test_what_is_stored_is_seconds_and_bytes_and_is_read_as_that() -> None:
    asked = check(PilotDescription, {"walltime": "2h30m", "memory": "4G", "lease": "1-12"}, "slurm", bare=False)
    stored = asked.model_dump(mode="json")
    assert (stored["walltime"], stored["memory"], stored["lease"]) == (9000.0, 4 * GIB, 1.5 * DAY)
    assert PilotDescription.model_validate(stored) == asked


def test_a_description_is_read_in_the_words_of_its_site(host: FakeCommands, admin: Callable[[str], Path]) -> None:
    host.prints("sinfo", SINFO)
    admin(
        '[big]\nsystem = "slurm"\nwalltime = "50:00"\nmemory = "3G"\n'
        '[big.defaults]\nwalltime = "40:00"\nmemory = "2G"\n[[big.queue]]\nname = "gpu"\nwalltime = "45:00"\n'
    )
    site = site_named("big")
    assert (site.walltime, site.memory, site.queues[0].walltime) == (3000, 3 * GIB, 2700)
    assert describe(site="big", queue="gpu")[0].walltime == 2400
    asked: dict[str, Any] = {"site": "big", "queue": "gpu", "walltime": "5:00", "memory": "1G", "kinds": {}}
    asked["kinds"]["more"] = {"walltime": "10:00", "memory": "2G"}
    found, _ = describe(**asked)
    assert (found.walltime, found.memory) == (300, GIB)
    assert (found.kind("more").walltime, found.kind("more").memory) == (600, 2 * GIB)
    with pytest.raises(InvalidInput, match=r"kinds\.more\.walltime=7: is it minutes") as caught:
        describe(**{**asked, "kinds": {"more": {"walltime": 7}}})
    assert caught.value.field == "kinds.more.walltime"


def test_the_form_has_times_and_sizes_as_text_that_can_be_sent_as_it_is(
    host: FakeCommands, admin: Callable[[str], Path]
) -> None:
    host.prints("sinfo", SINFO)
    admin('[slurm]\nlease = "90min"\n[slurm.defaults]\nwalltime = "30:00"\nkinds = { more = { walltime = "5:00" } }\n')
    fields = form_schema(site_named("slurm"))["properties"]
    given = {name: field["default"] for name, field in fields.items()}
    assert (given["walltime"], given["lease"], given["idle_timeout"]) == ("30min", "90min", "30min")
    assert given["kinds"] == {"more": {"walltime": "5min"}}
    assert "At most 1:30:00" in fields["lease"]["description"]
    assert describe(**{name: value for name, value in given.items() if value is not None})[0].lease == 5400


@pytest.mark.parametrize(("seconds", "text"), [(43_200, "12h"), (5400, "90min"), (45, "45s"), (90.5, "90.5s")])
def test_seconds_are_written_as_they_are_read(seconds: float, text: str) -> None:
    assert written(seconds) == text
    assert kind("local", walltime=text).walltime == seconds
