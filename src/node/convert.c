#include "node/convert.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/convert_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TOOL_MS = 600 * 1000,         /* qemu-img */
    CONVERT_MS = 4 * 3600 * 1000, /* the whole of virt-v2v */
    OUTPUT_MAX = 1024 * 1024,
    LINE_MAX_BYTES = 64 * 1024,
    STATE_MAX = 64 * 1024,
    PIECE = 4096,
    SHOWN_MAX = 400, /* of what a program wrote about its failure */
};

/* Stages of virt-v2v by how their messages begin, and how much of the time is over by then: most of
 * it is one rebuild of the guest's initramfs. */
static const struct {
    const char *begins;
    const char *stage;
    int percent;
} stages[] = {
    {"Setting up the source", "opening the disks", 1},
    {"Opening the source", "opening the disks", 2},
    {"Inspecting the source", "inspecting the guest", 12},
    {"Checking for sufficient", "checking for free space", 18},
    {"Converting ", "converting the guest", 20},
    {"Mapping filesystem data", "discarding free blocks", 82},
    {"Closing the overlay", "closing the disks", 84},
};

/* What a conversion works with. */
struct job {
    const struct convert_options *options;
    char *overlays[CONVERT_MAX_DISKS]; /* owned, as the paths below */
    char *state_path;                  /* there once the overlays are complete */
    char *xml_path;
};

static void job_reset(struct job *job)
{
    for (size_t i = 0; i < ARRAY_SIZE(job->overlays); i++)
        free(job->overlays[i]);
    free(job->state_path);
    free(job->xml_path);
}
DEFINE_CLEANUP_IN_PLACE(job, struct job, job_reset)

static bool is_block(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

static int job_init(struct job *job, const struct convert_options *options, struct error **err)
{
    job->options = options;
    if (options->disk_count == 0 || options->disk_count > CONVERT_MAX_DISKS)
        return error_set(err, ERROR_INVALID, "%zu disks: there must be 1 to %d",
                         options->disk_count, CONVERT_MAX_DISKS);
    for (size_t i = 0; i < options->disk_count; i++) {
        const char *disk = options->disks[i];

        if (access(disk, R_OK | W_OK) == -1)
            return error_sys(err, errno, "disk \"%s\"", disk);
        job->overlays[i] = is_block(disk) ? xasprintf("%s/disk-%zu.convert", options->work_dir, i)
                                          : xasprintf("%s.convert", disk);
    }
    job->state_path = xasprintf("%s.done", job->overlays[0]);
    job->xml_path = path_join(options->work_dir, "source.xml");
    return 0;
}

static void stage(const struct job *job, const char *name, int percent)
{
    job->options->on_stage(job->options->arg, name, percent);
}

/* Runs a program to its end; a status other than 0 is an error with the end of what it wrote. */
static int run_tool(const char *const *argv, struct error **err)
{
    CLEANUP(process_result) struct process_result result = {0};
    struct process_options options = {.argv = argv};

    if (process_run(&options, NULL, 0, OUTPUT_MAX, deadline_after(TOOL_MS), NULL, &result, err) == -1)
        return -1;
    if (result.status == 0)
        return 0;
    CLEANUP(str) char *status = process_status_format(result.status);
    struct span text = span_trim(span_of(result.errors));
    return error_set(err, ERROR_IO, "%s ended with %s: %.*s", argv[0], status,
                     (int)(text.len > SHOWN_MAX ? SHOWN_MAX : text.len), text.ptr);
}

static int remove_file(const char *path, struct error **err)
{
    if (unlink(path) == -1 && errno != ENOENT)
        return error_sys(err, errno, "cannot remove \"%s\"", path);
    return 0;
}

static int make_overlay(const char *disk, const char *overlay, struct error **err)
{
    const char *const argv[] = {"qemu-img", "create", "-q", "-f",    "qcow2", "-F",
                                "raw",      "-b",     disk, overlay, NULL};

    return remove_file(overlay, err) == -1 ? -1 : run_tool(argv, err);
}

static void add_xml_text(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '&')
            buf_add(out, "&amp;");
        else if (*text == '<')
            buf_add(out, "&lt;");
        else if (*text == '\'')
            buf_add(out, "&apos;");
        else
            buf_add_char(out, *text);
}

