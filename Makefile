# Installs what is missing, then leaves the work to Meson and Ninja.
#
#   make               builds build/faumachine
#   make run           boots Debian's kernel in it, in a window if there can be one
#                      (GUEST=686-pae, MEMORY=512, DISK=file, ARGS='more options'; in
#                      this terminal: ARGS=-nographic)
#   make test          all tests of the suites quick and full
#   make soak          the long ones
#   make bench         benchmarks, 50 minutes on an idle host (ARGS=--quick: 10)
#   make coverage-isa  which instructions are tested
#   make install       to $(prefix), with DESTDIR
#   make check-format  is every C file as clang-format has it?
#   make clean
BUILD ?= build
prefix ?= /usr/local
GUEST ?= 686
MEMORY ?= 256
JOBS ?=

NINJA = ninja -C $(BUILD) $(if $(JOBS),-j$(JOBS))
INSTALL_PACKAGES = tools/install-packages

.PHONY: all packages configured program run test quick soak bench coverage-isa install \
	clean check-format
.NOTPARALLEL:

all: program

packages:
	@$(INSTALL_PACKAGES) build

configured: packages
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --prefix=$(prefix)

program: configured
	@$(NINJA) programs

run: program
	@$(INSTALL_PACKAGES) run
	@GUEST='$(GUEST)' MEMORY='$(MEMORY)' DISK='$(DISK)' \
		tools/run-guest $(BUILD)/faumachine $(ARGS)

# What `make` leaves out while nobody tests: the tests themselves.
define build_tests
	@$(INSTALL_PACKAGES) build test
	@$(INSTALL_PACKAGES) servers || echo "Tests that need these servers are skipped"
	@meson configure $(BUILD) -Dtests=enabled
	@$(NINJA)
endef

test: configured
	$(build_tests)
	@tools/run-tests $(BUILD) quick full

quick: configured
	$(build_tests)
	@tools/run-tests $(BUILD) quick

soak: configured
	$(build_tests)
	@tools/run-tests --soak $(BUILD) soak

bench: program
	@$(INSTALL_PACKAGES) bench || echo "Going on with what is installed"
	@$(NINJA) bench/armed_faults bench/checkpoints
	@bench/run.py $(ARGS) $(BUILD)/faumachine

coverage-isa: configured
	$(build_tests)
	@tools/coverage-isa $(BUILD)

install: configured
	@meson configure $(BUILD) --prefix=$(prefix)
	@$(NINJA) programs
	@meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)

check-format:
	@$(INSTALL_PACKAGES) format
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
