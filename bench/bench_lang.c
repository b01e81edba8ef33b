/* How many policies are evaluated, templates rendered and rows judged in a second:
 *
 *     bench-lang policies INPUT.json FILE.rego...    one thread and two, with and without the index
 *     bench-lang memory INPUT.json FILE.rego...      of a process that does just that
 *     bench-lang templates
 *     bench-lang queries
 *
 * Seconds are of the clock on the wall: measure on a quiet machine. */
#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "lang/rego/json.h"
#include "lang/rego/rego.h"
#include "lang/template/template.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 1000 * 1000,
    ROWS = 10 * 1000,
    PASSES = 50,
    THREADS_MAX = 2,
    MEASURE_US = 1500 * 1000,
    BATCH = 64,
    COMPILES = 20,
    ALIKE = 500,
    FILES_MAX = 2000,
    FILE_BYTES_MAX = 1024 * 1024,
};

static int fail(struct error *err)
{
    CLEANUP(str) char *text = error_format(err);

    fprintf(stderr, "bench-lang: %s\n", text);
    error_free(err);
    return 1;
}

static void report(const char *what, double per_second)
{
    printf("%-58s %10.0f per second\n", what, per_second);
}

/* --- policies --------------------------------------------------------------------------------- */

struct worker {
    struct thread thread;
    struct rego *set;
    struct rego_query *query;
    struct span text; /* of the input */
    bool with_json;
    char *failure;
    uint64_t count;
    int64_t taken_us;
    char apart[64]; /* workers count on cache lines of their own */
};

static bool evaluate_once(struct worker *w, struct rego_eval *eval, const struct rval *input,
                          struct buf *out)
{
    CLEANUP(error) struct error *err = NULL;
    const struct rval *result = NULL;
    struct rego_failure failure;

    rego_eval_clear(eval);
    buf_clear(out);
    if (w->with_json && rjson_read(rego_eval_arena(eval), w->text, &input, &err) == -1) {
        w->failure = error_format(err);
        return false;
    }
    if (rego_eval_run(eval, w->query, input, &result, &failure) == -1 || result == NULL) {
        w->failure = xstrdup(failure.code != NULL ? failure.text : "there is no such document");
        return false;
    }
    if (w->with_json)
        rjson_write(out, result, RJSON_COMPACT);
    return true;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(w->set, NULL);
    CLEANUP(arena) struct arena arena = {0};
    CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024 * 1024);
    CLEANUP(error) struct error *err = NULL;
    const struct rval *input = NULL;

    if (rjson_read(&arena, w->text, &input, &err) == -1) {
        w->failure = error_format(err);
        return NULL;
    }
    int64_t start_us = time_mono_us();
    while ((w->taken_us = time_mono_us() - start_us) < MEASURE_US)
        for (int i = 0; i < BATCH; i++, w->count++)
            if (!evaluate_once(w, eval, input, &out))
                return NULL;
    return NULL;
}

static int measure(const char *what, struct rego *set, struct rego_query *query, struct span text,
                   int threads, bool with_json)
{
    struct worker workers[THREADS_MAX] = {0};
    struct error *err = NULL;
    double sum = 0;
    int status = 0;

    for (int i = 0; i < threads; i++) {
        workers[i] =
            (struct worker){.set = set, .query = query, .text = text, .with_json = with_json};
        if (thread_start(&workers[i].thread, "bench", work, &workers[i], &err) == -1)
            return fail(err);
    }
    for (int i = 0; i < threads; i++) {
        thread_join(&workers[i].thread);
        if (workers[i].failure != NULL)
            status = fprintf(stderr, "bench-lang: %s\n", workers[i].failure) > 0;
        free(workers[i].failure);
        sum += (double)workers[i].count * 1e6 / (double)(workers[i].taken_us + 1);
    }
    report(what, sum);
    return status;
}

struct files {
    struct rego_source *sources;
    char **texts;
    size_t count;
};

static struct rego *compile(const struct files *files, bool no_index)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    const struct rego_options options = {.no_index = no_index};
    struct rego *set = rego_compile(files->sources, files->count, &options, &diags);

    if (set == NULL)
        fprintf(stderr, "bench-lang: %s:%u: %s\n", diags.list[0].pos.file, diags.list[0].pos.line,
                diags.list[0].msg);
    return set;
}

