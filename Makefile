GO ?= go
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help test journeys fleet crash attack mutants soak bench-peers lint cover fuzz bench bench-scale sandbox build release image explain vulncheck module clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## all checks; on Debian, as root, installs what is missing first (INSTALL=0 only lists it)
	@./scripts/test.sh

journeys: ## the console in Chromium, also behind reverse proxies
	cd internal/testing/journeys && npm ci --no-audit --no-fund && npm test

sandbox: ## the server and a simulated WeChat in one process
	$(GO) run ./cmd/sandbox

build: ## the server's binary, in bin/
	@GO=$(GO) scripts/build.sh bin/server

release: ## what is published of the commit that is checked out, in dist/: archives, SBOMs, licences, sums
	@scripts/release.sh

image: ## the image for amd64 and arm64, with buildah, or for this machine, with docker
	@scripts/image.sh

vulncheck: ## known vulnerabilities in the modules; downloads their database
	$(GO) run ./scripts/vulncheck

explain: ## the page that explains a cardExt, one HTML file, in dist/explain/
	$(GO) run ./web/explain/build -o dist/explain/index.html

lint: ## golangci-lint; compiled into bin/ the first time, which takes minutes
	@test -x bin/golangci-lint || GOBIN=$(CURDIR)/bin $(GO) install $(GOLANGCI_LINT)
	bin/golangci-lint run

fuzz: ## each fuzz target for 30 seconds
	@./scripts/fuzz.sh 30s

bench: ## all benchmarks; compare figures of one run only
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-scale: ## cost of a request with 1,000 and with 1,000,000 members, on SQLite; fills 11 GB first (about 10 minutes)
	ADDCARD_SCALE=1000000 $(GO) test -run '^$$' -bench BenchmarkScale/sqlite -benchtime 1x -timeout 2h ./internal/app

fleet: ## long tests of ticket sharing: 16 processes, kills, pauses, failovers (about 4 minutes)
	ADDCARD_FLEET=full $(GO) test -count=1 -v -timeout 30m -parallel 6 ./internal/testing/fleet

crash: ## long tests of the ledger and of webhooks: 200 kills on each database, 10 failovers, full and failing disks (about 6 minutes)
	ADDCARD_CRASH=full $(GO) test -count=1 -v -timeout 60m ./internal/testing/crash

attack: ## attacks on the server beside honest requests, and overload (about 15 minutes; needs an idle machine)
	ADDCARD_ATTACK=full $(GO) test -count=1 -v -timeout 60m ./internal/testing/attack

DURATION ?= 30m
soak: ## the kills of make crash, repeated for DURATION (30m)
	ADDCARD_CRASH=$(DURATION) $(GO) test -count=1 -v -timeout 0 -run 'TestCrash|TestWebhooks' ./internal/testing/crash

mutants: ## plants faults one at a time; prints those that no test sees (about half an hour)
	ADDCARD_MUTANTS=all $(GO) test -count=1 -v -timeout 3h -run TestMutants ./internal/testing/mutants

bench-peers: ## ticket sharing compared with two Go SDKs (about 3 minutes; needs redis-server)
	cd bench/peers && $(GO) run .

cover: ## total test coverage; go tool cover reads the details from cover.out
	$(GO) test -coverpkg=./internal/... -coverprofile=cover.out ./... && $(GO) tool cover -func=cover.out | tail -1

module: ## change the module path everywhere: make module MODULE=host/path
	@./scripts/rename-module.sh $(MODULE)

clean: ## remove build output
	rm -rf bin dist cover.out
