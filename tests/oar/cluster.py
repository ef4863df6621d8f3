"""A real OAR of two hosts with two cores each, for tests; needs root and Debian's packages."""

from __future__ import annotations

from tests.private_hosts import PrivateHosts

SERVER = "oarhost"
NODES = ("oarnode1", "oarnode2")
CORES = 2

_CONFIGURE = f"""
set -eu
set_to() {{ sed -i "s|^$1=.*|$1=\\"$2\\"|" /etc/oar/oar.conf; }}
set_to DB_BASE_PASSWD oar
set_to DB_BASE_PASSWD_RO oar_ro
set_to SERVER_HOSTNAME {SERVER}
set_to DB_HOSTNAME {SERVER}
set_to SCHEDULER_JOB_SECURITY_TIME 1
# What comes within 5 s of the last look at the queue would wait for 10 s.
echo 'SCHEDULER_MIN_TIME_BETWEEN_2_CALLS="0"' >>/etc/oar/oar.conf
sed -i 's/^JOB_RESOURCE_MANAGER_PROPERTY_DB_FIELD/#&/' /etc/oar/oar.conf  # no cgroups
install -d /run/sshd
install -d -o postgres -g postgres /run/postgresql
install -d -o oar -g oar /run/oar
install -o oar -g oar /dev/null /var/log/oar.log
version=$(ls /etc/postgresql | sort -n | tail -n 1)
# The commands ask the database: on nodes too, where a supervisor in a job asks for more of them.
echo "listen_addresses = '*'" >>"/etc/postgresql/$version/main/postgresql.conf"
echo "host all all 10.77.0.0/24 scram-sha-256" >>"/etc/postgresql/$version/main/pg_hba.conf"
pg_ctlcluster "$version" main start
oar-database --create --db-is-local
"""
_ROOT_IS_REFUSED = "select id from admission_rules where rule like '%root and oar users are not allowed%'"


class OAR(PrivateHosts):
    """Queue ``default``, four resources with the properties ``cpu`` and ``core``."""

    def __init__(self) -> None:
        super().__init__([SERVER, *NODES])

    def start(self) -> None:
        """Start it as it is installed, and add the resources."""
        super().start()
        self.run("bash", "-c", _CONFIGURE)
        for host in NODES:
            self.run("/usr/sbin/sshd", "-f", "/etc/oar/sshd_config", "-o", f"PidFile=/run/sshd-{host}.pid", host=host)
        self.run("start-stop-daemon", "--start", "--background", "--exec", "/usr/sbin/oar-server")
        # Tests are root's.
        rule = self.run("runuser", "-u", "postgres", "--", "psql", "-Atc", _ROOT_IS_REFUSED, "oar").strip()
        self.run("oaradmissionrules", "-d", rule)
        self.run("oarproperty", "-a", "cpu", "-a", "core")
        for number in range(CORES * len(NODES)):
            self.run(
                *("oarnodesetting", "-a", "-h", NODES[number // CORES]),
                *("-p", f"cpu={number // CORES + 1}", "-p", f"core={number + 1}", "-p", f"cpuset={number % CORES}"),
            )
        self.until("sh", "-c", f"oarnodes -s | grep -c Alive | grep -x {CORES * len(NODES)}")
