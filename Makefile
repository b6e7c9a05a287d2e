# Everything a developer does here. `make` alone lists it.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

LINT := .local/lint/.installed
# Where the programs of the tests are. Asking does not wait for tests that run.
BIN = $(shell swift build --ignore-lock --show-bin-path)

# What test-upgrade upgrades from: the newest release before this revision, else the last revision before the archive.
OLD ?= $(shell git describe --tags --abbrev=0 --match '[v0-9]*' HEAD^ 2>/dev/null || echo 2053cc2)
GENERATED := Sources/LedgerAPI/Generated
SHELL_SCRIPTS = $(shell find . -path ./.build -prune -o -path ./.local -prune -o \
	-name '*.sh' -type f -print) .ci/run
# All Swift sources but the generated ones; made when used, after nothing else touched the tree.
SWIFT_SOURCES = find Package.swift Sources Tests Benchmarks -name '*.swift' -not -path '$(GENERATED)/*' -print0

include Tests/stages.mk

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing, make certificates and the Python environment
	./setup-env.sh

.PHONY: run
run: ## run three etcd members and the ledger on this machine until Ctrl-C
	@./deploy.sh local

.PHONY: build
build: ## build everything for debugging, tests included
	@# Product by product: --build-tests would also build the protoc that swift-protobuf brings along,
	@# which takes longer than all the rest.
	swift build --product immutable-ledgerPackageTests
	swift build --product ledger-service
	swift build --product ledgerctl

.PHONY: release
release: ## build the service and the command line, optimised
	swift build -c release --product ledger-service
	swift build -c release --product ledgerctl

.PHONY: test
test: setup ## run all tests: unit, simulation, real etcd, run-local.sh with the Python client
	@$(MAKE) build
	@echo "What each part of the tests writes is in .local/tests."
	@$(MAKE) BIN="$(BIN)" --jobs=$(TEST_JOBS) $(STAGES_BESIDE:%=stage-%)
	@$(MAKE) BIN="$(BIN)" --jobs=1 $(STAGES_ALONE:%=stage-%)

.PHONY: test-formats
test-formats: ## hold the formats' test vectors against a second implementation
	.local/venv/bin/python Tests/python/formats_test.py

.PHONY: test-docs
test-docs: ## check that what the documents say holds: citations, figures, commands
	python3 -B Tests/docs/citations_test.py
	.local/venv/bin/python -B Tests/docs/verification_test.py
	.local/venv/bin/python -B Tests/docs/runbook_test.py --bin "$(BIN)"
	python3 -B Tests/docs/env_example_test.py --service "$(BIN)/ledger-service"

.PHONY: test-local
test-local: ## start run-local.sh, try the Python client, stop it
	scripts/test-local.sh --bin "$(BIN)"

.PHONY: test-projection
test-projection: ## test the example that follows a ledger into a database
	.local/venv/bin/python -B Tests/projection/projection_test.py --bin "$(BIN)"

.PHONY: test-etcd
test-etcd: ## the gateway's suites and one pass with all parts on etcd 3.5; ETCD_BIN names another etcd's folder
	@[[ -n "$(ETCD_BIN)" ]] || scripts/get-etcd.sh
	@export PATH="$${ETCD_BIN:-$(CURDIR)/.local/etcd-3.5/usr/bin}:$$PATH"; \
	etcd --version | sed -n 1p; \
	scripts/swift-test.sh --filter '$(ETCD_SUITES)'; \
	scripts/swift-test.sh --filter '$(ETCD_PASS)'; \
	cd k8s/checks && PYTHONDONTWRITEBYTECODE=1 ../../.local/venv-k8s/bin/python -m unittest --quiet \
		test_rejoin.Rejoin.test_a_member_that_lost_its_data_comes_back \
		test_rejoin.Rejoin.test_members_without_data_begin_a_cluster_together

.PHONY: health-check
health-check: ## ask the ledger that make run started how it is
	@PATH=".build/release:.build/debug:$$PATH"; \
	command -v ledgerctl >/dev/null || { echo "ledgerctl is not built: run make release" >&2; exit 1; }; \
	ledgerctl health --server "127.0.0.1:$${LEDGER_PORT:-50051}"