static int read_files(struct files *files)
{
    struct error *err = NULL;

    for (size_t k = 0; k < files->count; k++) {
        free(files->texts[k]);
        files->texts[k] = NULL;
        if (file_read(files->sources[k].file, FILE_BYTES_MAX, &files->texts[k],
                      &files->sources[k].text.len, &err) == -1)
            return fail(err);
        files->sources[k].text.ptr = files->texts[k];
    }
    return 0;
}

/* The files are read again in each round, as a start does. */
static int bench_compile(struct files *files)
{
    int64_t best_us = INT64_MAX;

    for (int i = 0; i < COMPILES; i++) {
        int64_t start_us = time_mono_us();
        if (read_files(files) != 0)
            return 1;
        CLEANUP(rego) struct rego *set = compile(files, false);
        if (set == NULL)
            return 1;
        int64_t taken_us = time_mono_us() - start_us;
        best_us = taken_us < best_us ? taken_us : best_us;
        if (i == 0)
            printf("%-58s %10.2f ms\n", "load and compile, the first time", (double)taken_us / 1e3);
        if (i == COMPILES - 1)
            printf("%-58s %10.0f KiB\n", "memory of the compiled set",
                   (double)rego_memory(set) / 1024);
    }
    printf("%-58s %10.2f ms (%zu files)\n", "load and compile, best of 20", (double)best_us / 1e3,
           files->count);
    return 0;
}

static const char *const vsphere_path[] = {"io", "konveyor", "forklift", "vmware", "validate"};

static int bench_set(const char *what, const struct files *files, const char *const *path,
                     size_t path_len, struct span input, bool no_index, bool with_json,
                     int threads)
{
    CLEANUP(rego) struct rego *set = compile(files, no_index);
    if (set == NULL)
        return 1;
    CLEANUP(rego_query) struct rego_query *query = rego_query_path(set, path, path_len);
    return measure(what, set, query, input, threads, with_json);
}

