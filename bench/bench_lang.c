/* How many templates are rendered and how many rows judged in a second, on one core. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "lang/template/template.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 2 * 1000 * 1000, ROWS = 10 * 1000, PASSES = 100 };

static int fail(struct error *err)
{
    CLEANUP(str) char *text = error_format(err);

    fprintf(stderr, "bench_lang: %s\n", text);
    error_free(err);
    return 1;
}

static void report(const char *what, uint64_t count, int64_t started_us)
{
    int64_t us = time_mono_us() - started_us;

    printf("%-44s %10.0f per second\n", what, (double)count * 1e6 / (double)us);
}

static int bench_template(const char *text)
{
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(1 << 20);
    struct error *err = NULL;
    json_auto_t *data = obj_pack("{s:s,s:s,s:s,s:i}", "VmName", "web-server-01", "TargetVmName",
                                 "web-server-01", "PlanName", "plan-a", "DiskIndex", 2);

    if (template_parse("bench", text, strlen(text), &template, &err) == -1)
        return fail(err);
    int64_t started_us = time_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        if (template_render(template, data, TEMPLATE_STRUCT, &out, &err) == -1)
            return fail(err);
    }
    report(text, ROUNDS, started_us);
    return 0;
}

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
    int64_t started_us = time_mono_us();
    for (int i = 0; i < PASSES; i++) {
        json_auto_t *found = NULL;
        if (tsl_run(tsl, rows, &found, NULL, &err) == -1)
            return fail(err);
    }
    report(text, (uint64_t)ROWS * PASSES, started_us);
    return 0;
}

int main(void)
{
    return bench_template("{{.VmName}}-{{.DiskIndex}}") ||
           bench_template(
               "{{trunc 15 .PlanName}}-{{trunc 15 .TargetVmName}}-disk-{{.DiskIndex}}") ||
           bench_query("where name ~= '.*prod.*' and memoryMB > 4096") ||
           bench_query("where name ~= '^prod-(server|db)' and memoryMB > 4096") ||
           bench_query("where name like 'prod%' and cpuCount in [2,4]");
}