.PHONY: test-deploy
test-deploy: $(LINT) ## test deploy.sh and what belongs to it, without a cluster
	python3 -B Tests/deploy/deploy_test.py
	python3 -B Tests/deploy/cluster_test.py
	$(dir $(LINT))bin/python -B Tests/image/sbom_test.py

.PHONY: image
image: ## build the images of the ledger and of its tools with docker, podman or buildah
	scripts/build-images.sh

.PHONY: sbom
sbom: ## list what is in the image as CycloneDX, to .local/sbom.cdx.json
	@mkdir -p .local
	scripts/sbom.py > .local/sbom.cdx.json
	@echo "scripts/sbom.py --help says how to list a built image with all versions."

.PHONY: backup
backup: ## take a verified snapshot of the ledger that make run started
	@scripts/backup.sh

.PHONY: restore
restore: ## restore the local ledger from its newest snapshot; OPTIONS="--help" tells of more
	@scripts/restore.sh $(OPTIONS)

.PHONY: test-backup
test-backup: ## back up, destroy and restore a local ledger; lose etcd and recover it from the archive
	python3 -B Tests/backup/backup_test.py --bin "$(BIN)"
	.local/venv/bin/python -B scripts/rehearse-recovery.py --bin "$(BIN)" --events 20000

.PHONY: rehearse-recovery
rehearse-recovery: setup ## lose etcd under load and recover it from the archive, into a snapshot and into nothing
	@$(MAKE) release
	.local/venv/bin/python -B scripts/rehearse-recovery.py $(OPTIONS)

.PHONY: test-clients
test-clients: ## let clients in Go, Java and Python with default settings try a service
	.local/venv/bin/python -B Tests/clients/clients_test.py \
		--bin "$(BIN)" $(OPTIONS)

.PHONY: test-monitoring
test-monitoring: ## check metrics, alerts, dashboard and runbook against running services
	.local/venv/bin/python -B Tests/monitoring/monitoring_test.py \
		--bin "$(BIN)" $(OPTIONS)

.PHONY: dashboard-picture
dashboard-picture: ## draw docs/dashboard.svg from what Prometheus scrapes of a cluster under load
	.local/venv/bin/python -B scripts/draw-dashboard.py --bin "$(BIN)" \
		--seconds 120 --rate 150 docs/dashboard.svg

.PHONY: test-logs
test-logs: ## check what running services write: per call, in the audit log, without a quorum
	.local/venv/bin/python -B Tests/logs/logs_test.py --bin "$(BIN)" $(OPTIONS)

.PHONY: test-traces
test-traces: ## check the spans that running replicas send to a small collector
	.local/venv/bin/python -B Tests/traces/traces_test.py --bin "$(BIN)" $(OPTIONS)
	.local/venv/bin/python -B Tests/traces/collector_tls_test.py --bin "$(BIN)"

.PHONY: test-upgrade
test-upgrade: setup ## replace replicas of an older version by these under load, and back; OLD names a revision
	swift build --product ledger-service
	swift build --product ledgerctl
	@old="$${OLD_BIN:-$$(scripts/build-revision.sh "$(OLD)")}"; \
	.local/venv/bin/python -B Tests/python/upgrade_test.py --old-bin "$$old" \
		--bin "$(BIN)" $(OPTIONS)

.PHONY: test-fuzz
test-fuzz: ## attack every port of a service for 20 s; OPTIONS="--help" tells of more
	.local/venv/bin/python -B Tests/fuzz/fuzz_test.py --bin "$(BIN)" $(OPTIONS)

.PHONY: fuzz
fuzz: ## the same for ten minutes
	@$(MAKE) test-fuzz OPTIONS="--seconds 600 $(OPTIONS)"

.PHONY: test-bounds
test-bounds: ## push the bounds that take seconds
	.local/venv/bin/python -B Tests/bounds/bounds_test.py \
		--bin "$(BIN)" --quick $(OPTIONS)

