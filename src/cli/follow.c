#include "cli/follow.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { POLL_MS = 250, BAR_WIDTH = 24, LINE_BYTES_MAX = 1024, COLUMNS_DEFAULT = 100 };

/* What is remembered of a machine between two looks, for rates and for what was printed. */
struct seen {
    char *step;        /* name and phase last printed */
    int64_t at_ms;     /* when `completed` was first seen at its value */
    int64_t completed; /* MiB */
    double rate;       /* MiB/s, smoothed */
};

struct follower {
    FILE *out;
    bool is_terminal;
    size_t columns;
    size_t lines_drawn;
    struct map *seen; /* VM id to struct seen */
};

static void seen_free(void *value)
{
    struct seen *seen = value;

    free(seen->step);
    free(seen);
}

/* The step that a machine is in: the first that is not completed, else the last. */
static const json_t *current_step(const json_t *vm)
{
    json_t *pipeline = obj_arr(vm, "pipeline");
    json_t *step = NULL;
    size_t i;

    json_array_foreach (pipeline, i, step)
        if (strcmp(obj_str(step, "phase", ""), "Completed") != 0)
            return step;
    return json_array_get(pipeline, json_array_size(pipeline) - 1);
}

static struct seen *find_seen(struct follower *f, const json_t *vm)
{
    const char *id = obj_str(vm, "id", obj_str(vm, "name", "?"));
    struct seen *seen = map_find(f->seen, id);

    if (seen == NULL) {
        seen = xcalloc(1, sizeof(*seen));
        seen->at_ms = time_mono_ms();
        map_put(f->seen, id, seen);
    }
    return seen;
}

static void update_rate(struct seen *seen, int64_t completed)
{
    int64_t now = time_mono_ms();

    if (completed < seen->completed) { /* another step counts anew */
        *seen = (struct seen){.step = seen->step, .at_ms = now, .completed = completed};
        return;
    }
    if (completed == seen->completed || now == seen->at_ms)
        return;

    double rate = (double)(completed - seen->completed) * 1000 / (double)(now - seen->at_ms);

    seen->rate = seen->rate == 0 ? rate : seen->rate * 0.7 + rate * 0.3;
    seen->completed = completed;
    seen->at_ms = now;
}

static const char *vm_error(const json_t *vm)
{
    return obj_str(vm, "error.reasons[0]", NULL);
}

static void add_bar(struct buf *line, int64_t completed, int64_t total)
{
    int64_t filled = total <= 0 ? 0 : completed * BAR_WIDTH / total;

    buf_add_char(line, '[');
    for (int64_t i = 0; i < BAR_WIDTH; i++)
        buf_add_char(line, i < filled ? '#' : '.');
    buf_printf(line, "] %3" PRId64 "%%", total <= 0 ? 0 : completed * 100 / total);
}

/* "web  DiskTransfer  [####....]  17%  12 of 64 MB, 30 MB/s, 2 s left" */
static void format_line(struct follower *f, const json_t *vm, struct buf *line)
{
    const json_t *step = current_step(vm);
    struct seen *seen = find_seen(f, vm);
    int64_t completed = obj_int(step, "progress.completed", 0);
    int64_t total = obj_int(step, "progress.total", 0);
    const char *unit = obj_str(step, "annotations.unit", "");

    buf_printf(line, "%-20s %-22s ", obj_str(vm, "name", obj_str(vm, "id", "?")),
               obj_str(step, "name", "waiting"));
    if (vm_error(vm) != NULL) {
        buf_printf(line, "failed: %s", vm_error(vm));
        return;
    }
    add_bar(line, completed, total);
    if (strcmp(unit, "MB") != 0)
        return;
    update_rate(seen, completed);
    buf_printf(line, "  %" PRId64 " of %" PRId64 " MB", completed, total);
    if (seen->rate >= 1 && completed < total)
        buf_printf(line, ", %.0f MB/s, %.0f s left", seen->rate,
                   (double)(total - completed) / seen->rate);
}

