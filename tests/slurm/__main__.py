"""``python -m tests.slurm``: start hosts on which a Slurm can be, and run the tests of engines there."""

import sys

from tests.private_hosts import PrivateHosts, run_tests
from tests.slurm.cluster import HOSTS

sys.exit(run_tests(PrivateHosts(HOSTS), "engines/hosts", sys.argv[1:]))
