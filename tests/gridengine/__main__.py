"""``python -m tests.gridengine``: start a Grid Engine and run its tests on it."""

import sys

from tests.gridengine.cluster import GridEngine
from tests.private_hosts import run_tests

sys.exit(run_tests(GridEngine(), "gridengine", sys.argv[1:]))