static int bench_sets(const struct files *files, struct span input)
{
    static const struct {
        const char *what;
        bool no_index, with_json;
        int threads;
    } rows[] = {
        {"validate, input parsed, one core", false, false, 1},
        {"validate, input parsed, one core, no index", true, false, 1},
        {"validate, input parsed, two cores", false, false, 2},
        {"validate, JSON in and out, one core", false, true, 1},
        {"validate, JSON in and out, two cores", false, true, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (bench_set(rows[i].what, files, vsphere_path, ARRAY_SIZE(vsphere_path), input,
                      rows[i].no_index, rows[i].with_json, rows[i].threads) != 0)
            return 1;
    return 0;
}

/* Rules of one shape that differ in a constant, as a table of guests that are not supported. */
static int bench_alike(void)
{
    static const char *const path[] = {"guests", "concerns"};
    CLEANUP(buf) struct buf text = BUF_INIT(1 << 20);
    const struct span input = SPAN("{\"guest\": {\"id\": \"guest123\", \"memory\": 4096}}");

    buf_add(&text, "package guests\nimport rego.v1\n");
    for (int i = 0; i < ALIKE; i++)
        buf_printf(&text, "concerns contains {\"id\": \"guest%d\"} if {\n"
                          "\tinput.guest.id == \"guest%d\"\n\tinput.guest.memory > 1024\n}\n",
                   i, i);
    struct rego_source source = {.file = "guests.rego", .text = buf_span(&text)};
    const struct files files = {.sources = &source, .count = 1};
    return bench_set("500 rules that differ in a constant", &files, path, ARRAY_SIZE(path), input,
                     false, false, 1) ||
           bench_set("500 rules that differ in a constant, no index", &files, path,
                     ARRAY_SIZE(path), input, true, false, 1);
}

/* The most memory that this process has had resident. */
static int report_memory(void)
{
    CLEANUP(str) char *status = NULL;
    struct error *err = NULL;
    size_t len;

    if (file_read("/proc/self/status", FILE_BYTES_MAX, &status, &len, &err) == -1)
        return fail(err);
    const char *line = strstr(status, "VmHWM:");
    printf("%-58s %10ld KiB\n", "most memory of a process that loads and evaluates",
           line != NULL ? strtol(line + strlen("VmHWM:"), NULL, 10) : 0);
    return 0;
}

static int bench_memory(const struct files *files, struct span input)
{
    CLEANUP(rego) struct rego *set = compile(files, false);

    if (set == NULL)
        return 1;
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_path(set, vsphere_path, ARRAY_SIZE(vsphere_path));
    struct worker w = {.set = set, .query = query, .text = input, .with_json = true};
    work(&w);
    if (w.failure == NULL)
        return report_memory();
    fprintf(stderr, "bench-lang: %s\n", w.failure);
    free(w.failure);
    return 1;
}

static int bench_policies(int count, char **paths, bool memory)
{
    CLEANUP(str) char *input = NULL;
    struct error *err = NULL;
    struct files files = {xcalloc(FILES_MAX, sizeof(*files.sources)),
                          xcalloc(FILES_MAX, sizeof(*files.texts)), 0};
    size_t len;

    if (count < 2 || count > FILES_MAX) {
        fprintf(stderr, "usage: bench-lang policies|memory INPUT.json FILE.rego...\n");
        return 2;
    }
    if (file_read(paths[0], FILE_BYTES_MAX, &input, &len, &err) == -1)
        return fail(err);
    files.count = (size_t)count - 1;
    for (size_t i = 0; i < files.count; i++)
        files.sources[i] = (struct rego_source){.file = paths[i + 1], .version = REGO_AUTO};
    struct span text = {input, len};
    int status = memory ? read_files(&files) || bench_memory(&files, text)
                        : bench_compile(&files) || bench_sets(&files, text) || bench_alike();
    for (size_t i = 0; i < files.count; i++)
        free(files.texts[i]);
    free(files.texts);
    free(files.sources);
    return status;
}

/* --- templates -------------------------------------------------------------------------------- */

static int bench_template(const char *text)
{
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(1 << 20);
    struct error *err = NULL;
    json_auto_t *data = obj_pack("{s:s,s:s,s:s,s:i}", "VmName", "web-server-01", "TargetVmName",
                                 "web-server-01", "PlanName", "plan-a", "DiskIndex", 2);

    if (template_parse("bench", text, strlen(text), &template, &err) == -1)
        return fail(err);
    int64_t start_us = time_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        if (template_render(template, data, TEMPLATE_STRUCT, &out, &err) == -1)
            return fail(err);
    }
    report(text, ROUNDS * 1e6 / (double)(time_mono_us() - start_us));
    return 0;
}

static int bench_templates(void)
{
    return bench_template("{{.VmName}}-{{.DiskIndex}}") ||
           bench_template("{{trunc 15 .PlanName}}-{{trunc 15 .TargetVmName}}-disk-{{.DiskIndex}}");
}

/* --- queries ---------------------------------------------------------------------------------- */

static int bench_query(const char *text)
{
    CLEANUP(tsl) struct tsl *tsl = NULL;
    struct error *err = NULL;
    json_auto_t *rows = json_array();

    if (tsl_parse(text, &tsl, &err) == -1)
        return fail(err);
    for (int i = 0; i < ROWS; i++) {
        CLEANUP(str) char *name = xasprintf("%s-server-%04d", i % 3 == 0 ? "prod" : "test", i);
        json_array_append_new(rows, obj_pack("{s:s,s:i,s:i,s:s}", "name", name, "memoryMB",
                                             1024 * (i % 16), "cpuCount", i % 8, "powerState",
                                             "poweredOn"));
    }
    int64_t start_us = time_mono_us();
    for (int i = 0; i < PASSES; i++) {
        json_auto_t *found = NULL;
        if (tsl_run(tsl, rows, &found, NULL, &err) == -1)
            return fail(err);
    }
    report(text, (double)ROWS * PASSES * 1e6 / (double)(time_mono_us() - start_us));
    return 0;
}

static int bench_queries(void)
{
    return bench_query("where name ~= '.*prod.*' and memoryMB > 4096") ||
           bench_query("where name ~= '^prod-(server|db)' and memoryMB > 4096") ||
           bench_query("where name like 'prod%' and cpuCount in [2,4]");
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "policies") == 0)
        return bench_policies(argc - 2, argv + 2, false);
    if (argc >= 2 && strcmp(argv[1], "memory") == 0)
        return bench_policies(argc - 2, argv + 2, true);
    if (argc == 2 && strcmp(argv[1], "templates") == 0)
        return bench_templates();
    if (argc == 2 && strcmp(argv[1], "queries") == 0)
        return bench_queries();
    fprintf(stderr, "usage: bench-lang policies|memory INPUT.json FILE.rego... | templates | queries\n");
    return 2;
}
