"""Sites over REST: with what of site files can't be used, and the form's schema as narrow as each is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SITES = """\
[teaching]
system = "local"
nodes = 2
lease = "1h"
fixed = ["cores"]

[away]
system = "slurm"

[typo]
systm = "local"
"""


@pytest.fixture(autouse=True)
def site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sites.toml"
    path.write_text(SITES)
    monkeypatch.setenv("PILOTHOUSE_SITES", str(path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


async def test_what_is_wrong_with_a_site_file_is_listed(ask: Any, site_file: Path) -> None:
    status, answer = await ask("GET", "sites")
    assert status == 200
    found = {site["name"]: site for site in answer["items"]}
    assert list(found) == ["local", "teaching", "away"]
    assert "sinfo" in found["away"]["trouble"]
    (broken,) = answer["unreadable"]
    assert (broken["name"], broken["path"]) == ("typo", str(site_file))
    assert "line 11: [typo] systm: there is no such key; did you mean system?" in broken["reason"]


async def test_the_schema_of_a_site_has_its_limits(ask: Any) -> None:
    status, schema = await ask("GET", "schema", "pilot", site="teaching")
    assert status == 200
    fields = schema["properties"]
    assert (fields["site"]["default"], fields["nodes"]["maximum"], fields["lease"]["default"]) == ("teaching", 2, "1h")
    assert fields["cores"]["readOnly"]


@pytest.mark.parametrize(
    ("site", "status", "says"),
    [("away", 503, "sinfo"), ("typo", 400, "did you mean system?"), ("nowhere", 400, "there is no such site")],
)
async def test_a_site_that_takes_nothing_has_no_form(ask: Any, site: str, status: int, says: str) -> None:
    found, answer = await ask("GET", "schema", "pilot", site=site)
    assert (found, answer["field"]) == (status, "site")
    assert says in answer["message"]
