#include "node/accel.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GUEST_MS = 2000,
    OUTPUT_MAX = 4096,
    CACHE_MAX = 1024,
    SECTOR = 512,
    EXIT_CODE = 0x10 << 1 | 1, /* what QEMU's debug port makes of the guest's 0x10 */
};

/* A boot sector that turns on paging and 64-bit mode and then writes 0x10 to port 0xf4:
 *
 *     cli; ax, ds, es, ss = 0                  page tables at 0x1000: one 2 MiB page at 0
 *     cr3 = 0x1000; clear 12 KiB there         PML4[0] = 0x2003, PDPT[0] = 0x3003, PD[0] = 0x83
 *     cr4 |= PAE; EFER |= LME; cr0 |= PG|PE
 *     lgdt; far jump to 64-bit code            three descriptors: none, code, data
 *     ds, ss = data; out 0xf4, 0x10; hlt for ever */
static const unsigned char guest[] = {
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x66, 0xbf, 0x00, 0x10, 0x00, 0x00, 0x0f,
    0x22, 0xdf, 0x66, 0x31, 0xc0, 0x66, 0xb9, 0x00, 0x0c, 0x00, 0x00, 0x66, 0xf3, 0xab, 0x66, 0xbf,
    0x00, 0x10, 0x00, 0x00, 0x67, 0x66, 0xc7, 0x07, 0x03, 0x20, 0x00, 0x00, 0x67, 0x66, 0xc7, 0x87,
    0x00, 0x10, 0x00, 0x00, 0x03, 0x30, 0x00, 0x00, 0x67, 0x66, 0xc7, 0x87, 0x00, 0x20, 0x00, 0x00,
    0x83, 0x00, 0x00, 0x00, 0x0f, 0x20, 0xe0, 0x66, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xe0, 0x66, 0xb9,
    0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x66, 0x0d, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0x0f, 0x20,
    0xc0, 0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0x66, 0x0f, 0x01, 0x16, 0xa0, 0x7c,
    0xea, 0x75, 0x7c, 0x08, 0x00, 0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xd0, 0xb0, 0x10, 0xe6,
    0xf4, 0xf4, 0xeb, 0xfd, 0x0f, 0x1f, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x92, 0x00, 0x00,
    0x17, 0x00, 0x88, 0x7c, 0x00, 0x00,
};

static bool run_guest(const char *emulator, const char *image, char **why)
{
    CLEANUP(str) char *drive = xasprintf("file=%s,format=raw,if=ide", image);
    CLEANUP(process_result) struct process_result result = {0};
    CLEANUP(error) struct error *err = NULL;
    int64_t start = time_mono_ms();
    struct process_options options = {
        .argv = (const char *const[]){emulator, "-accel", "kvm", "-cpu", "max", "-m", "32",
                                      "-display", "none", "-nodefaults", "-no-reboot", "-device",
                                      "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", drive, NULL},
        .new_session = true,
    };

    if (process_run(&options, NULL, 0, OUTPUT_MAX, deadline_after(GUEST_MS), NULL, &result, &err) ==
        -1) {
        *why = err->code == ERROR_TIMEOUT
                   ? xasprintf("a guest did not end within %d ms", GUEST_MS)
                   : error_format(err);
        return false;
    }
    if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == EXIT_CODE) {
        *why = xasprintf("a guest ran in %d ms", (int)(time_mono_ms() - start));
        return true;
    }
    CLEANUP(str) char *status = process_status_format(result.status);
    struct span rest = span_of(result.errors), line = {0};
    span_split(&rest, '\n', &line);
    *why = xasprintf("a guest did not run: QEMU ended with %s: %.*s", status, (int)line.len,
                     line.ptr == NULL ? "" : line.ptr);
    return false;
}

static bool probe(const char *emulator, const char *cache, char **why)
{
    CLEANUP(str) char *image = xasprintf("%s.guest", cache);
    CLEANUP(error) struct error *err = NULL;
    unsigned char sector[SECTOR] = {0};

    if (access("/dev/kvm", R_OK | W_OK) == -1) {
        *why = xstrdup("there is no /dev/kvm");
        return false;
    }
    memcpy(sector, guest, sizeof(guest));
    sector[510] = 0x55;
    sector[511] = 0xaa;
    if (file_write(image, sector, sizeof(sector), 0600, &err) == -1) {
        *why = error_format(err);
        return false;
    }
    bool works = run_guest(emulator, image, why);
    unlink(image);
    return works;
}

bool accel_kvm_works(const char *emulator, const char *cache, char **why)
{
    CLEANUP(error) struct error *ignored = NULL; /* without a cache, the guest runs again */
    CLEANUP(str) char *boot = NULL;
    CLEANUP(str) char *known = NULL;

    if (file_read("/proc/sys/kernel/random/boot_id", CACHE_MAX, &boot, NULL, &ignored) == -1)
        boot = xstrdup("unknown\n");
    error_clear(&ignored);
    /* the file: boot id, "yes" or "no", and why, a line each */
    if (file_read(cache, CACHE_MAX, &known, NULL, &ignored) == 0 && str_starts_with(known, boot)) {
        struct span rest = span_of(known + strlen(boot)), answer = {0};

        span_split(&rest, '\n', &answer);
        *why = span_dup(span_trim(rest));
        return span_eq_str(answer, "yes");
    }
    error_clear(&ignored);

    bool works = probe(emulator, cache, why);
    CLEANUP(str) char *text = xasprintf("%s%s\n%.600s\n", boot, works ? "yes" : "no", *why);
    file_write(cache, text, strlen(text), 0600, &ignored);
    return works;
}
