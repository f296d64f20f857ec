# `make` prints the targets.
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help test fleet crash soak bench-peers lint cover fuzz bench bench-scale sandbox build clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## all checks: formatting, vet, every test with the race detector
	@./scripts/test.sh

sandbox: ## the whole service against a simulated WeChat, in one process
	$(GO) run ./cmd/sandbox

build: ## the server's binary in bin/
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/server ./cmd/server

lint: ## golangci-lint, installed into bin/ when missing
	@test -x bin/golangci-lint || GOBIN=$(CURDIR)/bin $(GO) install $(GOLANGCI_LINT)
	bin/golangci-lint run

fuzz: ## each fuzz target for 30 seconds
	@./scripts/fuzz.sh 30s

bench: ## benchmarks; compare figures of one run only
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-scale: ## what a request costs among a thousand members and a million, on SQLite; fills 11 GB first, which takes minutes
	ADDCARD_SCALE=1000000 $(GO) test -run '^$$' -bench BenchmarkScale/sqlite -benchtime 1x -timeout 2h ./internal/app

fleet: ## the long form of the fleet's proof: 16 processes, kills, pauses, failovers (about 4 minutes)
	ADDCARD_FLEET=full $(GO) test -count=1 -v -timeout 30m -parallel 6 ./internal/testing/fleet

crash: ## the long form of the ledger's proof: 200 kills on each database, full and failing disks (about 4 minutes)
	ADDCARD_CRASH=full $(GO) test -count=1 -v -timeout 60m ./internal/testing/crash

DURATION ?= 30m
soak: ## the same kills, again and again for DURATION (30m)
	ADDCARD_CRASH=$(DURATION) $(GO) test -count=1 -v -timeout 0 -run TestCrash ./internal/testing/crash

bench-peers: ## tickets beside two Go SDKs, in a module of its own (about 3 minutes; needs redis-server)
	cd bench/peers && $(GO) run .

cover: ## coverage by package
	$(GO) test -coverpkg=./internal/... -coverprofile=cover.out ./... && $(GO) tool cover -func=cover.out | tail -1

clean: ## remove build output
	rm -rf bin dist cover.out