.PHONY: bounds
bounds: ## push every bound, measure memory, and write the table of docs/limits.md
	.local/venv/bin/python -B Tests/bounds/bounds_test.py --bin "$(BIN)" \
		--write docs/limits.md $(OPTIONS)

.PHONY: bench
bench: setup ## measure throughput and latency beside two baselines, with a local cluster
	scripts/bench.sh

.PHONY: bench-replicas
bench-replicas: setup ## the same with 1, 2, 3, 5 and 10 replicas of the service on one ledger
	scripts/bench.sh --replicas 1,2,3,5,10

.PHONY: bench-archive
bench-archive: setup ## seal for minutes under a small quota, with and without an archive
	@$(MAKE) release
	.local/venv/bin/python -B scripts/bench-archive.py $(OPTIONS)

.PHONY: bench-recovery
bench-recovery: setup ## lose etcd and bring a million events back from the archive
	@$(MAKE) release
	.local/venv/bin/python -B scripts/bench-recovery.py $(OPTIONS)

.PHONY: bench-verify
bench-verify: setup ## measure verification, and what audit, checkpoints, proofs and receipts cost
	swift build -c release --product ledger-service
	swift build -c release --product ledgerctl
	swift build -c release --product verify-bench
	.local/venv/bin/python -B scripts/bench-verify.py --bin "$$(swift build -c release --show-bin-path)" \
		$(OPTIONS)

.PHONY: bench-index
bench-index: ## measure the id index beside a dictionary; OPTIONS="--events 100000000 --reserve"
	swift build -c release --product index-bench
	"$$(swift build -c release --show-bin-path)/index-bench" $(OPTIONS)

.PHONY: bench-loading
bench-loading: ## measure loading the ids of archived events; OPTIONS="--events 100000000"
	swift build -c release --product loading-bench
	"$$(swift build -c release --show-bin-path)/loading-bench" $(OPTIONS)

.PHONY: soak-replicas
soak-replicas: setup ## two minutes of load while replicas come, go, are killed and paused
	@$(MAKE) build
	swift build -c release --product ledger-service
	LEDGER_SOAK_SECONDS="$${LEDGER_SOAK_SECONDS:-120}" \
	LEDGER_SERVICE_BINARY="$$(swift build -c release --show-bin-path)/ledger-service" \
		swift test --skip-build --filter ReplicaSoakTests

.PHONY: format
format: ## format all Swift sources in place
	$(SWIFT_SOURCES) | xargs -0 swift format --in-place --parallel

.PHONY: format-check
format-check: ## fail where a Swift source is not formatted
	$(SWIFT_SOURCES) | xargs -0 swift format lint --strict --parallel

.PHONY: lint
lint: format-check $(LINT) ## format-check; check scripts, Dockerfiles, compose.yaml, citations and rules
	scripts/check-citations.py
	scripts/env-example.py --check
	shellcheck --external-sources $(SHELL_SCRIPTS)
	$(dir $(LINT))bin/hadolint --failure-threshold style Dockerfile .devcontainer/Dockerfile
	$(dir $(LINT))bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	scripts/check-etcd-flags.sh compose.yaml

# The Python tools of these checks, made when they are first needed.
$(LINT): scripts/lint-requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: env-example
env-example: ## write .env.example anew from the table of settings in README.md
	scripts/env-example.py

.PHONY: proto
proto: ## generate the Swift code of protos/ anew
	scripts/generate-proto.sh

.PHONY: proto-check
proto-check: ## fail where the committed generated code is not that of protos/
	@fresh="$$(mktemp -d)"; trap 'rm -rf "$$fresh"' EXIT; \
	scripts/generate-proto.sh "$$fresh"; \
	diff --recursive --brief $(GENERATED) "$$fresh" || \
		{ echo "The generated code is not that of protos/: run make proto" >&2; exit 1; }; \
	echo "The generated code is that of protos/."

.PHONY: manifests
manifests: ## render the Kubernetes manifests and check them, without a cluster
	scripts/check-manifests.sh

.PHONY: clean
clean: ## remove what was built; local data in .local and certificates stay
	swift package clean