/* The machine as virt-v2v is told of it: nothing but its disks and their order matters. */
static int write_source(const struct job *job, struct error **err)
{
    CLEANUP(buf) struct buf xml = BUF_INIT(OUTPUT_MAX);

    buf_add(&xml, "<domain type='qemu'>\n  <name>guest</name>\n  <memory unit='MiB'>1024</memory>\n"
                  "  <vcpu>1</vcpu>\n  <os><type arch='x86_64'>hvm</type></os>\n"
                  "  <features><acpi/><apic/></features>\n  <devices>\n");
    for (size_t i = 0; i < job->options->disk_count; i++) {
        char letter[] = {i < 26 ? '\0' : (char)('a' + i / 26 - 1), '\0'};

        buf_add(&xml, "    <disk type='file' device='disk'>\n      <driver name='qemu' "
                      "type='qcow2'/>\n      <source file='");
        add_xml_text(&xml, job->overlays[i]);
        buf_printf(&xml, "'/>\n      <target dev='sd%s%c' bus='scsi'/>\n    </disk>\n", letter,
                   (char)('a' + i % 26));
    }
    buf_add(&xml, "  </devices>\n</domain>\n");
    if (buf_check(&xml, err) == -1)
        return -1;
    return file_write(job->xml_path, xml.ptr, xml.len, 0600, err);
}

/* What virt-v2v says while it runs. */
struct listening {
    const struct job *job;
    struct buf line;
    char *last_error; /* owned */
};

static void take_line(struct listening *l)
{
    CLEANUP(error) struct error *ignored = NULL; /* not all it writes is JSON */
    json_auto_t *event = l->line.len == 0 ? NULL : obj_parse(l->line.ptr, l->line.len, &ignored);
    const char *type = obj_str(event, "type", ""), *text = obj_str(event, "message", "");

    if (str_eq(type, "error")) {
        free(l->last_error);
        l->last_error = xstrndup(text, strcspn(text, "\n")); /* more lines are advice on debugging */
    } else if (str_eq(type, "warning")) {
        l->job->options->on_warning(l->job->options->arg, text);
    }
    for (size_t i = 0; str_eq(type, "message") && i < ARRAY_SIZE(stages); i++)
        if (str_starts_with(text, stages[i].begins))
            stage(l->job, stages[i].stage, stages[i].percent);
    buf_clear(&l->line);
}

/* Reads lines until the end of FD or the deadline. */
static int listen_to(struct listening *l, int fd, struct deadline deadline, struct error **err)
{
    char piece[PIECE];
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    for (;;) {
        if (poll(&pfd, 1, deadline_left_ms(deadline)) == 0)
            return error_set(err, ERROR_TIMEOUT, "virt-v2v did not end in time");
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] == '\n')
                take_line(l);
            else
                buf_add_char(&l->line, piece[i]);
    }
}

static int convert_failed(const struct listening *l, int status, struct error **err)
{
    CLEANUP(str) char *text = process_status_format(status);

    error_set(err, ERROR_UNSUPPORTED, "virt-v2v cannot convert the guest: %s",
              l->last_error != NULL ? l->last_error : text);
    return error_hint(err, "spec.skipGuestConversion moves the disks as they are");
}

