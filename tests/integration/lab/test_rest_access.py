"""Every route asks who is there, and is described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jupyter_server.auth.authorizer import Authorizer
from tornado.httpclient import HTTPClientError

from pilothouse.pilots.queues import discovery
from pilothouse_lab.routes import PATHS, PREFIX

API = Path(__file__).parents[3] / "lab_extension" / "py" / "pilothouse_lab" / "openapi.yaml"

VERBS = [(verb, path) for path, handler in PATHS.items() for verb in ("get", "post", "delete") if verb in vars(handler)]


def test_the_openapi_file_describes_exactly_what_is_answered() -> None:
    described = yaml.safe_load(API.read_text())
    assert described["servers"][0]["url"].endswith(PREFIX)
    found = {
        (verb, path)
        for path, item in described["paths"].items()
        for verb in item
        if verb not in ("parameters", "summary")
    }
    assert found == set(VERBS)
    for path, item in described["paths"].items():
        for verb, operation in item.items():
            if verb != "parameters":
                assert operation["summary"], (verb, path)
                assert any(status.startswith(("2", "1")) for status in operation["responses"]), (verb, path)


@pytest.mark.parametrize(("verb", "path"), VERBS)
async def test_a_stranger_is_turned_away(jp_fetch: Any, jp_base_url: str, verb: str, path: str) -> None:
    parts = ["pilothouse", "api", "v1", *path.strip("/").replace("{name}", "any").split("/")]
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch(
            *parts,
            method=verb.upper(),
            headers={"Authorization": "token wrong"},
            allow_nonstandard_methods=True,
            follow_redirects=False,
        )
    assert caught.value.code in (302, 403)


class Reader(Authorizer):
    """May look, may not touch."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read" and resource == "pilothouse"


@pytest.mark.parametrize(("verb", "path"), [case for case in VERBS if case[0] != "get"])
async def test_who_may_only_read_changes_nothing(
    ask: Any, jp_serverapp: Any, state_home: Path, verb: str, path: str
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = Reader(
        parent=jp_serverapp, identity_provider=jp_serverapp.identity_provider
    )
    status, _ = await ask("GET", "pilots")
    assert status == 200
    status, answer = await ask(verb.upper(), *path.strip("/").replace("{name}", "any").split("/"))
    assert (status, answer["code"]) == (403, "http-403")


async def test_an_error_nobody_foresaw_tells_nothing_of_the_inside(
    ask: Any, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[Any]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(discovery, "sites", broken)
    status, answer = await ask("GET", "sites")
    assert (status, answer["code"]) == (500, "http-500")
    assert "secret" not in answer["message"]
