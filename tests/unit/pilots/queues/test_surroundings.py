"""What a user's profile, or a job around us, says to a batch system's commands, and what they and scripts get of it."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest

from pilothouse.pilots.queues.commands import output
from pilothouse.pilots.queues.jobs import node_job
from pilothouse.pilots.queues.lsf import LSFQueue
from pilothouse.pilots.queues.pbs import PBSQueue
from pilothouse.pilots.queues.polling import Polling
from pilothouse.pilots.queues.slurm import SlurmQueue
from pilothouse.pilots.sites.description import NodeKind
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.records import NodeRecord, PilotRecord
from pilothouse.state import utcnow
from tests.unit.pilots.queues.jobs import job


@pytest.mark.parametrize(
    ("system", "gone", "inside", "stays"),
    [
        (
            "slurm",
            "SBATCH_TIMELIMIT SBATCH_JOB_NAME SBATCH_ARRAY_INX SBATCH_ACCOUNT SQUEUE_FORMAT SCANCEL_NAME SACCT_FORMAT"
            " SINFO_FORMAT SLURM_HINT",
            "SLURM_JOB_ID SLURM_MEM_PER_NODE SLURMD_NODENAME SLURM_CONF_X",
            "SLURM_CONF SLURM_CLUSTERS SLURM_JWT PBS_JOBID",
        ),
        ("psij:slurm", "SBATCH_TIMELIMIT", "SLURM_JOB_ID", "SLURM_CONF"),
        ("pbs", "PBS_DPREFIX", "PBS_JOBID PBS_O_PATH PBS_NODEFILE", "PBS_DEFAULT PBS_SERVER PBS_CONF_FILE PBS_EXEC"),
        ("psij:pbs_classic", "PBS_DPREFIX", "PBS_JOBID", "PBS_DEFAULT"),
        ("gridengine", "SGE_DEBUG_LEVEL", "SGE_TASK_ID SGE_O_WORKDIR", "JOB_ID SGE_ROOT SGE_CELL SGE_QMASTER_PORT"),
        ("lsf", "BSUB_QUIET BSUB_BLOCK LSB_BJOBS_FORMAT", "LSB_JOBID LSB_DJOB_HOSTFILE LS_JOBPID", "LSF_ENVDIR"),
        ("htcondor", "_CONDOR_SUBMIT_ATTRS", "_CONDOR_JOB_AD _CONDOR_SLOT", "CONDOR_CONFIG _CONDOR_SCHEDD_HOST"),
        ("oar", "OAR_JOB_KEY_FILE", "OAR_JOB_ID OAR_NODEFILE", "OARCONFFILE"),
        ("local", "", "", "SBATCH_TIMELIMIT"),
    ],
)
def test_options_are_set_aside_and_what_names_the_cluster_stays(
    system: str, gone: str, inside: str, stays: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JOB_ID", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in f"{gone} {inside} {stays}".split():
        monkeypatch.setenv(name, "x")

    def seen() -> set[str]:
        said = asyncio.run(output(["/usr/bin/env"], timeout=20, system=system))
        return {line.partition("=")[0] for line in said.splitlines()}

    assert seen() >= {*stays.split(), "PATH"}
    assert not seen() & {*gone.split(), *inside.split()}
    for name in inside.split()[:1]:  # what tells that we are in a job: outside of one, the rest is a user's
        monkeypatch.delenv(name)
        assert seen() >= {*inside.split()[1:]} or system == "gridengine"


def test_who_pays_and_where_jobs_go_is_shown_and_a_pilot_wins(
    tmp_path: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PARTITION": "debug", "ACCOUNT": "lab", "QOS": "low", "EXPORT": 'NONE,X="a b"', "CONSTRAINT": "fast",
        "TIMELIMIT": "1", "JOB_NAME": "mine", "RESERVATION": "a\nb",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SBATCH_{name}", value)
    wanted = job("slurm", tmp_path, walltime="1h")
    lines = SlurmQueue(wanted.site).script(wanted).splitlines()
    for line in ("-p debug", "-A lab", "--qos=low", "--constraint=fast", r'--export="NONE,X=\"a b\""', "-t 01:00:00"):
        assert f"#SBATCH {line}" in lines
    assert f"#SBATCH -J {wanted.tag}" in lines
    assert not [line for line in lines if "reservation" in line or "mine" in line]
    wanted = job("slurm", tmp_path, queue="normal", account="phys", constraint="big")
    script = SlurmQueue(wanted.site).script(wanted)
    assert "-p normal" in script
    assert "-A phys" in script
    assert "--constraint=big" in script
    assert not [word for word in ("debug", "lab", "=fast") if word in script]


def test_defaults_of_other_systems_are_shown_too(
    tmp_path: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSB_DEFAULTQUEUE", "short long")
    monkeypatch.setenv("LSB_DEFAULTPROJECT", "lab")
    monkeypatch.setenv("PBS_ACCOUNT", "lab")
    lsf, pbs = job("lsf", tmp_path), job("pbs", tmp_path)
    script = LSFQueue(lsf.site).script(lsf)
    assert '#BSUB -q "short long"\n' in script
    assert '#BSUB -P "lab"\n' in script
    assert "#PBS -A lab\n" in PBSQueue(pbs.site).script(pbs)


def test_psij_shows_them_and_leaves_the_environment_as_the_user_has_it(
    tmp_path: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psij")
    psij = importlib.import_module("pilothouse.pilots.queues.psij")
    monkeypatch.setenv("SBATCH_ACCOUNT", "lab")
    monkeypatch.setenv("SBATCH_QOS", "low")
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    wanted = job("psij:slurm", tmp_path)
    script = psij.PSIJQueue(wanted.site).script(wanted)
    for word in ("account", "qos", "export=NONE"):
        assert f"#SBATCH --{word}" in script
    assert "export=ALL" not in script


def test_a_users_configuration_of_dask_jobqueue_says_who_pays_but_not_what_jobs_are(
    tmp_path: Path, state_home: Path
) -> None:
    import dask

    mine = {"job-cpu": 99, "log-directory": str(tmp_path / "logs"), "job-directives-skip": ["-t"], "account": "lab"}
    wanted = job("slurm", tmp_path, cores=2, walltime="1h")
    with dask.config.set({"jobqueue.slurm": {**dask.config.get("jobqueue.slurm", {}), **mine}}):
        script = SlurmQueue(wanted.site).script(wanted)
        assert dask.config.get("jobqueue.slurm.job-cpu") == 99
    assert "--cpus-per-task=2" in script
    assert "-t 01:00:00" in script
    assert "-A lab" in script
    assert "logs" not in script


def test_jobs_have_what_was_set_aside_for_the_command(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "lab")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("PYTHONPATH", "/ours:/other:/ours:/other")  # as a supervisor in a job has it

    def environment(system: str) -> dict[str, str]:
        site = Site(name="site", system=system)
        record = PilotRecord(
            name="p", site="site", created=utcnow(), description={}, settings=site.model_dump(mode="json")
        )
        return dict(node_job(record, NodeRecord(name="p-1"), NodeKind(cores=1)).environment)

    assert environment("slurm")["SBATCH_ACCOUNT"] == "lab"
    assert environment("slurm")["PYTHONPATH"] == "/ours:/other"
    assert "SLURM_JOB_ID" not in environment("slurm")
    assert "SBATCH_ACCOUNT" not in environment("pbs")  # whose jobs have nobody's environment


def test_supervisors_in_jobs_share_the_answers_of_others(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def file() -> Path:
        site = Site(name="pbs", system="pbs")
        return Polling(PBSQueue(site), site)._file

    outside = file()
    monkeypatch.setenv("PBS_JOBID", "4711")
    assert file() == outside
    monkeypatch.setenv("PBS_DEFAULT", "other")
    assert file() != outside