static int run_virt_v2v(const struct job *job, struct error **err)
{
    enum { OTHERS = 8 };
    const char *argv[OTHERS + 2 * CONVERT_MAX_MACS] = {"virt-v2v-in-place", "--machine-readable",
                                                       "-i", "libvirtxml"};
    size_t n = 4;
    int fds[2];
    CLEANUP(process) struct process *process = NULL;
    struct deadline deadline = deadline_after(CONVERT_MS);
    struct listening l = {.job = job, .line = BUF_INIT(LINE_MAX_BYTES)};

    if (job->options->root != NULL) {
        argv[n++] = "--root";
        argv[n++] = job->options->root;
    }
    for (size_t i = 0; i < job->options->mac_count && i < CONVERT_MAX_MACS; i++) {
        argv[n++] = "--mac";
        argv[n++] = job->options->macs[i];
    }
    argv[n] = job->xml_path;
    if (pipe2(fds, O_CLOEXEC) == -1)
        return error_sys(err, errno, "cannot make a pipe");

    /* Its own words go to our log; machine-readable lines come by the pipe. */
    struct process_options options = {
        .argv = argv, .stdout_fd = fds[1], .stderr_fd = STDERR_FILENO, .die_with_us = true};
    int result = process_start(&options, &process, err);
    close(fds[1]);
    CLEANUP(fd) int fd = fds[0];
    int status = 0;
    if (result == 0)
        result = listen_to(&l, fd, deadline, err);
    if (result == 0 && !process_wait(process, deadline, NULL, &status))
        result = error_set(err, ERROR_TIMEOUT, "virt-v2v did not end in time");
    if (result == 0 && status != 0)
        result = convert_failed(&l, status, err);
    buf_reset(&l.line);
    free(l.last_error);
    return result;
}

static void remove_overlays(const struct job *job)
{
    for (size_t i = 0; i < job->options->disk_count; i++) {
        CLEANUP(error) struct error *ignored = NULL; /* the next run removes them */

        remove_file(job->overlays[i], &ignored);
    }
}

/* The point of no return: from here on the overlays are the truth. */
static int declare_done(const struct job *job, const json_t *inspection, struct error **err)
{
    CLEANUP(str) char *text = obj_format(inspection);

    if (fault("convert.done"))
        return error_sys(err, EIO, "cannot write \"%s\"", job->state_path);
    return file_write(job->state_path, text, strlen(text), 0600, err);
}

static int convert(const struct job *job, json_t **inspection, struct error **err)
{
    const struct convert_options *options = job->options;

    for (size_t i = 0; i < options->disk_count; i++)
        if (make_overlay(options->disks[i], job->overlays[i], err) == -1)
            return -1;
    if (write_source(job, err) == -1 || run_virt_v2v(job, err) == -1)
        return -1;
    stage(job, "inspecting the result", 86);
    *inspection = convert_inspect((const char *const *)job->overlays, options->disk_count);
    return declare_done(job, *inspection, err);
}

/* What an earlier run has completed, or NULL. */
static int read_done(const struct job *job, json_t **inspection, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    *inspection = NULL;
    if (!file_exists(job->state_path))
        return 0;
    if (file_read(job->state_path, STATE_MAX, &text, &len, err) == -1)
        return -1;
    *inspection = obj_parse(text, len, err);
    return *inspection == NULL ? error_wrap(err, "\"%s\"", job->state_path) : 0;
}

static int commit(const struct job *job, struct error **err)
{
    stage(job, "committing", 96);
    for (size_t i = 0; i < job->options->disk_count; i++) {
        const char *const argv[] = {"qemu-img", "commit", "-q", "-f", "qcow2", job->overlays[i], NULL};

        if (!file_exists(job->overlays[i]))
            continue; /* committed before we were killed */
        if (run_tool(argv, err) == -1)
            return error_wrap(err, "disk \"%s\"", job->options->disks[i]);
        if (fault("convert.commit"))
            return error_sys(err, EIO, "cannot commit");
        if (remove_file(job->overlays[i], err) == -1)
            return -1;
    }
    return remove_file(job->state_path, err);
}

int convert_run(const struct convert_options *options, json_t **inspection, struct error **err)
{
    CLEANUP(job) struct job job = {0};
    json_auto_t *found = NULL;

    if (job_init(&job, options, err) == -1 || read_done(&job, &found, err) == -1)
        return -1;
    if (found == NULL && convert(&job, &found, err) == -1) {
        remove_overlays(&job);
        return -1;
    }
    if (commit(&job, err) == -1)
        return -1;
    *inspection = json_incref(found);
    return 0;
}
