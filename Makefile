# The commands a person types; the build itself is Meson's.
BUILD  = build
CHECK  = build-check
PREFIX = /usr/local
DIR    = demo
GUEST  = small
SOURCE = ova
SUITE  =

.PHONY: all build programs check demo demo-down bench fuzz format install clean

all: build

$(BUILD)/build.ninja:
	@./bootstrap build
	meson setup $(BUILD) --buildtype=release -Db_ndebug=false --prefix=$(PREFIX) >/dev/null

build: $(BUILD)/build.ninja
	@./bootstrap build
	ninja -C $(BUILD)

# The programs alone, without the tests: what the demo waits for.
programs: $(BUILD)/build.ninja
	@./bootstrap build
	ninja -C $(BUILD) programs

# All tests, in a build with the address and undefined sanitizers.  SUITE=slow adds the slow peers.
check:
	@./bootstrap build home convert check
	@[ -f $(CHECK)/build.ninja ] || \
	    meson setup $(CHECK) -Db_sanitize=address,undefined >/dev/null
	ninja -C $(CHECK)
	tests/run $(CHECK) $(SUITE)

# Starts gantry at home in $(DIR), moves a machine with hooks, and shows it running.  SOURCE=vsphere
# moves it while it runs, from a fake vCenter.
demo: programs
	@./bootstrap home
	@[ $(GUEST) != debian ] || ./bootstrap convert guest
	@[ $(SOURCE) != vsphere ] || ninja -C $(BUILD) tests/fake-vcenter
	@[ $(SOURCE) = ova ] || [ $(SOURCE) = vsphere ] || \
	    { echo 'SOURCE is ova or vsphere' >&2; exit 1; }
	tests/demo/run$$([ $(SOURCE) = ova ] || echo -$(SOURCE)) --build $(BUILD) --dir $(DIR) \
	    --guest $(GUEST)

demo-down:
	@[ ! -d $(DIR) ] || [ -x $(BUILD)/src/main/gantry ] || \
	    { echo 'no $(BUILD)/src/main/gantry to stop it with: run "make programs" first' >&2; exit 1; }
	@[ ! -d $(DIR) ] || $(BUILD)/src/main/gantry down --all --dir $(DIR)
	rm -rf $(DIR)

bench: build
	@./bootstrap home check
	bench/run $(BUILD)

# Ten minutes for each parser; see doc/fuzzing.md.
fuzz:
	@./bootstrap build check
	fuzz/run

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

# A PREFIX on the command line counts in a build folder that has another one; a relative DESTDIR is
# below this folder.
install: build
	$(if $(filter command,$(origin PREFIX)),meson configure $(BUILD) -Dprefix=$(PREFIX) && \
	    ninja -C $(BUILD))
	meson install -C $(BUILD) --no-rebuild \
	    $(if $(DESTDIR),--destdir "$$(realpath -m -- "$(DESTDIR)")")

clean:
	rm -rf $(BUILD) $(CHECK)
