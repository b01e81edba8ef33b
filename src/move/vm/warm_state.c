#include "move/vm/warm_state.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "move/vm/vm_status.h"

#include <string.h>

static void put_time(json_t *o, const char *path, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    obj_put_str(o, path, time_format(ms, text));
}

static const json_t *precopies(const struct vm_run *run)
{
    return obj_arr(run->status, "warm.precopies");
}

json_t *warm_last(const struct vm_run *run)
{
    size_t count = json_array_size(precopies(run));

    return count == 0 ? NULL : json_array_get(precopies(run), count - 1);
}

bool warm_is_open(const json_t *precopy)
{
    return precopy != NULL && obj_str(precopy, "end", NULL) == NULL;
}

size_t warm_count(const struct vm_run *run)
{
    return json_array_size(precopies(run));
}

static void count_up(struct vm_run *run, const char *path)
{
    obj_put_int(run->status, path, obj_int(run->status, path, 0) + 1);
}

json_t *warm_begin(struct vm_run *run)
{
    json_t *precopy = json_object();

    if (obj_obj(run->status, "warm") == NULL)
        obj_take(run->status, "warm",
                 obj_pack("{s:i, s:i, s:i, s:[]}", "successes", 0, "failures", 0,
                          "consecutiveFailures", 0, "precopies"));
    put_time(precopy, "start", time_now_ms());
    obj_take(run->status, "warm.precopies[]", precopy);
    return warm_last(run);
}

void warm_end(struct vm_run *run, int64_t interval_ms)
{
    json_t *precopy = warm_last(run);

    if (!warm_is_open(precopy))
        return;
    put_time(precopy, "end", time_now_ms());
    put_time(run->status, "warm.nextPrecopyAt", time_now_ms() + interval_ms);
    count_up(run, "warm.successes");
    obj_put_int(run->status, "warm.consecutiveFailures", 0);
}

void warm_count_failure(struct vm_run *run)
{
    if (obj_obj(run->status, "warm") == NULL)
        return;
    count_up(run, "warm.failures");
    count_up(run, "warm.consecutiveFailures");
}

int64_t warm_next_ms(const struct vm_run *run)
{
    CLEANUP(error) struct error *ignored = NULL; /* we wrote it */
    int64_t at = 0;

    time_parse(obj_str(run->status, "warm.nextPrecopyAt", ""), &at, &ignored);
    return at;
}

const char *warm_previous_state(const struct vm_run *run, const char *name)
{
    for (size_t i = json_array_size(precopies(run)); i > 0; i--) {
        const json_t *precopy = json_array_get(precopies(run), i - 1);
        const json_t *deltas = obj_arr(precopy, "deltas");

        if (warm_is_open(precopy))
            continue;
        for (size_t k = 0; k < json_array_size(deltas); k++)
            if (str_eq(obj_str(json_array_get(deltas, k), "disk", ""), name))
                return obj_str(json_array_get(deltas, k), "deltaId", NULL);
        return NULL;
    }
    return NULL;
}

char *warm_describe_snapshot(const struct vm_run *run, size_t number)
{
    return xasprintf("Forklift Operator warm migration precopy (plan=%s migration=%s precopy=%zu)",
                     meta_uid(run->view->plan), meta_uid(run->migration), number);
}

bool warm_is_ours(const struct vm_run *run, const struct source_snapshot *snapshot)
{
    CLEANUP(str) char *mark = xasprintf("(plan=%s ", meta_uid(run->view->plan));

    return strstr(snapshot->description, mark) != NULL;
}
