# `make demo` shows the main job on the lab, `make test` proves everything; both install what they need (Debian 12, root).
SHELL := /bin/bash
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# vm or container; empty takes vm where KVM works and container elsewhere
ZONE ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	@lab/venv.sh $(VENV)

.PHONY: venv
venv: $(VENV)/.installed ## the Python environment, in .venv

.PHONY: lab lab-status lab-stop lab-destroy
lab: ## start the lab (a real OpenStack on this machine)
	lab/lab up
lab-status: ## what runs in the lab
	lab/lab status
lab-stop: ## stop the lab; its data stay
	lab/lab stop
lab-destroy: ## remove the lab and all traces of it; caches stay
	lab/lab destroy

.PHONY: demo demo-down
demo: venv ## the main job: lab, image, a cluster, proof that it serves (ZONE=vm forces real VMs)
	$(BIN)/python lab/demo.py up $(if $(ZONE),--zone $(ZONE))
demo-down: venv ## remove the demo's cluster
	$(BIN)/python lab/demo.py down

# A suite of pytest; its results are what tests/suites.py tells the sum of
suite = $(BIN)/pytest --junitxml=build/tests/$@.xml -m '$(MARKED)'
# What is long is not in `make test`
MARKED := not operate

# What is longer than this is two modules
LINES := 330
SMALL := clusterctl playbooks lab benchmarks molecule
.PHONY: lint unit fuzz wheel prepare hosts molecule contract cloud daemons e2e test
lint: venv ## ruff, mypy, import-linter, lines a module, ansible-lint, yamllint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@find $(SMALL) -name '*.py' -exec wc -l {} + | awk '$$1 > $(LINES) && $$2 != "total" \
	  {print $$2 ": " $$1 " lines; a module has $(LINES) at most"; long = 1} END {exit long}'
	$(BIN)/yamllint -s .
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/ansible-lint --offline -q
unit: venv ## unit tests (seconds, no lab)
	$(suite) -q tests/unit tests/lab/test_driver.py
fuzz: venv ## 10,000 malformed cluster files: no traceback, every mistake with its position
	HYPOTHESIS_EXAMPLES=10000 $(suite) -q tests/unit/spec/test_load.py -k malformed
wheel: venv ## the wheel: what is in it, and the program installed from it (a minute, no lab)
	$(suite) -q tests/wheel
prepare: venv ## what the suites below install and build, and the lab; each does for itself what it needs of it
	lab/standins/marathon/test-deps.sh
	lab/standins/jenkins/test-deps.sh
	lab/hosts/labhost image
	$(BIN)/python lab/prepare.py
hosts: venv ## user-data of every service applied by the real cloud-init on test hosts (no lab)
	lab/hosts/labhost image
	$(suite) -q --durations=5 tests/hosts
molecule: venv ## the Molecule scenarios but the long ones, on test hosts (no lab)
	molecule/run
contract: ## tests against the lab's APIs (cloud) and against real daemons (daemons)
	@$(MAKE) --no-print-directory --keep-going cloud daemons
# Empty: one after another
SIDE_BY_SIDE ?= 1
TOGETHER = $(if $(SIDE_BY_SIDE),--side-by-side)
LABS := tests/contract/cloud tests/contract/lab
cloud: venv ## the lab, its APIs, and clusterctl's calls to them
	$(BIN)/python lab/prepare.py
	. build/env.sh && $(suite) -q --durations=10 $(LABS)
daemons: venv ## tests against real daemons on loopback addresses (no lab)
	lab/standins/marathon/test-deps.sh
	lab/standins/jenkins/test-deps.sh
	$(BIN)/python -m tests.suites $(TOGETHER) daemons
daemons-%: venv
	lab/standins/marathon/test-deps.sh
	lab/standins/jenkins/test-deps.sh
	$(suite) -q --durations=10 tests/contract/$*
e2e: venv ## real clusters in the lab: leaders killed, resume, destroy, attacks of builds
	$(BIN)/python lab/prepare.py
	. build/env.sh && $(suite) -v --durations=10 tests/e2e tests/attacks
# The tests that `make test` leaves out: together they run every one
e2e-operate: MARKED := operate
e2e-operate: prepare ## real clusters upgraded, grown, shrunk and repaired under load; virtual machines; other long tests (hours)
	. build/env.sh && $(suite) -v tests/e2e tests/attacks tests/hosts tests/contract
	molecule/run upgrade secure
.PHONY: e2e-operate bench faults
faults: venv ## kills and faults at every call to the lab's APIs; writes the tables of docs/reliability.md (hours)
	$(BIN)/python lab/prepare.py
	. build/env.sh && for each in nodes states calls kills; do $(BIN)/python -m tests.faults $$each || exit; done
bench: venv ## measures; prints the tables of benchmarks/RESULTS.md
	$(BIN)/python lab/prepare.py
	. build/env.sh && $(BIN)/python benchmarks/create.py --zone container
	. build/env.sh && $(BIN)/python benchmarks/startup.py
	. build/env.sh && $(BIN)/python benchmarks/agents.py
	. build/env.sh && $(BIN)/python benchmarks/inventory.py
	$(BIN)/python benchmarks/configure.py
.PHONY: bench-clusters
bench-clusters: venv ## measures leaders' changes, repairs, the ends of create, a far cloud, a peer; on real clusters (hours)
	$(BIN)/python lab/prepare.py
	. build/env.sh && for each in leaders repair ends far peer; do $(BIN)/python benchmarks/$$each.py || exit; done
.PHONY: fairness
fairness: venv ## who gets Mesos' offers: the tables of docs/fairness.md (an hour, no lab)
	lab/standins/marathon/test-deps.sh
	$(BIN)/python benchmarks/fairness.py
test: venv ## all of it, suites side by side where they share nothing; the sum at the end (SIDE_BY_SIDE= one by one)
	$(BIN)/python -m tests.suites $(TOGETHER)
