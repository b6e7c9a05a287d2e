# Everything a developer does here. `make` alone lists it.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GENERATED := Sources/LedgerAPI/Generated
SHELL_SCRIPTS = $(shell find . -path ./.build -prune -o -path ./.local -prune -o \
	-name '*.sh' -type f -print) .ci/run
# All Swift sources but the generated ones; made when used, after nothing else touched the tree.
SWIFT_SOURCES = find Package.swift Sources Tests Benchmarks -name '*.swift' -not -path '$(GENERATED)/*' -print0

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing, make certificates and the Python environment
	./setup-env.sh

.PHONY: run
run: ## run three etcd members and the ledger on this machine until Ctrl-C
	@scripts/run-local.sh

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
	.local/venv/bin/python Tests/python/formats_test.py
	scripts/test-local.sh --bin "$$(swift build --show-bin-path)"
	@# One process after another: simulations keep every processor busy, and tests with real deadlines beside
	@# them would measure that.
	swift test --skip-build --filter 'LedgerCoreTests|SimulationTests'
	swift test --skip-build --skip 'LedgerCoreTests|SimulationTests|IntegrationTests'
	swift test --skip-build --filter IntegrationTests

.PHONY: bench
bench: setup ## measure throughput and latency with a local cluster
	scripts/bench.sh

.PHONY: format
format: ## format all Swift sources in place
	$(SWIFT_SOURCES) | xargs -0 swift format --in-place --parallel

.PHONY: format-check
format-check: ## fail where a Swift source is not formatted
	$(SWIFT_SOURCES) | xargs -0 swift format lint --strict --parallel

.PHONY: lint
lint: format-check ## format-check, and shellcheck of every script
	shellcheck --external-sources $(SHELL_SCRIPTS)

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
