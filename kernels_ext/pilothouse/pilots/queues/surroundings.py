"""What a user's surroundings may say to a batch system: profiles and jobs around us set options for its commands.

Such variables win over a job script (Slurm), are read where it is silent (LSF), or change what a command prints: they
are set aside. What names the installation, or how it is reached, stays (most of
:data:`~pilothouse.pilots.sites.site.MEANT_BY`), and so do the few that say who pays and where jobs may go, where the
pilot does not: as lines of the script.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Surroundings:
    """The variables of one batch system.

    Attributes
    ----------
    options
        What sets options of its commands.
    inside, job
        The variable that says that we are in a job of its, and what such a job has.
    inherited
        ``queue``, ``account`` or an option of a job -> the variable that says it where the pilot does not.
    carried
        Whether jobs have the environment of the command that submits them: they get `options` all the same, so that
        what runs there, a supervisor too, finds them as its user set them.
    """

    options: str
    inside: str
    job: str
    inherited: Mapping[str, str] = field(default_factory=dict)
    carried: bool = False


#: Batch system -> its variables.
TABLE = {
    # sbatch(1), "Input environment variables": they win over the script. squeue(1), scancel(1), sacct(1) and sinfo(1)
    # have theirs. Of SLURM_*, sbatch reads SLURM_HINT, squeue SLURM_BITSTR_LEN; the others are of a job (or a user's
    # for srun, which stay), and a job in a job would have them: srun takes its memory from SLURM_MEM_PER_NODE.
    "slurm": Surroundings(
        options=r"(SBATCH|SQUEUE|SCANCEL|SACCT|SINFO)_\w+|SLURM_(HINT|BITSTR_LEN)",
        inside="SLURM_JOB_ID",
        job=r"SLURMD?_(?!(CONF|CONF_SERVER|CLUSTERS|JWT)$)\w+",
        inherited={
            "queue": "SBATCH_PARTITION",
            "account": "SBATCH_ACCOUNT",
            "--qos": "SBATCH_QOS",
            "--reservation": "SBATCH_RESERVATION",
            "--wckey": "SBATCH_WCKEY",
            "--constraint": "SBATCH_CONSTRAINT",
            "--export": "SBATCH_EXPORT",
            "--get-user-env": "SBATCH_GET_USER_ENV",
        },
        carried=True,
    ),
    # qsub(1B) of OpenPBS: PBS_DPREFIX is what directives begin with. PBS_ACCOUNT is dask-jobqueue's. What a server sets
    # (default_qsub_arguments) counts where the script is silent.
    "pbs": Surroundings(
        options="PBS_DPREFIX",
        inside="PBS_JOBID",
        job=r"PBS_(O_\w+|JOB\w+|ARRAY\w+|NODE\w+|TASKNUM|MOMPORT|ENVIRONMENT|QUEUE)",
        inherited={"account": "PBS_ACCOUNT"},
    ),
    # Grid Engine has files in their place (sge_request(5)): see the options of qsub there. sge_intro(1): with
    # SGE_DEBUG_LEVEL all commands print more.
    "gridengine": Surroundings(
        options="SGE_DEBUG_LEVEL",
        inside="JOB_ID",
        job=r"SGE_(O_\w+|TASK_\w+|STD\w+|JOB_\w+|CKPT_\w+|CWD_PATH|BINARY_PATH|ACCOUNT)",
    ),
    # bsub(1) and "Environment variables" of LSF's reference: with BSUB_QUIET no number is printed, with BSUB_BLOCK bsub
    # waits for the end of the job.
    "lsf": Surroundings(
        options=r"BSUB_\w+|LSB_BJOBS_FORMAT",
        inside="LSB_JOBID",
        job=(
            r"LSB_(JOB\w*|BATCH_JID|DJOB_\w+|SUB_\w+|EXEC_\w+|BIND_\w+|AFFINITY_\w+|HOSTS|MCPU_HOSTS|QUEUE|PROJECT_NAME"
            r"|ACCT_FILE|CHKFILENAME|EFFECTIVE_RSRCREQ|(ERROR|INPUT|OUTPUT)FILE|MAX_NUM_PROCESSORS|TRAPSIGS|XFJOB"
            r"|INTERACTIVE|RESTART\w*)|LS_(JOBPID|SUBCWD|EXEC_T)"
        ),
        inherited={"queue": "LSB_DEFAULTQUEUE", "account": "LSB_DEFAULTPROJECT", "-g": "LSB_DEFAULT_JOBGROUP"},
        carried=True,
    ),
    # "Configuration macros" of HTCondor's manual: each can be set by a variable that begins with _CONDOR_.
    "htcondor": Surroundings(
        options=r"_CONDOR_(SUBMIT_(ATTRS|EXPRS|ATTRS_\w+)|APPEND_\w+|JOB_DEFAULT_\w+|DEFAULT_UNIVERSE|CONDOR_Q_\w+)",
        inside="_CONDOR_JOB_AD",
        job=r"_CONDOR_(JOB_\w+|MACHINE_AD|SLOT|SCRATCH_DIR|WRAPPER_ERROR_FILE|CHIRP_CONFIG|CREDS|BIN)",
    ),
    # oarsub(1): OAR_JOB_KEY_FILE is a key that it imports. Admission rules are the server's.
    "oar": Surroundings(options="OAR_JOB_KEY_FILE", inside="OAR_JOB_ID", job=r"OAR_\w+"),
}


def surroundings(system: str) -> Surroundings | None:
    """Of a site's `system`, such as ``slurm`` or ``psij:slurm``; None of one that is not known."""
    name = system.rpartition(":")[2]
    return TABLE.get("pbs" if name == "pbs_classic" else name)


def cleaned(system: str) -> dict[str, str]:
    """Our environment as commands of `system` get it."""
    around = surroundings(system)
    if around is None:
        return dict(os.environ)
    aside = f"{around.options}|{around.job}" if around.inside in os.environ else around.options
    return {name: value for name, value in os.environ.items() if not re.fullmatch(aside, name)}


def carried(system: str) -> dict[str, str]:
    """What a job would have of our environment, were it not set aside for the command that submits it."""
    around = surroundings(system)
    if around is None or not around.carried:
        return {}
    return {name: value for name, value in os.environ.items() if re.fullmatch(around.options, name)}


def inherited(system: str) -> dict[str, str]:
    """What our environment says of a job, for where the pilot does not: ``queue``, ``account``, and options."""
    around = surroundings(system)
    values = {option: os.environ.get(name, "") for option, name in around.inherited.items()} if around else {}
    return {option: value for option, value in values.items() if value and value.isprintable()}
