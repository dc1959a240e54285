# Every target sets up what it needs; `make` alone lists them.
SHELL := /bin/sh
VENV ?= .venv
PYTHON_IN := $(VENV)/bin
COMPUTES ?= 4
DRIVER ?= fake
DB ?= postgresql
APIS ?= 1
CONDUCTORS ?= 1
SCHEDULERS ?= 1
PORT ?=
T ?= tests
WORKERS ?= 2
export VENV WORKERS

.DEFAULT_GOAL := help
.PHONY: help deps demo demo-stop cloud cloud-stop run test check bench bench-scheduler docs db-revision

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install packages (as root) and the Python environment
	@deploy/install-deps

demo: ## a cloud on this machine with one real guest; leaves it running; NETWORK=1: one to log in to by ssh
	@deploy/demo $(if $(NETWORK),--network)

demo-stop: ## end the cloud of `make demo`
	@deploy/demo --stop

cloud: ## split daemons: COMPUTES=4 DRIVER=fake|libvirt DB=postgresql|mariadb|sqlite APIS=1 CONDUCTORS=1 SCHEDULERS=1
	@deploy/cloud --computes $(COMPUTES) --driver $(DRIVER) --db $(DB) --apis $(APIS) \
		--conductors $(CONDUCTORS) --schedulers $(SCHEDULERS)

cloud-stop: ## end the cloud of `make cloud`
	@deploy/cloud --stop

run: ## the all-in-one in the foreground, fake hypervisor: ARGS='--driver libvirt'
	@deploy/install-deps --group runtime --no-apt
	@$(PYTHON_IN)/novalite up --state-dir .run $(or $(ARGS),--driver fake)

test: ## all tests (WORKERS=2), or a part: T=tests/unit/scheduler, T='tests -m "not real"'
	@deploy/install-deps
ifeq ($(T),tests)
	@tests/run-all
else
	@$(PYTHON_IN)/python -m pytest $(T)
endif

check: ## what has to be clean before a commit: ruff and mypy
	@deploy/install-deps --no-apt
	@$(PYTHON_IN)/ruff check .
	@$(PYTHON_IN)/mypy
	@$(PYTHON_IN)/mypy -p deploy

bench: ## measure; the last line is one JSON object
	@deploy/install-deps
	@$(PYTHON_IN)/python -m benchmarks $(ARGS)

bench-scheduler: ## decisions and claims; the last line is one JSON object
	@deploy/install-deps
	@$(PYTHON_IN)/python -m benchmarks.scheduler --claims

docs: ## regenerate etc/*.sample and docs/reference.html
	@deploy/install-deps --no-apt
	@$(PYTHON_IN)/novalite-manage config sample > etc/novalite.conf.sample.new
	@mv etc/novalite.conf.sample.new etc/novalite.conf.sample
	@$(PYTHON_IN)/novalite-manage policy sample > etc/policy.yaml.sample.new
	@mv etc/policy.yaml.sample.new etc/policy.yaml.sample
	@$(PYTHON_IN)/novalite-manage reference > docs/reference.html.new
	@mv docs/reference.html.new docs/reference.html
	@echo "etc/novalite.conf.sample, etc/policy.yaml.sample and docs/reference.html are up to date"

db-revision: ## a new database revision from the models: M='add colour to servers'
	@deploy/install-deps --no-apt
	@test -n "$(M)" || { echo "say what it is for: make db-revision M='add colour to servers'"; exit 2; }
	@$(PYTHON_IN)/novalite-manage db revision "$(M)"
