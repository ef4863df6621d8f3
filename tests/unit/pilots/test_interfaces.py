from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites.interfaces import supervisor_address
from pilothouse.pilots.sites.site import Site
from tests.unit.pilots.fake_commands import SINFO, FakeCommands


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with two networks, as the operating system would list them."""
    listed = {
        "lo": [SimpleNamespace(family=socket.AF_INET, address="127.0.0.1")],
        "eno1": [
            SimpleNamespace(family=socket.AF_INET6, address="fe80::1%eno1"),
            SimpleNamespace(family=socket.AF_INET, address="10.0.0.5"),
        ],
        "ib0": [SimpleNamespace(family=socket.AF_INET, address="10.1.0.5")],
        "ib1": [SimpleNamespace(family=socket.AF_INET6, address="fe80::2%ib1")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: listed)


def site(**keys: str) -> Site:
    return Site(name="cluster", **{"system": "slurm", **keys})  # type: ignore[arg-type]


@pytest.mark.usefixtures("interfaces")
def test_login_node_and_nodes_each_have_their_interface() -> None:
    both = site(interface="ib0", login_interface="eno1")
    assert supervisor_address(both, in_job=False) == "10.0.0.5"
    assert supervisor_address(both, in_job=True) == "10.1.0.5"
    assert supervisor_address(site(interface="ib0"), in_job=False) == "10.1.0.5"
    assert supervisor_address(site(system="local", login_interface="eno1"), in_job=False) == "127.0.0.1"


@pytest.mark.usefixtures("interfaces")
@pytest.mark.parametrize(
    ("keys", "in_job", "key", "says"),
    [
        (
            {"interface": "ib0", "login_interface": "eno9"}, False, "login_interface",
            r"login_interface='eno9' of site 'cluster': this host \(.*\) has lo, eno1, ib0, ib1; did you mean eno1\?$",
        ),
        ({"interface": "hsn0"}, False, "interface", "has lo, eno1, ib0, ib1; name the login node's own as login_int"),
        ({"interface": "hsn0", "login_interface": "eno1"}, True, "interface", "interface='hsn0' .*, ib1$"),
        ({"login_interface": "ib1"}, False, "login_interface", "login_interface='ib1' .* has no IPv4 address"),
    ],
)  # fmt: skip
def test_an_interface_that_is_not_there_is_told_with_those_that_are(
    keys: dict[str, str], in_job: bool, key: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        supervisor_address(site(**keys), in_job=in_job)
    assert caught.value.field == key


@pytest.mark.usefixtures("interfaces")
def test_a_login_node_without_the_interface_submits_nothing(
    state_home: Path, host: FakeCommands, admin: Callable[[str], Path]
) -> None:
    host.prints("sinfo", SINFO)
    host.prints("sbatch", "1\n")
    admin('[slurm]\ninterface = "ib0"\nlogin_interface = "eno9"\n')
    with pytest.raises(InvalidInput, match="login_interface='eno9' of site 'slurm'"):
        ph.submit("slurm", placement="login")
    assert not ph.pilots()
    assert not host.calls("sbatch")
    with pytest.raises(InvalidInput, match="login_interfce: there is no such key; did you mean login_interface"):
        admin('[slurm]\nlogin_interfce = "eno1"\n')
        ph.submit("slurm")