static void draw(struct follower *f, const json_t *vms)
{
    size_t i;
    json_t *vm;

    if (f->lines_drawn > 0)
        fprintf(f->out, "\033[%zuA", f->lines_drawn);
    json_array_foreach (vms, i, vm) {
        CLEANUP(buf) struct buf line = BUF_INIT(LINE_BYTES_MAX);

        format_line(f, vm, &line);
        if (line.len > f->columns - 1)
            line.ptr[f->columns - 1] = '\0';
        fprintf(f->out, "\r\033[K%s\n", line.ptr);
    }
    f->lines_drawn = json_array_size(vms);
    fflush(f->out);
}

/* A line for each step that has begun or ended since the last look. */
static void print_changes(struct follower *f, const json_t *vms)
{
    size_t i;
    json_t *vm;

    json_array_foreach (vms, i, vm) {
        const json_t *step = current_step(vm);
        struct seen *seen = find_seen(f, vm);
        char *now = xasprintf("%s %s", obj_str(step, "name", "waiting"),
                              obj_str(step, "phase", "Pending"));

        if (str_eq(now, seen->step)) {
            free(now);
            continue;
        }
        free(seen->step);
        seen->step = now;
        fprintf(f->out, "%s: %s\n", obj_str(vm, "name", obj_str(vm, "id", "?")), now);
        fflush(f->out);
    }
}

static bool has_condition(const json_t *migration, const char *type)
{
    json_t *condition;
    size_t i;

    json_array_foreach (obj_arr(migration, "status.conditions"), i, condition)
        if (strcmp(obj_str(condition, "type", ""), type) == 0 &&
            strcmp(obj_str(condition, "status", ""), "True") == 0)
            return true;
    return false;
}

static void print_errors(FILE *out, const json_t *migration)
{
    json_t *vm, *reason, *condition;
    size_t i, j;

    json_array_foreach (obj_arr(migration, "status.vms"), i, vm)
        json_array_foreach (obj_arr(vm, "error.reasons"), j, reason)
            fprintf(out, "%s: %s: %s\n", obj_str(vm, "name", obj_str(vm, "id", "?")),
                    obj_str(vm, "error.phase", "?"), json_string_value(reason));
    json_array_foreach (obj_arr(migration, "status.conditions"), i, condition) {
        const char *category = obj_str(condition, "category", "");

        if (strcmp(category, "Critical") == 0 || strcmp(category, "Error") == 0)
            fprintf(out, "%s: %s\n", obj_str(condition, "type", "?"),
                    obj_str(condition, "message", ""));
    }
}

static bool find_result(const json_t *migration, enum follow_result *result)
{
    static const struct {
        const char *type;
        enum follow_result result;
    } ends[] = {{"Succeeded", FOLLOW_SUCCEEDED},
                {"Failed", FOLLOW_FAILED},
                {"Canceled", FOLLOW_CANCELED}};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (!has_condition(migration, ends[i].type))
            continue;
        *result = ends[i].result;
        return true;
    }
    return false;
}

static int look(struct follower *f, struct kube_client *client, const char *ns, const char *name,
                bool *ended, enum follow_result *result, struct error **err)
{
    json_auto_t *migration = NULL;

    if (kube_get(client, &KIND_MIGRATION, ns, name, &migration, err) == -1)
        return -1;
    if (migration == NULL)
        return error_set(err, ERROR_NOT_FOUND, "migration \"%s/%s\" is gone", ns, name);

    const json_t *vms = obj_arr(migration, "status.vms");

    if (f->is_terminal)
        draw(f, vms);
    else
        print_changes(f, vms);
    *ended = find_result(migration, result);
    if (*ended && *result != FOLLOW_SUCCEEDED)
        print_errors(f->out, migration);
    return 0;
}

int follow_migration(struct kube_client *client, const char *ns, const char *name, FILE *out,
                     struct cancel *cancel, enum follow_result *result, struct error **err)
{
    struct follower f = {.out = out, .is_terminal = isatty(fileno(out)), .seen = map_new()};
    struct winsize size;
    bool ended = false;
    int status = 0;

    f.columns = COLUMNS_DEFAULT;
    if (f.is_terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        f.columns = size.ws_col;
    while (status == 0 && !ended) {
        status = look(&f, client, ns, name, &ended, result, err);
        if (status == 0 && !ended && cancel_wait(cancel, POLL_MS))
            status = error_set(err, ERROR_CANCELED, "no longer following");
    }
    map_free(f.seen, seen_free);
    return status;
}
