# Every command a person needs; `make` alone lists them.
#
# A fresh machine needs git, make and Python 3.11: each target installs and generates what it stands on. Stamps remember
# what is done, so a second call does nothing until requirements.lock, pyproject.toml or a proto changes.

.DEFAULT_GOAL := help
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
PIP_PIN := $(shell sed -n 's/^\(pip==[^ ]*\).*/\1/p' requirements.lock 2>/dev/null)
step = @printf '==> %s\n' $(1)

PROTO_FILES := $(shell find protos third_party/protos -name "*.proto" | sort)
PROTO_NAMES := $(patsubst third_party/protos/%,%,$(patsubst protos/%,%,$(PROTO_FILES)))
PROTO_FOLDERS := $(sort $(dir $(PROTO_FILES)))

# Tests keep what is costly to make (the trained model) where `make run` keeps it, so it is made once.
export PARLEY_STORAGE_DATA_DIR ?= $(CURDIR)/var

.PHONY: help install run up test lint format bench load chaos soak protos lock manifests tools images images-test clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.project ## set up .venv; .venv/bin/parley then works from any folder

run: install ## the demonstration: one spoken command, stage by stage, then a prompt (ONCE=1: do it and leave)
	@.venv/bin/parley demo $(if $(ONCE),--once)

up: install ## the broker and every service in this terminal, until Ctrl-C
	@.venv/bin/parley up

test: install ## every test (ARGS="-k name" picks some)
	@$(PY) -m pytest $(ARGS)

bench: install ## measure, print and save the benchmarks
	@$(PY) -m tests.benchmarks $(ARGS)

load: install ## open-loop load: TURNS=200 turns at RATE=5 a second (RATE=5,10,20 tries several; AUDIO_SHARE=0.2)
	@$(PY) -m tests.load --turns "$(or $(TURNS),200)" --rate "$(or $(RATE),5)" --audio-share "$(or $(AUDIO_SHARE),0)" $(ARGS)

chaos: install ## kill every part in turn under load and audit what came of it (ARGS="--kill dispatch")
	@$(PY) -m tests.chaos $(ARGS)

soak: install ## steady load for MINUTES=10 at RATE=4 turns a second: does anything grow?
	@$(PY) -m tests.soak --minutes $(or $(MINUTES),10) --rate $(or $(RATE),4)

# Every check runs, so one call shows all there is to mend.
lint: install ## formatting, types, contracts, and who may import whom
	@failed=; PATH="$(CURDIR)/.venv/bin:$$PATH"; \
	check() { printf '==> %s\n' "$$*"; "$$@" || failed="$$failed\n    $$*"; }; \
	check ruff check; \
	check ruff format --check; \
	check buf lint; \
	check buf format --diff --exit-code; \
	check .ci/breaking; \
	check mypy; \
	check lint-imports --no-logo; \
	check hadolint deploy/images/Dockerfile; \
	if [ -n "$$failed" ]; then printf "==> failed:$$failed\n"; exit 1; fi

format: install ## let ruff and buf rewrite what they can
	@.venv/bin/ruff check --fix --quiet; .venv/bin/ruff format --quiet; .venv/bin/buf format --write

protos: gen/.stamp ## generate the typed package parley.v1 into gen/

# pip-tools resolves; the lock then says nothing of this machine, and nothing of torch or what only torch brings.
lock: .venv/.made ## pin requirements*.in, with hashes, into requirements.lock (UPGRADE=1: to the newest)
	$(call step,"Resolving requirements.in and requirements-dev.in (up to two minutes)")
	@$(PY) -m piptools --version >/dev/null 2>&1 || $(PIP) install --quiet pip-tools
	@mkdir -p build
	@CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m piptools compile $(if $(UPGRADE),--upgrade) --generate-hashes --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--unsafe-package torch --constraint requirements-torch.in \
		--output-file requirements.lock requirements.in requirements-dev.in \
		>build/lock.log 2>&1 || { cat build/lock.log; exit 1; }
	@awk '/^# WARNING/ { exit } /^[a-z]/ { skip = /^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/ } !skip' \
		requirements.lock | sed -e :a -e '/^\n*$$/{$$d;N;ba' -e '}' > requirements.lock.new
	@mv requirements.lock.new requirements.lock

