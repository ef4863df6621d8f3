"""``python -m tests.oar``: start an OAR and run its tests on it."""

import sys

from tests.oar.cluster import OAR
from tests.private_hosts import run_tests

sys.exit(run_tests(OAR(), "oar", sys.argv[1:]))
