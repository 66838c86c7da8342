# A thin front to Meson: every line here can be typed by hand. `make help` lists the targets.
BUILD ?= build
MESON ?= meson
DESTDIR ?=
export CC

.PHONY: all help deps demo check bench debug release asan tsan clang arm64 tidy format \
	format-check fuzz install clean

all: $(BUILD)/build.ninja  ## build into ./build (the program: build/sonde)
	@ninja -C $(BUILD)
	@ln -sf src/cmd/sonde $(BUILD)/sonde

$(BUILD)/build.ninja:
	@tools/deps build
	@$(MESON) setup $(BUILD) >/dev/null

deps:  ## install what is missing for building and testing
	@tools/deps all

demo:  ## record and show something real, within two minutes of a fresh clone
	@tools/deps build
	@[ -e $(BUILD)/build.ninja ] || $(MESON) setup $(BUILD) >/dev/null
	@ninja -C $(BUILD) src/cmd/sonde
	@ln -sf src/cmd/sonde $(BUILD)/sonde
	@tools/demo $(BUILD)/sonde

check:  ## everything that CI runs; ends with "N passed, N failed, N skipped"
	@tools/deps all || true
	@tests/check

bench: all  ## reading, recording and counting against trace-cmd, perf and bpftrace; tracing programs against uftrace and LTTng-UST
	@tools/deps bench || true
	@tests/bench/run $(BUILD)/sonde
	@tests/bench/record $(BUILD)/sonde
	@tests/bench/hist $(BUILD)/sonde
	@tests/bench/program $(BUILD)/sonde

debug:  ## no optimisation, into ./build-debug
	@tests/check --build debug
release:  ## optimised, into ./build-release
	@tests/check --build release
asan:  ## address and undefined-behaviour sanitizers, into ./build-asan
	@tests/check --build asan
tsan:  ## thread sanitizer, into ./build-tsan
	@tests/check --build tsan
clang:  ## with clang, warnings are errors, into ./build-clang
	@tests/check --build clang

arm64:  ## cross-compile for arm64, and run the unit tests under qemu where it is installed
	@tests/check arm64
tidy:  ## clang-tidy with the checks of .clang-tidy
	@tests/check tidy
fuzz:  ## every fuzz target for FUZZ_SECONDS (5) each, from FUZZ_SEED (1; 0: any)
	@tests/check fuzz

format:  ## clang-format everything
	@find src tests -name '*.[ch]' -print0 | xargs -0 clang-format -i
format-check:
	@tests/tree/check-format .

install: all  ## PREFIX: meson configure build -Dprefix=...
	@DESTDIR=$(DESTDIR) $(MESON) install -C $(BUILD)

clean:
	rm -rf build build-*

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
