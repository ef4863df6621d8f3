"""Dask's dashboard without Jupyter: there when somebody looks, and for its owner alone."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict
from pilothouse.registry.dashboard_link import SERVER
from pilothouse.registry.line import client as control
from tests.waiting import eventually


def get(line: socket.socket, page: str) -> tuple[int, bytes]:
    """Status and body of the answer on a connection to the pages."""
    connection = http.client.HTTPConnection("dask")
    connection.sock = line
    connection.request("GET", page)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def bokeh_is_there(pilot: ph.Pilot) -> bool:
    return bool(pilot.client().run_on_scheduler(lambda: "bokeh.server.tornado" in __import__("sys").modules))


@pytest.fixture(autouse=True)
def _outside_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER, raising=False)


def test_the_pages_are_loaded_by_the_first_look_at_the_owners_socket(state_home: Path) -> None:
    pilot = ph.submit("local", name="looked-at").wait(timeout=60)
    kind, _, path = pilot.dashboard.partition(":")
    assert kind == "unix"
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(Path(path).parent).st_mode & 0o777 == 0o700
    assert not bokeh_is_there(pilot)
    for page, words in (("/status", b"bokeh"), ("/health", b"ok"), ("/info/main/workers.html", b"looked-at-1")):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path)
            status, body = get(line, page)
        assert (status, words in body) == (200, True), page
    assert bokeh_is_there(pilot)
    assert pilot.client().dashboard_link is None, "a browser can open no socket"
    assert 'href="http' not in pilot.client()._repr_html_()
    pilot.cancel()
    assert not Path(path).exists()
    assert pilot.dashboard == ""


def test_the_link_of_a_client_in_jupyter_is_that_of_the_pilot(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot = ph.submit("local", name="linked").wait(timeout=60)
    monkeypatch.setenv(SERVER, "/hub/user/alice/")
    link = "/hub/user/alice/pilothouse/pilots/linked/dashboard/status"
    assert pilot.dashboard == link
    assert pilot.client().dashboard_link == link
    assert f'href="{link}"' in pilot.client()._repr_html_()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_host_gets_nothing(local_pilot: ph.Pilot) -> None:
    record = local_pilot.record
    for path in (record.dashboard.removeprefix("unix:"), record.socket):
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(socket.socket(socket.AF_UNIX).connect_ex(path))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EACCES


def test_no_process_of_a_pilot_answers_http_on_a_port(local_pilot: ph.Pilot) -> None:
    assert local_pilot.record.supervisor is not None
    supervisor = psutil.Process(local_pilot.record.supervisor.pid)
    ports = [
        connection.laddr.port
        for process in [supervisor, *supervisor.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(ports) >= 3, "of the scheduler and the workers"
    for port in ports:
        line = socket.create_connection(("127.0.0.1", port), timeout=10)
        with line, pytest.raises((http.client.HTTPException, ConnectionError)):
            get(line, "/health")


def test_a_browser_beyond_ssh_moves_plots_on_the_port_of_the_docs_and_pages_of_others_do_not(
    local_pilot: ph.Pilot,
) -> None:
    assert b"8787" in (Path(__file__).parents[3] / "docs" / "pilots.md").read_bytes()

    def opened(origin: str) -> bytes:
        token = re.search(rb'"token":"([\w.-]+)"', get(control.connect(local_pilot.record, "dashboard"), "/workers")[1])
        assert token
        request = (
            f"GET /workers/ws HTTP/1.1\r\nHost: localhost:8787\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            f"Sec-WebSocket-Protocol: bokeh, {token[1].decode()}\r\n\r\n"
        )
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(local_pilot.record.dashboard.removeprefix("unix:"))
            line.sendall(request.encode())
            return line.recv(12)

    assert opened("http://localhost:8787") == b"HTTP/1.1 101"
    assert opened("https://elsewhere.org") == b"HTTP/1.1 403"
    assert opened("http://localhost:9999") == b"HTTP/1.1 403"


def test_looking_keeps_no_idle_pilot_alive(local_pilot: ph.Pilot) -> None:
    eventually(lambda: local_pilot.record.idle_end, "the last run to be over")
    before = local_pilot.record.idle_end
    for _ in range(3):
        assert get(control.connect(local_pilot.record, "dashboard"), "/json/counts.json")[0] == 200
    local_pilot.client().run_on_scheduler(lambda: None)
    assert local_pilot.record.idle_end == before


def test_a_site_may_have_no_dashboards(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "local.toml"
    file.write_text("[local]\ndashboard = false\n")
    monkeypatch.setenv("PILOTHOUSE_SITES", str(file))
    pilot = ph.submit("local", name="without").wait(timeout=60)
    assert pilot.dashboard == ""
    assert not list(control.runtime_folder().glob("without-dask-*.sock"))
    with pytest.raises(Conflict, match="dashboard = false"):
        control.connect(pilot.record, "dashboard")
    with pytest.raises(Conflict, match="dashboard = false"):  # nor pages of services
        control.connect(pilot.record, "pages", name="none")