manifests: install ## write what follows from the code: topics and scaling for deploy/k8s
	@$(PY) -m deploy.manifests

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE ?= docker
REGISTRY ?= localhost

images: ## build both images (ENGINE=docker|podman|buildah, REGISTRY=..., IMAGE_FLAGS="--build-arg BASE=...")
	@for target in parley parley-torch; do \
		$(ENGINE) build $(IMAGE_FLAGS) --target $$target --tag $(REGISTRY)/$$target:$(VERSION) -f deploy/images/Dockerfile . || exit 1; \
	done

images-test: install ## build both images without an engine, and start every service in its own (20 GB, half an hour; root)
	@command -v buildah debootstrap crun >/dev/null || $(call apt,buildah debootstrap crun)
	@$(PY) -m pytest deploy/images $(ARGS)

tools: ## what tests use that pip does not bring: promtool and prometheus (Debian's packages; root installs them)
	@command -v promtool prometheus >/dev/null || $(call apt,prometheus)

# Debian's packages, where this is Debian and we may install them; else what to do.
apt = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; } \
	|| { echo "please install: $(1)   (Debian, Ubuntu: sudo apt-get install $(1))" >&2; exit 1; }

clean: ## remove what builds and runs left: gen/, caches, var/ (keeps .venv)
	@rm -rf gen build dist var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	@rm -rf .venv *.egg-info

# ---------------------------------------------------------------------------------------------------- how it is set up

define find_python
for candidate in $(PYTHON) python3.11 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue; \
	found=$$candidate; "$$candidate" -c 'import ensurepip, venv' 2>/dev/null && break; found=; bare=$$candidate; \
done; \
if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	echo "$$bare is Python 3.11 without the modules venv and ensurepip; Debian and Ubuntu keep them apart:" >&2; \
	echo "    apt-get install python3.11-venv" >&2; exit 1; \
elif [ -z "$$found" ]; then \
	echo "Parley needs Python 3.11 and found: $$(python3 --version 2>/dev/null || echo no python3). Install it:" >&2; \
	echo "    Debian, Ubuntu   apt-get install python3.11 python3.11-venv" >&2; \
	echo "    macOS            brew install python@3.11" >&2; \
	echo "or say where it is:  make install PYTHON=/path/to/python3.11" >&2; exit 1; \
fi
endef

.venv/.made:
	@$(find_python); printf '==> %s\n' "Making .venv with $$("$$found" --version)"; "$$found" -m venv .venv
	@$(PIP) install --quiet --upgrade $(or $(PIP_PIN),pip)
	@touch $@

.venv/.torch: .venv/.made requirements-torch.in
	$(call step,"Installing torch (its build differs by machine, so it stands outside the lock)")
	@$(PIP) install -r requirements-torch.in
	@touch $@

# The lock is complete, so pip needs to resolve nothing: --no-deps keeps it from touching torch.
.venv/.locked: .venv/.torch requirements.lock
	$(call step,"Installing the packages of requirements.lock")
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@touch $@

.venv/.project: pyproject.toml requirements.in .venv/.locked | gen/.stamp
	$(call step,"Installing Parley itself")
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Generated beside, then moved: a proto that does not compile leaves the last good package in place.
gen/.stamp: $(PROTO_FILES) $(PROTO_FOLDERS) .venv/.locked
	$(call step,"Generating parley.v1 from protos/")
	@rm -rf build/gen && mkdir -p build/gen
	@$(PY) -m grpc_tools.protoc -Iprotos -Ithird_party/protos --plugin=protoc-gen-mypy=.venv/bin/protoc-gen-mypy \
		--plugin=protoc-gen-mypy_grpc=.venv/bin/protoc-gen-mypy_grpc --python_out=build/gen --mypy_out=quiet:build/gen \
		--grpc_python_out=build/gen --mypy_grpc_out=quiet:build/gen $(PROTO_NAMES)
	@find build/gen -mindepth 1 -type d -exec touch {}/__init__.py {}/py.typed \;
	@rm -rf gen && mv build/gen gen && touch $@
