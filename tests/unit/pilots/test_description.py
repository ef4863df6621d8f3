from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput
from pilothouse.pilots.description import PilotDescription
from pilothouse.pilots.discovery import describe


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


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("30min", 1800), ("1.5 h", 5400), ("1d", 86400), (45, 45), ("45", 45)]
)
def test_durations_are_read_as_people_write_them(given: object, seconds: float) -> None:
    assert describe(idle_timeout=given)[0].idle_timeout == seconds


def test_the_schema_says_what_a_form_needs() -> None:
    schema = PilotDescription.model_json_schema()
    assert schema["properties"]["nodes"]["minimum"] == 1
    assert all("title" in field and "description" in field for field in schema["properties"].values())


def test_memory_is_an_equal_share_by_default() -> None:
    description, site = describe(nodes=4)
    assert description.memory == site.memory // 4
