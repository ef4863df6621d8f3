# Pilothouse. `make lab` opens JupyterLab on the tour; `make test` runs every test. Both set up what they need.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml lab_extension/hatch_build.py lab_extension/package-lock.json \
  $(shell find lab_extension/src lab_extension/style lab_extension/schema widgets/js -type f 2>/dev/null)
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
# Tests beside each other (0: one after the other), in the order of tests/schedule.py.
WORKERS ?= 4
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS)
# Where tests of `make test-batch` are: to look at the others takes each worker longer than some of the tests.
BATCH := tests/contract/queues tests/integration/slurm tests/integration/tasks

# Each of the many processes of the tests would compile what it imports, where the environment says so.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup lab tour test test-ui test-fast test-batch test-engines test-nightly bench lint clean debian debian-batch jars

setup: .venv/.ready

$(BIN)/uv:
	@PYTHON="$(PYTHON)" sh .ci/venv

.venv/.ready: $(SOURCES) | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --editable ".[all,test]"
	@touch $@

lab: setup
	$(BIN)/jupyter lab $(AS_ROOT) --LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb

tour: setup
	$(BIN)/python notebooks/tour.py build/tour.html

# Chromium, Slurm, MPICH: installed when root and apt are there, else the tests that need them are skipped and listed.
debian: | $(BIN)/uv
	@sh .ci/debian

# What a change can break, but for what is seen in a browser. Most tests wait: more of them run beside each other than
# there are cores.
test: setup debian jars
	$(PYTEST) --junitxml build/junit.xml --durations 15

# What the tests' engines run from: fetched once for this checkout, in no time when it is there.
jars: setup
	@PILOTHOUSE_CACHE="$(CURDIR)/build/cache" $(BIN)/pilothouse engines fetch kafka

# JupyterLab in a real browser. Lab and browser compute: one of them for each core.
test-ui: setup debian
	$(BIN)/pytest tests/ui --numprocesses $(if $(filter 0,$(WORKERS)),0,2) --junitxml build/junit-ui.xml --durations 15

test-fast: setup
	$(PYTEST) tests/unit tests/contract -m "not slow"

# What takes long on a real Slurm, on the fakes of PBS, LSF and HTCondor, and through RADICAL-Pilot; pilots on a real
# Grid Engine and a real OAR, each on three hosts of its own inside this one: these need root.
test-batch: setup debian-batch
	@$(BIN)/python .ci/beside.py \
	  pilots "$(PYTEST) -m batch $(BATCH) --junitxml build/junit-batch.xml --durations 15" \
	  gridengine "$(BIN)/python -m tests.gridengine --junitxml build/junit-gridengine.xml" \
	  oar "$(BIN)/python -m tests.oar --junitxml build/junit-oar.xml"

# Spark, HDFS and YARN, Ray, Parsl for real: what they need is too large, or too old, to be beside everything else.
ENGINES := .venv-engines/bin

$(ENGINES)/python: | $(BIN)/uv
	$(BIN)/uv venv --quiet --python $(BIN)/python .venv-engines

.venv-engines/.ready: .venv/.ready | $(ENGINES)/python
	$(BIN)/uv pip install --quiet --python $(ENGINES)/python --editable ".[all,test,parsl,ray,spark,spark-connect,yarn]"
	@touch $@

# Tests share what their engine has started, in one worker. Then engines on a Slurm whose nodes are hosts inside this one,
# which needs root.
test-engines: .venv-engines/.ready debian
	@sh .ci/debian iproute2
	@PILOTHOUSE_CACHE="$(CURDIR)/build/cache" $(ENGINES)/pilothouse engines fetch kafka spark spark-kafka hadoop
	$(ENGINES)/pytest tests/integration/engines tests/contract/queues/test_yarn_queue.py -m engines --numprocesses $(if $(filter 0,$(WORKERS)),0,2) \
	  --junitxml build/junit-engines.xml --durations 15 || failed=1; \
	$(ENGINES)/python -m tests.slurm -m engines --junitxml build/junit-engines-slurm.xml --durations 15 || failed=1; exit $${failed:-0}

debian-batch: debian
	@sh .ci/debian gridengine-master gridengine-exec gridengine-client iproute2 postgresql libdbd-pg-perl openssh-server \
	  oar-server oar-server-pgsql oar-user oar-user-pgsql oar-node

# Long chaos and many seeds; what computes for long of RADICAL-Pilot and OAR; then what is quick, with the lowest versions that pyproject.toml names.
test-nightly: setup debian-batch .venv-engines/.ready
	$(PYTEST) -m "nightly and not engines" --junitxml build/junit-nightly.xml --durations 15
	$(BIN)/python -m tests.oar -m nightly --junitxml build/junit-oar-nightly.xml
	$(ENGINES)/pytest tests/integration/benchmarks tests/notebooks -m engines --junitxml build/junit-engines-nightly.xml
	$(ENGINES)/pytest tests/integration/engines -m "engines and nightly" --junitxml build/junit-engines-longer.xml
	@sh .ci/lowest

bench: setup
	for name in start pilots streams md; do $(BIN)/python -m benchmarks $$name || failed=1; done; exit $${failed:-0}

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd lab_extension && PATH="$(CURDIR)/$(BIN):$$PATH" && { [ -d node_modules ] || npm ci --ignore-scripts; } && npm run --silent lint:check && npm run --silent test

clean:
	rm -rf .venv .venv-engines build dist lab_extension/lib lab_extension/tsconfig.tsbuildinfo \
	  lab_extension/py/pilothouse_lab/labextension widgets/pilothouse_widgets/static
