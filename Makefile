# jumpvpnd: GNU make, one file, nothing generated but what configure finds (build/config.mk, build/config.h).
#
# Everything built goes below $(OUT), so that builds with other flags (OUT=build/asan) live beside the plain one.
# V=1 shows the commands; WERROR=1 makes warnings errors; CONFIGURE_FLAGS go to the first run of configure.

OUT ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(2)')
MAKEFLAGS += --no-print-directory --no-builtin-rules

.PHONY: tools all tests deps demo check suite check-unit check-net check-distros sim digest mutations check-asan check-tsan lint format \
	install uninstall dist clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all:
# These work on a machine that has make and nothing else: they must not need what configure finds.
BARE_GOALS := help deps load bench-scale check check-distros demo bench check-asan check-tsan lint format dist clean
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
include build/config.mk
endif

# -- configure ---------------------------------------------------------------------------------------------------

build/configure: configure.ac
	@command -v autoconf >/dev/null || { echo 'autoconf is missing: run "make deps" first' >&2; exit 1; }
	@mkdir -p build
	$(Q)cd build && autoconf -o configure ../configure.ac

build/config.status: build/configure
	$(Q)cd build && if [ -x config.status ]; then ./config.status --recheck; else ./configure -n $(CONFIGURE_FLAGS); fi

build/config.mk: config.mk.in config.h.in build/config.status
	$(Q)cd build && ./config.status && touch config.mk

build/config.h: build/config.mk ;

# -- flags -------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough \
	$(if $(SANITIZE),,-Wframe-larger-than=4096) $(if $(filter 1,$(WERROR)),-Werror)
# The parameter of a cmocka test is seldom wanted, and a test's stack is nobody's worry.
TEST_WARNINGS := -Wno-unused-parameter -Wframe-larger-than=262144

# Fortified functions hide accesses from the sanitizers, so it is one or the other.
ifdef SANITIZE
MODE_CFLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_LDFLAGS := -fsanitize=$(SANITIZE)
else
MODE_CFLAGS = $(HARDEN_CFLAGS) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
MODE_LTO = $(LTO_CFLAGS)
MODE_LDFLAGS = $(HARDEN_LDFLAGS)
endif

COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -Iinclude -Isrc -Ibuild -Itests $(WARNINGS) -fno-strict-overflow $(MODE_CFLAGS) \
	$(DEP_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK = $(CC) $(CFLAGS) $(LINK_LTO) -pthread $(MODE_LDFLAGS) $(LDFLAGS)
LINK_LTO = -fno-lto
ALL_LIBS = $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS) $(UV_LIBS) $(YAML_LIBS) $(MNL_LIBS) $(JANSSON_LIBS) \
	$(CAPNG_LIBS) $(SECCOMP_LIBS) $(CARES_LIBS) $(LIBS)

# -- the daemon --------------------------------------------------------------------------------------------------

