# The only entry: what a person types, what CI runs. Every target installs what it needs.
# `make help` lists the targets; docs/ and CONTRIBUTING.md say when to use which.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')

# One million executions is what a release is held to; the smoke run catches a broken target.
FUZZ_RUNS ?= 1000000
FUZZ_SMOKE_RUNS ?= 20000
# What cargo-fuzz passes, without its nightly-only address sanitizer: safe Rust has no use for it,
# and so the fuzzers run on the stable compiler that everything else is built with.
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions -Ccodegen-units=1 \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
E2E_TESTS = $(basename $(notdir $(wildcard e2e/tests/*.rs)))
VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)
# Under the name by which containerd finds what manifests call tidegate/tidegate.
IMAGE ?= docker.io/tidegate/tidegate:$(VERSION)
# `PROFILE=dev` builds in a third of the time, and checks arithmetic while it runs.
PROFILE ?= release
STATIC_DIR = $(TARGET_DIR)/$(HOST)/$(patsubst dev,debug,$(PROFILE))
REVISION = $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
FUZZ_TARGETS = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

.PHONY: help build run test lint fmt golden crds fuzz fuzz-smoke bench bench-memory e2e modules packages \
  image cluster-build cluster-up cluster-down conformance conformance-1.7.0 e2e-cluster

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/tidegate
	$(CARGO) build --locked --release -p tidegate

run: ## Build Tidegate and watch it serve a database, a DNS server and two TLS services
	$(CARGO) build --locked --release -p tidegate -p demo
	exec $(TARGET_DIR)/release/tidegate-demo --gateway $(TARGET_DIR)/release/tidegate \
	  --config config/standalone/quickstart --state $(TARGET_DIR)/quickstart

# Programs and tests are built in one go and always for the whole workspace: any other choice of
# crates has other features and would compile half of the tree a second time.
test: packages modules ## Run every test that needs no cluster; installs the servers it talks to
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO) test --locked --workspace --no-fail-fast
	@$(MAKE) fuzz-smoke

e2e: packages ## Run only the scenarios with real servers and load; ONLY=name for one
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO) test --locked --workspace --no-fail-fast $(addprefix --test ,$(or $(ONLY),$(E2E_TESTS))) -- --nocapture

image: ## Write the image, target/tidegate-image.tar, without Docker; IMAGE=name:tag, PROFILE=dev
	@e2e/packages.sh image
	TIDEGATE_REVISION=$(REVISION) RUSTFLAGS='-C target-feature=+crt-static' \
	  $(CARGO) build --locked --profile $(PROFILE) --target $(HOST) -p tidegate
	@TIDEGATE_REVISION=$(REVISION) config/image/write.sh $(STATIC_DIR)/tidegate \
	  $(TARGET_DIR)/tidegate-image.tar $(IMAGE)

cluster-build: ## Build Kubernetes and all else that the test cluster runs; once, 12 minutes
	@e2e/packages.sh cluster
	$(CARGO) build --locked --workspace --bins
	@e2e/cluster/build.sh $(TARGET_DIR)/debug/tidegate-e2e-allocator

cluster-up: cluster-build ## Start a real cluster of one node; CRDS=v1.6.3-standard for Gateway API, too
	@e2e/cluster/up.sh
	@$(if $(CRDS),e2e/cluster/crds.sh $(subst -, ,$(CRDS)))

cluster-down: ## End the cluster; nothing of it stays but its logs
	@e2e/cluster/down.sh

conformance: image cluster-up ## Run the conformance suite of record, v1.6.3; RUN_TEST=Name for one test
	@e2e/conformance/run.sh v1.6.3

conformance-1.7.0: image cluster-up ## Run the conformance suite of Gateway API v1.7.0
	@e2e/conformance/run.sh v1.7.0

e2e-cluster: image cluster-up ## Run our own tests in the cluster; ONLY=name for some
	@e2e/cluster/crds.sh v1.7.0 standard
	@e2e/cluster/install.sh
	$(CARGO) test --locked -p e2e --features cluster --test cluster -- --test-threads=1 --nocapture $(ONLY)

modules: ## Fetch the Gateway API modules that tests compare with; without them those tests say so
	@cd / && GOTOOLCHAIN=go1.27.4 go mod download sigs.k8s.io/gateway-api@v1.7.0 \
	  sigs.k8s.io/gateway-api/conformance@v1.7.0 sigs.k8s.io/gateway-api/conformance@v1.6.3 \
	  || echo "Gateway API modules could not be fetched: tests that need them will be skipped" >&2

packages: ## Install the Debian packages that the tests use and that are missing
	@e2e/packages.sh

lint: ## Check format, lints, licences and banned crates, crate arrows, documents
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --features e2e/cluster -- -D warnings
	$(CARGO) test --locked -q -p tidy
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --all-features check bans licenses sources; \
	else echo "cargo-deny is not installed: crates/tidy has checked deny.toml's lists itself"; fi

fmt: ## Format the code
	$(CARGO) fmt --all

golden: ## Rewrite the golden files from what the code does now; read the diff before committing
	UPDATE_GOLDEN=1 $(CARGO) test --locked -p translate -p tidegate
	UPDATE_GOLDEN=1 $(CARGO) test --locked -p tidy --test permissions

crds: ## Write our own CRDs to crds/
	$(CARGO) run --locked -q -p tidegate -- crds > $(TARGET_DIR)/crds.yaml
	cp $(TARGET_DIR)/crds.yaml crds/tidegate.yaml

fuzz: ## Run each fuzz target FUZZ_RUNS times (1,000,000)
	@for target in $(FUZZ_TARGETS); do $(MAKE) fuzz-one TARGET=$$target RUNS=$(FUZZ_RUNS); done

fuzz-smoke: ## Run each fuzz target FUZZ_SMOKE_RUNS times (20,000)
	@$(MAKE) fuzz FUZZ_RUNS=$(FUZZ_SMOKE_RUNS)

.PHONY: fuzz-one
fuzz-one:
	@mkdir -p fuzz/corpus/$(TARGET) fuzz/target/corpus-$(TARGET)
	cd fuzz && RUSTFLAGS='$(FUZZ_FLAGS)' $(CARGO) build --locked -q --release --target $(HOST) --bin $(TARGET)
	cd fuzz && target/$(HOST)/release/$(TARGET) -runs=$(RUNS) -max_len=20000 -timeout=10 \
	  -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -artifact_prefix=target/ \
	  target/corpus-$(TARGET) corpus/$(TARGET)

bench: bench-memory ## Run every bench

bench-memory: ## Measure user memory per idle TCP connection and per idle UDP flow
	$(CARGO) build --locked --release -p tidegate -p bench
	TIDEGATE_BIN_DIR=$(TARGET_DIR)/release $(TARGET_DIR)/release/bench memory
