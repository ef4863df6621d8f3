"""The wheel: built from a clean tree, Jupyter finds it in a fresh environment. There is no Node on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed")
    return found


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment without the folders of PATH in which there is a node or npm: what else they hold is linked."""
    tools = tmp_path_factory.mktemp("tools")
    kept = []
    for folder in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if not any((folder / name).exists() for name in ("node", "nodejs", "npm", "npx")):
            kept.append(str(folder))
            continue
        for tool in folder.iterdir():
            if tool.name not in ("node", "nodejs", "npm", "npx") and not (tools / tool.name).is_symlink():
                (tools / tool.name).symlink_to(tool)
    path = os.pathsep.join([*kept, str(tools)])
    for name in ("node", "npm"):
        assert shutil.which(name, path=path) is None
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "JUPYTER_PATH", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH")
    return {name: value for name, value in os.environ.items() if name not in unwanted} | {"PATH": path}


def _checkout(copy: Path) -> None:
    """The sources as a checkout would have them: nothing built, no node_modules."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the sources are not a git checkout")
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    assert not (copy / "lab_extension/node_modules").exists()


@pytest.fixture(scope="module")
def built(uv: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was made of the sdist."""
    tree = tmp_path_factory.mktemp("tree")
    _checkout(tree)
    for built in ("lab_extension/py/pilothouse_lab/labextension", "widgets/pilothouse_widgets/static"):
        if (ROOT / built).is_dir():  # what `make setup` has built need not be built again
            shutil.copytree(ROOT / built, tree / built)
    return _build(tree, uv, environ, tmp_path_factory.mktemp("dist"))


def _build(tree: Path, uv: str, environ: dict[str, str], output: Path) -> Path:
    command = [uv, "build", "--python", sys.executable, "--out-dir", str(output), str(tree)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.mark.nightly
def test_a_checkout_is_built_without_node(uv: str, environ: dict[str, str], tmp_path: Path) -> None:
    _checkout(tmp_path / "tree")
    (wheel,) = _build(tmp_path / "tree", uv, environ, tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "pilothouse_widgets/static/run.js" in names
    assert any(name.endswith("share/jupyter/labextensions/pilothouse/static/style.js") for name in names)


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_has_three_packages_and_nothing_else(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    top = {name.split("/")[0] for name in names}
    data = {name for name in top if name.endswith(".data")}
    assert top - data == {"pilothouse", "pilothouse_widgets", "pilothouse_lab"}
    kept = {"/".join(name.split("/")[1:5]) for name in names if name.split("/")[0] in data}
    assert kept == {
        "data/share/jupyter/labextensions",
        "data/etc/jupyter/jupyter_server_config.d",
    }
    assert not [name for name in names if name.startswith("pilothouse_lab/labextension")]


def test_the_wheel_has_what_was_built(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    ends = [
        "share/jupyter/labextensions/pilothouse/package.json",
        "share/jupyter/labextensions/pilothouse/install.json",
        "share/jupyter/labextensions/pilothouse/static/style.js",
        "etc/jupyter/jupyter_server_config.d/pilothouse_lab.json",
        "pilothouse_widgets/static/run.js",
        "pilothouse_widgets/static/run.css",
        "pilothouse_lab/events/pilot.yaml",
        "pilothouse/py.typed",
        "pilothouse/testing/queues.py",
    ]
    assert not [end for end in ends if not any(name.endswith(end) for name in names)]


def test_the_sdist_has_what_was_built_and_no_node_modules(built: Path) -> None:
    (found,) = built.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
    assert "lab_extension/package-lock.json" in names
    assert "lab_extension/py/pilothouse_lab/labextension/sources.sha256" in names
    assert "widgets/pilothouse_widgets/static/run.js" in names
    assert not [name for name in names if "node_modules" in name or name.startswith("lab_extension/lib/")]


def test_the_installed_wheel_is_found_by_jupyter(wheel: Path, uv: str, environ: dict[str, str], tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    python = fresh / "bin" / "python"
    home = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}

    def run(*command: str, env: dict[str, str]) -> str:
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run(uv, "venv", "--python", sys.executable, str(fresh), env=environ)
    run(uv, "pip", "install", "--python", str(python), f"{wheel}[lab]", env=environ)
    there = environ | home | {"PATH": f"{fresh / 'bin'}{os.pathsep}{environ['PATH']}"}

    labs = run("jupyter", "labextension", "list", env=there)
    (line,) = [line for line in labs.splitlines() if "pilothouse v" in line]
    assert "enabled" in line
    assert "OK" in line
    servers = run("jupyter", "server", "extension", "list", env=there)
    after = servers[servers.index("Validating pilothouse_lab") :].splitlines()[:2]
    assert "OK" in after[1]

    version = wheel.name.split("-")[1]
    said = run(str(python), "-c", "import pilothouse; print(pilothouse.__version__)", env=there)
    assert said.strip() == version
    strangers = "import importlib.util as u; print([n for n in ('src', 'lib', 'style', 'js') if u.find_spec(n)])"
    assert run(str(python), "-c", strangers, env=there).strip() == "[]"
