"""What can't be had through RADICAL-Pilot is refused before anything is launched, and names the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput
from pilothouse.pilots.tasks.specification import Options
from pilothouse.pilots.tasks.through import radical_environment


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
    assert radical_environment(options(cores=2, ranks=2), 4) == str(environment)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("gpus", {"gpus": 1}),
        ("launcher", {"ranks": 2, "launcher": "srun"}),
        ("ranks", {"cores": 2, "ranks": 3}),
        ("through", {"through": "parsl"}),
    ],
)
@pytest.mark.usefixtures("environment")
def test_what_it_can_not_do_is_refused(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=field) as caught:
        radical_environment(options(**values), 4)
    assert caught.value.field == field


def test_a_missing_environment_says_what_to_make(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "bin" / "radical-pilot-agent_0").unlink()
    with pytest.raises(InvalidInput, match=r"env is no environment with RADICAL-Pilot; .*pip install") as caught:
        radical_environment(options(), 1)
    assert caught.value.field == "through"
    monkeypatch.delenv("PILOTHOUSE_RADICAL")
    with pytest.raises(InvalidInput, match=r"\$PILOTHOUSE_RADICAL is not set; .*pip install"):
        radical_environment(options(), 1)
