"""A real Grid Engine of two hosts with four slots each, for tests; needs root and Debian's packages."""

from __future__ import annotations

import re

from tests.private_hosts import PrivateHosts

MASTER = "sgehost"
NODES = ("sgenode1", "sgenode2")
SLOTS = 4

_PARALLEL = """
pe_name            {name}
slots              999
user_lists         NONE
xuser_lists        NONE
start_proc_args    NONE
stop_proc_args     NONE
allocation_rule    {rule}
control_slaves     {slaves}
job_is_first_task  TRUE
urgency_slots      min
accounting_summary FALSE
qsort_args         NONE
"""
_QUEUE = """
qname                 {name}
hostlist              @allhosts
seq_no                0
load_thresholds       NONE
suspend_thresholds    NONE
nsuspend              1
suspend_interval      00:05:00
priority              0
min_cpu_interval      00:05:00
processors            UNDEFINED
qtype                 BATCH
ckpt_list             NONE
pe_list               smp mpi
rerun                 FALSE
slots                 {slots}
tmpdir                /tmp
shell                 /bin/bash
prolog                NONE
epilog                NONE
shell_start_mode      posix_compliant
starter_method        NONE
suspend_method        NONE
resume_method         NONE
terminate_method      NONE
notify                00:00:60
owner_list            NONE
user_lists            NONE
xuser_lists           NONE
subordinate_list      NONE
complex_values        NONE
projects              NONE
xprojects             NONE
calendar              NONE
initial_state         default
s_rt                  INFINITY
h_rt                  {walltime}
s_cpu                 INFINITY
h_cpu                 INFINITY
s_fsize               INFINITY
h_fsize               INFINITY
s_data                INFINITY
h_data                INFINITY
s_stack               INFINITY
h_stack               INFINITY
s_core                INFINITY
h_core                INFINITY
s_rss                 INFINITY
h_rss                 INFINITY
s_vmem                INFINITY
h_vmem                INFINITY
"""
_HOST = """
hostname              {name}
load_scaling          NONE
complex_values        slots={slots}
user_lists            NONE
xuser_lists           NONE
projects              NONE
xprojects             NONE
usage_scaling         NONE
report_variables      NONE
"""


class GridEngine(PrivateHosts):
    """Queues ``all.q`` without limits and ``short.q`` with an hour, parallel environments ``smp`` and ``mpi``."""

    def __init__(self) -> None:
        super().__init__([MASTER, *NODES])

    def start(self) -> None:
        """Start it as it is installed, and make queues."""
        super().start()
        self.run("sh", "-c", f"echo {MASTER} >/var/lib/gridengine/default/common/act_qmaster")
        self.run("install", "-d", "-o", "sgeadmin", "-g", "sgeadmin", "/run/gridengine")
        self.run("sge_qmaster")
        self.until("qconf", "-sh")
        self._change("-Msconf", "-ssconf", schedule_interval="0:0:1", flush_submit_sec="1", flush_finish_sec="1")
        accounting = "accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00"
        # Tests are root's; what an ended job was is known to qacct only once it is written.
        self._change("-Mconf", "-sconf", min_uid="0", min_gid="0", reporting_params=accounting)
        for host in self.names:  # nodes too: a supervisor in a job asks for more of them
            self.run("qconf", "-as", host)
        for number, host in enumerate(NODES):
            self._configure("-Ae", _HOST.format(name=host, slots=SLOTS))
            # The hosts share their processes, and by these group ids Grid Engine knows which are a job's.
            self._configure("-Aconf", f"gid_range {65000 + 100 * number}-{65099 + 100 * number}\n", file=host)
        self._configure("-Ahgrp", f"group_name @allhosts\nhostlist {' '.join(NODES)}\n")
        self._configure("-Ap", _PARALLEL.format(name="smp", rule="$pe_slots", slaves="FALSE"))
        self._configure("-Ap", _PARALLEL.format(name="mpi", rule="$fill_up", slaves="TRUE"))
        self._configure("-Aq", _QUEUE.format(name="all.q", slots=SLOTS, walltime="INFINITY"))
        self._configure("-Aq", _QUEUE.format(name="short.q", slots=SLOTS, walltime="1:00:00"))
        for host in NODES:
            self.run("sge_execd", host=host)
        self.until("sh", "-c", f"qstat -f | grep -c 0/0/{SLOTS} | grep -x 4 && ! qstat -f | grep au")

    def _configure(self, option: str, text: str, file: str = "global") -> None:
        """Hand `text` to qconf, in a file whose name may mean something to it."""
        folder = 'folder=$(mktemp -d); cat >"$folder/$1"; qconf "$0" "$folder/$1"; code=$?; rm -r "$folder"; exit $code'
        self.run("sh", "-c", folder, option, file, text=text)

    def _change(self, option: str, show: str, **values: str) -> None:
        """Change single values of a configuration, which Grid Engine takes as a whole."""
        text = self.run("qconf", show).replace("\\\n", " ")
        for name, value in values.items():
            text = re.sub(rf"(?m)^({name}\s+).*$", rf"\g<1>{value}", text)
        self._configure(option, text)
