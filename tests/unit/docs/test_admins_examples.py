"""What docs/admins.md says that admins should write into site files is read, and does what it says there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pilothouse.pilots.queues.jobs import first_jobs, written
from pilothouse.pilots.sites.check import checked
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.files import read
from pilothouse.pilots.sites.site import Site

PAGE = Path(__file__).parents[3] / "docs" / "admins.md"
EXAMPLES = {
    next(iter(tomllib.loads(text).values()))["system"]: text
    for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
}
#: What is in the job scripts of pilots that ask for nothing but nodes (PBS: and for an account).
WANTED = {
    "slurm": ["#SBATCH -p normal", "#SBATCH -t 04:00:00", "module purge", "--interface ib0", "--grace 30"],
    "pbs": ["#PBS -q workq", "#PBS -l place=excl", "#PBS -A climate"],
    "lsf": ["#BSUB -q batch", '#BSUB -R "rusage[mem=4GB]"'],
    "htcondor": ["accounting_group = group_physics", 'FileSystemDomain == "campus"'],
    "gridengine": ["#$ -q all.q", "#$ -P chem", "h_rt=12:00:00"],
    "oar": ["#OAR -q default", "#OAR -p 'cluster = ", "walltime=02:00:00"],
}


@pytest.mark.parametrize("system", WANTED)
def test_the_example_makes_the_job_script_that_it_should(system: str, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(EXAMPLES[system])
    tables, broken = read(path, admin=True)
    assert broken == []
    ((name, values),) = [(table.name, table.values) for table in tables]
    site = Site.model_validate({"name": name, **values})
    asked = {"account": "climate"} if system == "pbs" else {}
    description = checked(PilotDescription.model_validate({"site": name, "nodes": 2, **asked}), site)
    script = written(first_jobs(description, site, "mine")["node"])
    assert [word for word in WANTED[system] if word not in script] == [], script


def test_each_of_the_six_systems_has_one() -> None:
    assert EXAMPLES.keys() == WANTED.keys()
