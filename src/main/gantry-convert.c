/* gantry-convert: converts a guest in place, see node/convert.h and its man page. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: gantry-convert [--progress=json] [--root ROOT] [--mac MAC:ip:ADDRESS...]... DISK...\n"
    "       gantry-convert --help | --version\n";

static bool as_json;

static void print_json(json_t *line)
{
    CLEANUP(str) char *text = obj_format(line);

    puts(text);
    fflush(stdout);
    json_decref(line);
}

static void on_stage(void *arg, const char *stage, int percent)
{
    if (as_json)
        print_json(obj_pack("{s:s,s:i}", "stage", stage, "percent", percent));
    else
        printf("%3d %% %s\n", percent, stage);
    fflush(stdout);
}

static void on_warning(void *arg, const char *text)
{
    fprintf(stderr, "gantry-convert: warning: %s\n", text);
}

/* With JSON the failure is the last line of all, so standard error gets nothing. */
static int show_failure(const struct error *err)
{
    CLEANUP(str) char *text = error_format(err);
    const char *hint = error_get_hint(err);

    if (as_json) {
        json_t *line = obj_pack("{s:s}", "error", text);

        obj_put_str(line, "hint", hint);
        print_json(line);
        return 1;
    }
    fprintf(stderr, "gantry-convert: %s\n", text);
    if (hint != NULL)
        fprintf(stderr, "hint: %s\n", hint);
    return 1;
}

static int convert_disks(const struct convert_options *options, struct error **err)
{
    json_auto_t *inspection = NULL;
    int64_t start = time_mono_ms();

    if (convert_run(options, &inspection, err) == -1)
        return -1;
    if (as_json) {
        print_json(obj_pack("{s:O,s:I}", "inspection", inspection, "milliseconds",
                            (json_int_t)(time_mono_ms() - start)));
        return 0;
    }
    CLEANUP(str) char *text = obj_format_pretty(inspection);
    printf("%s\n", text);
    return 0;
}

/* libguestfs runs QEMU itself, and emulates where KVM cannot be opened. */
static void prepare_libguestfs(void)
{
    setenv("LIBGUESTFS_BACKEND", "direct", 0);
    if (access("/dev/kvm", R_OK | W_OK) == -1)
        setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", 0);
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *work_dir = NULL;
    struct convert_options options = {.on_stage = on_stage, .on_warning = on_warning};
    const char *macs[CONVERT_MAX_MACS];
    size_t mac_count = 0;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "--version")) {
            fputs(str_eq(argv[i], "--help") ? usage : "gantry-convert " GANTRY_VERSION "\n", stdout);
            return 0;
        }
        if (str_eq(argv[i], "--progress=json")) {
            as_json = true;
        } else if (str_eq(argv[i], "--root") && i + 1 < argc) {
            options.root = argv[++i];
        } else if (str_eq(argv[i], "--mac") && i + 1 < argc && mac_count < CONVERT_MAX_MACS) {
            macs[mac_count++] = argv[++i];
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (i == argc) {
        fputs(usage, stderr);
        return 2;
    }
    log_init("gantry-convert", LOG_LEVEL_WARN, STDERR_FILENO);
    prepare_libguestfs();
    work_dir = dir_make_temp("/tmp/gantry-convert-", &err);
    if (work_dir == NULL)
        return show_failure(err);
    options.disks = (const char *const *)argv + i;
    options.disk_count = (size_t)(argc - i);
    options.work_dir = work_dir;
    options.macs = macs;
    options.mac_count = mac_count;
    int status = convert_disks(&options, &err) == -1 ? show_failure(err) : 0;

    CLEANUP(error) struct error *ignored = NULL; /* it lies in /tmp */
    dir_remove(work_dir, &ignored);
    return status;
}
