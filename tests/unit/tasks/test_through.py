"""What can't be had through RADICAL-Pilot is refused before anything is launched, and names the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput
from pilothouse.runs.cores import Capacity
from pilothouse.tasks.radical.settings import radical_settings
from pilothouse.tasks.specification import Options

#: The largest one has no GPUs.
NODES = [Capacity(4), Capacity(2, 2)]


def options(**values: Any) -> Options:
    return Options.check({"through": "radical", **values})


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like an environment with RADICAL-Pilot."""
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    for name in ("python", "radical-pilot-agent_0"):
        (folder / "bin" / name).touch()
    monkeypatch.setenv("PILOTHOUSE_RADICAL", str(folder))
    return folder


def test_the_environment_is_found(environment: Path) -> None:
    found = radical_settings(options(cores=2, ranks=2), NODES)
    assert found == {"environment": str(environment), "resource": "local.localhost"}
    assert radical_settings(options(cores=2, gpus=1), NODES)["environment"] == str(environment)


def test_the_resource_may_be_named(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_RADICAL_RESOURCE", "campus.node-2")
    assert radical_settings(options(), NODES)["resource"] == "campus.node-2"
    monkeypatch.setenv("PILOTHOUSE_RADICAL_RESOURCE", "../campus")
    with pytest.raises(InvalidInput, match=r"PILOTHOUSE_RADICAL_RESOURCE=\.\./campus is no resource") as caught:
        radical_settings(options(), NODES)
    assert caught.value.field == "through"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("gpus", {"gpus": 1, "ranks": 2}),
        ("gpus", {"gpus": 1, "cores": 3}),
        ("launcher", {"ranks": 2, "launcher": "srun"}),
        ("ranks", {"cores": 2, "ranks": 3}),
        ("through", {"through": "parsl"}),
    ],
)
@pytest.mark.usefixtures("environment")
def test_what_it_can_not_do_is_refused(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=field) as caught:
        radical_settings(options(**values), NODES)
    assert caught.value.field == field


def test_a_missing_environment_says_what_to_make(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "bin" / "radical-pilot-agent_0").unlink()
    with pytest.raises(InvalidInput, match=r"env is no environment with RADICAL-Pilot; .*pip install") as caught:
        radical_settings(options(), NODES)
    assert caught.value.field == "through"
    monkeypatch.delenv("PILOTHOUSE_RADICAL")
    with pytest.raises(InvalidInput, match=r"\$PILOTHOUSE_RADICAL is not set; .*pip install"):
        radical_settings(options(), NODES)