SRCS := $(wildcard src/*/*.c)
obj = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

all: $(OUT)/jumpvpnd $(OUT)/tests/vectors ## build build/jumpvpnd

# Rewritten only when compiler or flags differ from the last time, and then everything is compiled again.
$(OUT)/flags: private export FLAGS = $(COMPILE) $(MODE_LTO) / $(LINK)
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" >$@

# The commit that is built; in a tarball the one that it was made from, which "git archive" wrote into the file. Rewritten
# only when it has changed.
COMMIT_FORMAT := %h %cs
build/commit.h: FORCE
	@mkdir -p $(@D)
	@set -- $$(git log -1 --format='$(COMMIT_FORMAT)' 2>/dev/null || sed -n '/Format/!p' src/cmd/commit.txt); \
	if [ $$# -ne 2 ]; then set -- unknown unknown; fi; \
	if [ "$$2" != unknown ] && ! git diff --quiet HEAD 2>/dev/null && [ -e .git ]; then set -- "$$1-dirty" "$$2"; fi; \
	printf '#define COMMIT "%s"\n#define COMMIT_DATE "%s"\n' "$$1" "$$2" >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(OUT)/obj/src/cmd/version.o: build/commit.h

$(OUT)/obj/%.o: %.c $(OUT)/flags build/config.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(if $(filter tests/%,$<),$(TEST_WARNINGS),$(MODE_LTO)) -MMD -MP -c -o $@ $<

$(OUT)/libjumpvpn.a: $(call obj,$(SRCS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Optimized as a whole. The tests are linked from the machine code that stands in the objects as well.
$(OUT)/jumpvpnd: private LINK_LTO = $(MODE_CFLAGS) $(MODE_LTO)
$(OUT)/jumpvpnd: $(call obj,src/main.c) $(OUT)/libjumpvpn.a
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(ALL_LIBS)

# -- tests -------------------------------------------------------------------------------------------------------

# Each tests/unit/*.mk lists its programs: test_X_SRCS := the sources under test, and nothing but them is linked;
# test_X_LIBS and test_X_LDFLAGS where needed.
include $(wildcard tests/unit/*.mk)
UNIT_TESTS := $(sort $(patsubst %_SRCS,%,$(filter test_%_SRCS,$(.VARIABLES))))
UNIT_BINS := $(UNIT_TESTS:%=$(OUT)/tests/unit/%)
# What shares memory between threads; the rest has nothing to tell the thread sanitizer.
TSAN_TESTS := $(filter test_ring% test_log% test_audit% test_mailbox% test_worker% test_daemon% test_metrics% test_engine%,$(UNIT_TESTS))

VECTORS_SRCS := $(wildcard src/crypto/*.c) src/proto/noise.c src/base/text.c src/base/log.c
NET_TOOLS := $(patsubst tests/net/tools/%.c,$(OUT)/tests/net/%,$(wildcard tests/net/tools/*.c))
TOOL_LIBS = $(UV_LIBS) $(JANSSON_LIBS)

define unit_test
$(OUT)/tests/unit/$(1): $(call obj,tests/unit/$(1).c $($(1)_SRCS))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(LINK) $$($(1)_LDFLAGS) -o $$@ $$^ $$($(1)_LIBS) $$(CMOCKA_LIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_test,$(t))))

$(OUT)/tests/vectors: $(call obj,tests/vectors.c $(VECTORS_SRCS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS) $(JANSSON_LIBS)

$(OUT)/tests/net/impair: $(call obj,tests/link/link.c tests/link/profile.c)
$(OUT)/tests/net/knock: $(call obj,src/proto/cookie.c $(wildcard src/crypto/*.c) src/base/hash.c src/base/text.c src/base/log.c)
$(OUT)/tests/net/knock: private TOOL_LIBS += $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

$(OUT)/tests/net/%: $(OUT)/obj/tests/net/tools/%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(TOOL_LIBS)

# The simulator counts what engines allocate: it stands before the allocator.
SIM_SRCS := $(wildcard tests/sim/*.c) tests/link/link.c tests/unit/make.c src/report/verify.c src/report/judge.c src/report/told.c src/report/contract.c \
	$(wildcard src/session/*.c src/proto/*.c src/crypto/*.c) src/audit/record.c \
	src/base/addr.c src/base/checksum.c src/base/hash.c src/base/lpm.c src/base/log.c src/base/slab.c src/base/text.c
SIM_WRAP := malloc calloc realloc aligned_alloc free

$(OUT)/tests/sim/sim: $(call obj,$(SIM_SRCS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(MBEDTLS_LIBS) $(SODIUM_LIBS) $(IPSECMB_LIBS)

tests: $(UNIT_BINS) $(OUT)/tests/vectors $(OUT)/tests/sim/sim tools ## build the test programs
tools: $(NET_TOOLS)
	@:

# What the parts of a test run are. Each prints "N passed, N failed" last; tests/check adds them up.
run_lint := tests/lint
run_unit = $(RUNNER) tests/run-unit $(UNIT_BINS)
run_tsan = $(RUNNER) tests/run-unit $(TSAN_TESTS:%=$(OUT)/tests/unit/%)
run_sim = $(RUNNER) $(OUT)/tests/sim/sim --seeds $(SEEDS) --jobs 2
run_vectors = $(RUNNER) tests/run-vectors $(OUT)/tests/vectors
# The daemon lets nobody look into it, at its end not even the sanitizer that looks for leaks.
run_net = env $(if $(SANITIZE),ASAN_OPTIONS=detect_leaks=0) JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) $(RUNNER) tests/net/run.sh -j 2

include tests/scenario/rules.mk tests/model/rules.mk tests/fuzz/rules.mk tests/bench/rules.mk tests/load/rules.mk

# Five simulated minutes each; any number or range: SEEDS=100000, SEEDS=7..99.
SEEDS ?= 2000

# These compute, and nothing in them looks at a clock: side by side. The unit tests, the simulator and the namespace tests
# keep all processors busy by themselves.
BESIDE := lint micro model fuzz vectors

# On all processors, whoever asks for it.
suite:
	@$(MAKE) -j"$$(nproc)" all tests
	@tests/check $(foreach part,$(filter $(BESIDE),$(SUITE)),'$(run_$(part))') -- \
		$(foreach part,$(filter-out $(BESIDE),$(SUITE)),'$(run_$(part))')

check: deps ## everything: installs what is missing (as root), builds, lint, unit tests, vectors, namespace tests
	@$(MAKE) suite SUITE='lint unit vectors micro model fuzz sim scenarios net netscenarios'

check-unit: $(UNIT_BINS) ## the unit tests alone
	@$(run_unit)

sim: $(OUT)/tests/sim/sim ## the simulator alone, over SEEDS (2000)
	@$(run_sim)

# Datagrams sent, packets delivered, answers to timers and jobs, audit records: everything that leaves an engine.
digest: $(OUT)/tests/sim/sim ## one number over all that the simulator's first 200 seeds hand out: what only moves code keeps it
	@$(RUNNER) $(OUT)/tests/sim/sim --seeds 200 --jobs "$$(nproc)" --twice 0 --digest

mutations: ## break one guard after the other: the unit tests and the simulator must find each (long)
	@tests/sim/mutations

check-net: all tools ## the namespace tests alone (root)
	@$(run_net)

check-asan: deps ## unit tests, vectors and namespace tests under the address and undefined-behaviour sanitizers
	@$(MAKE) suite OUT=build/asan SANITIZE=address,undefined SUITE='unit vectors fuzz net'

# The thread sanitizer wants its shadow where address randomisation may have put something else.
check-tsan: deps ## what crosses threads, and the namespace tests, under the thread sanitizer
	@$(MAKE) suite OUT=build/tsan SANITIZE=thread RUNNER='setarch -R' SUITE='tsan net'

deps: ## install the Debian packages that building and testing need
	@tests/deps

check-distros: ## both commands of the README on fresh Debian systems: see tests/distros (root; half an hour; SUITES=trixie STEPS='check demo')
	@WERROR=$(WERROR) tests/distros $(if $(STEPS),-s '$(STEPS)') $(SUITES)

demo: deps ## build, and watch a session jump between two paths
	@$(MAKE) --no-print-directory -j"$$(nproc)" all tools
	@env JUMPVPND=$(abspath $(OUT)/jumpvpnd) TOOLS=$(abspath $(OUT)/tests/net) tests/net/demo.sh

lint: ## who may include whom, style, man pages, units, scripts
	@$(run_lint)

format: ## clang-format in place
	clang-format -i $(wildcard include/*/*.h src/*.c src/*/*.[ch] tests/*.c tests/*/*.[ch] tests/*/*/*.[ch])

