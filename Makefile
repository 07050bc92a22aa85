# Pharos. One command from a clone to live graphs: `make run`. Everything a change must pass: `make test`.
SHELL := /bin/bash
BUILD ?= build
DATA ?= data
ARGS ?=

.PHONY: help run build test tsan fuzz bench fmt coverage web clean
help:
	@echo 'make run       install what is missing, build, start on ./$(DATA), print the URL'
	@echo 'make build     the release: $(BUILD)/pharos'
	@echo 'make test      everything a change must pass (sanitizers, conformance, peers, browser)'
	@echo 'make tsan      threaded tests under ThreadSanitizer'
	@echo 'make fuzz      each fuzz target for FUZZ_SECONDS (default 60)'
	@echo 'make bench     one table, side by side with the peers'
	@echo 'make fmt       clang-format;  make coverage: line and branch coverage'

run: build
	$(BUILD)/pharos --storage.path=$(DATA) $(ARGS)

build: web
	@tools/install-deps build
	@[ -f $(BUILD)/release/build.ninja ] || meson setup $(BUILD)/release -Dprofile=release >/dev/null
	@ninja -C $(BUILD)/release src/pharos
	@ln -sf release/src/pharos $(BUILD)/pharos

# The UI is built when its sources are newer than the last build.
web: web/dist/index.html
web/dist/index.html: $(shell find web/src web/index.html web/package.json web/package-lock.json web/vite.config.ts 2>/dev/null)
	@tools/install-deps build
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

test:
	@tools/install-deps test
	@tools/run-tests

tsan:
	@tools/install-deps test
	@[ -f $(BUILD)/tsan/build.ninja ] || meson setup $(BUILD)/tsan -Dprofile=tsan -Dui=false >/dev/null
	@ninja -C $(BUILD)/tsan
	CK_FORK=no meson test -C $(BUILD)/tsan --suite threads --print-errorlogs --no-rebuild

fuzz:
	@tools/install-deps test
	@tools/run-fuzz $(BUILD)/fuzz $${FUZZ_SECONDS:-60}

bench: build
	@tools/install-deps test
	@tools/run-bench $(BUILD)

fmt:
	@tools/check-format --fix

coverage:
	@tools/install-deps test
	@tools/run-coverage $(BUILD)/cov

clean:
	rm -rf $(BUILD) web/dist web/node_modules
