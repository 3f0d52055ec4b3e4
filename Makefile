# What there is to do here; `make help` lists it.

SHELL := /bin/bash
export PATH := /usr/local/sbin:/usr/sbin:/sbin:$(PATH)
# Debian 12's own cargo is too old; CONTRIBUTING.md says where another comes from.
CARGO ?= cargo
LAB := tests/lab

.PHONY: help setup build deb rpm demo test test-full deny release clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: ## install what building and testing need (Debian packages, as root)
	@$(LAB)/install

build: setup ## both programs, release
	$(CARGO) build --release --locked

deb: build ## a Debian package, below target/packages
	packaging/build deb

rpm: build ## an rpm, below target/packages
	packaging/build rpm

demo: build ## the main job shown on real libvirt guests, in a private lab
	VIRT_GUARD_BIN=$(CURDIR)/target/release $(LAB)/libvirt-lab tests/demo/run

test: ## all tests; in emulation a slice of the random policies and of the hook cases
	tests/run

test-full: ## everything, with 200 random policies × 500 packets; more than an hour
	tests/run --full

deny: ## licences, advisories and sources of the dependencies; offline: CHECKS="licenses bans"
	packaging/deny $(CHECKS)

release: ## version, changelog, packages, checksums: make release VERSION=1.2.3 [DRY_RUN=1]
	packaging/release "$(VERSION)" $(if $(DRY_RUN),--dry-run)

clean: ## build results and the lab's cache
	rm -rf target