# -- install -----------------------------------------------------------------------------------------------------

UNITS := jumpvpnd.service jumpvpnd-client.service
INSTALL := install
confdir = $(sysconfdir)/jumpvpn
# Units and examples in the tree carry a distribution's paths; installed ones carry ours.
set_paths = sed -e 's|/usr/sbin/jumpvpnd|$(sbindir)/jumpvpnd|' -e 's|/etc/jumpvpn|$(confdir)|'
# Relative to DESTDIR; uninstall removes exactly this.
INSTALLED = $(sbindir)/jumpvpnd $(sysusersdir)/jumpvpn.conf \
	$(foreach page,$(wildcard man/*.[1-9]),$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	$(if $(systemdsystemunitdir),$(UNITS:%=$(systemdsystemunitdir)/%)) \
	$(patsubst conf/%.yaml,$(confdir)/%.yaml.example,$(wildcard conf/*.yaml))

install: all ## DESTDIR is honoured; directories come from configure
	@for path in $(INSTALLED); do $(INSTALL) -d "$(DESTDIR)$${path%/*}" || exit 1; done
	$(INSTALL) -m 755 $(OUT)/jumpvpnd $(DESTDIR)$(sbindir)/
	for page in $(wildcard man/*.[1-9]); do \
		$(INSTALL) -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done
	for unit in $(if $(systemdsystemunitdir),$(UNITS)); do \
		$(set_paths) systemd/$$unit >$(DESTDIR)$(systemdsystemunitdir)/$$unit || exit 1; done
	$(INSTALL) -m 644 systemd/jumpvpn.sysusers $(DESTDIR)$(sysusersdir)/jumpvpn.conf
	for file in $(patsubst conf/%,%,$(wildcard conf/*.yaml)); do \
		$(set_paths) conf/$$file >$(DESTDIR)$(confdir)/$$file.example || exit 1; done

uninstall: ## what install put there, and nothing else
	rm -f $(INSTALLED:%=$(DESTDIR)%)

# -- housekeeping ------------------------------------------------------------------------------------------------

PACKAGE := jumpvpn-$(shell sed -n 's/^AC_INIT(\[jumpvpn\], \[\(.*\)\])/\1/p' configure.ac)

dist: ## build/jumpvpn-VERSION.tar.gz, from the last commit
	@git rev-parse -q --verify HEAD >/dev/null 2>&1 || { echo 'dist is made from a git commit, and there is none here' >&2; exit 1; }
	@mkdir -p build
	git archive --format=tar.gz --prefix=$(PACKAGE)/ -o build/$(PACKAGE).tar.gz HEAD

clean: ## remove build/
	rm -rf $(sort build $(OUT))

help: ## this
	@sed -n 's/^\([a-z-]*\):[^#=]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# What each object was compiled from.
-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
