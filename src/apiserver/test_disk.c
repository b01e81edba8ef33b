/* The store on a disk that fails: at the first call of each kind, at the second, and so on until none
 * is left to fail; once, or from then on until the disk is mended.  Whatever was acknowledged is
 * there, at once and after a restart; what was refused is not; and when the disk works again so do
 * writes.  GANTRY_DISK_SWEEP=full fails each call, the default one in many. */
#include "apiserver/store.h"

#include "apiserver/test_faulty_disk.h"
#include "apiserver/test_things.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 24, NAMES = 6, MAX_NTH = 4000 };

struct run {
    struct store *store;
    struct store_table *tables[2];       /* plain, sealed */
    struct object *acknowledged[2][NAMES]; /* what must be there */
    bool is_doubtful[2][NAMES]; /* the power went during its last write, which may be there or not */
    char *doubtful[2][NAMES];   /* that write's data, NULL: a removal */
    size_t refused;
    bool stops; /* at the first refusal: the power is gone */
};

static const char *name_of(size_t i)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f"};

    return names[i];
}

/* A write that is large now and then, so that it takes several pages. */
static char *data_of(int step)
{
    size_t len = step % 5 == 0 ? 20000 : 20;
    char *text = xmalloc(len + 1);

    memset(text, 'a' + step % 26, len);
    text[len] = '\0';
    return text;
}

/* One write.  Whether it was acknowledged is what the run remembers. */
static void write_step(struct run *run, int step)
{
    size_t t = (size_t)step % 2, n = (size_t)step / 2 % NAMES;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *data = data_of(step);
    json_auto_t *value = things_value(name_of(n), data);
    struct object *old = run->acknowledged[t][n], *out = NULL;
    bool removes = old != NULL && step % 3 == 0;
    const struct store_change change = {.table = run->tables[t],
                                        .ns = "ns",
                                        .name = name_of(n),
                                        .old = old,
                                        .value = value,
                                        .remove = removes};

    if (run->stops && run->refused > 0)
        return;
    free(steal(&run->doubtful[t][n]));
    run->is_doubtful[t][n] = false;
    if (store_write(run->store, &change, &out, &err) == -1) {
        /* a refusal says that it is the disk */
        CHECK(err->code == ERROR_IO || err->code == ERROR_CORRUPT || err->sys != 0);
        run->refused++;
        run->is_doubtful[t][n] = true;
        run->doubtful[t][n] = removes ? NULL : steal(&data);
        return;
    }
    run->acknowledged[t][n] = removes ? NULL : object_ref(out);
    object_unref(out);
    object_unref(old);
}

static int open_run(struct run *run, const struct store_options *options, struct error **err)
{
    if (store_open(options, &run->store, err) == -1)
        return -1;
    run->tables[0] = store_table(run->store, "things", false);
    run->tables[1] = store_table(run->store, "secrets", true);
    return 0;
}

/* Everything acknowledged is there, and nothing else.  MAY_HAVE: what was not answered before the
 * power went may be there as a whole. */
static void check_run(struct run *run, bool may_have)
{
    for (size_t t = 0; t < 2; t++)
        for (size_t n = 0; n < NAMES; n++) {
            CLEANUP(object) struct object *now = store_get(run->tables[t], "ns", name_of(n));
            const struct object *wanted = run->acknowledged[t][n];
            if (wanted == NULL ? now == NULL : now != NULL && str_eq(now->text, wanted->text))
                continue;
            CHECK(may_have && run->is_doubtful[t][n]);
            json_auto_t *value = now == NULL ? NULL : object_parse(now);
            const char *data = now == NULL ? NULL : obj_str(value, "data", "");
            CHECK(str_eq(data, run->doubtful[t][n]));
            object_unref(run->acknowledged[t][n]);
            run->acknowledged[t][n] = steal(&now);
        }
}

static void reset_run(struct run *run)
{
    store_close(steal(&run->store));
    for (size_t t = 0; t < 2; t++)
        for (size_t n = 0; n < NAMES; n++) {
            object_unref(run->acknowledged[t][n]);
            free(run->doubtful[t][n]);
        }
}

/* Work that a failure may strike anywhere: writes, and a key rotation, which also empties the log. */
static void work(struct run *run)
{
    CLEANUP(error) struct error *err = NULL; /* a rotation may fail; nothing is lost by it */

    for (int step = 0; step < STEPS / 2; step++)
        write_step(run, step);
    store_rotate_key(run->store, &err);
    for (int step = STEPS / 2; step < STEPS; step++)
        write_step(run, step);
}

/* The NTH call of CALL fails.  False: there were fewer. */
static bool run_once(enum disk_call call, enum disk_failure failure, uint64_t nth, bool goes_on)
{
    CLEANUP(str) char *name = xasprintf("%d-%d-%d-%d", call, failure, (int)nth, goes_on);
    struct store_options options = things_options(name);
    struct error *err = NULL;
    bool power = failure == DISK_POWER;
    struct run run = {.stops = power};

    faulty_disk_fail(call, failure, nth, goes_on);
    if (open_run(&run, &options, &err) == 0) {
        work(&run);
        if (!power)
            check_run(&run, false); /* reads go on, while the disk fails */
        if (power)
            store_close(steal(&run.store)); /* before the power is back: what was not synced is lost */
    }
    error_free(steal(&err));
    bool has_failed = faulty_disk_heal();
    if (run.store != NULL) {
        /* mended: writes go on without a restart */
        size_t before = run.refused;
        write_step(&run, 1);
        CHECK_U64(run.refused, before);
        check_run(&run, false);
        store_close(steal(&run.store));
    }
    CHECK_OK(open_run(&run, &options, &err), err);
    check_run(&run, power);
    reset_run(&run);
    return has_failed;
}

static void sweep(enum disk_call call, enum disk_failure failure, uint64_t step)
{
    uint64_t nth = 1;

    for (; nth < MAX_NTH && run_once(call, failure, nth, false); nth += step)
        run_once(call, failure, nth, true);
    CHECK(nth > 1 && nth < MAX_NTH);
}

static uint64_t stride(void)
{
    const char *text = getenv("GANTRY_DISK_SWEEP");

    return text != NULL && strcmp(text, "full") == 0 ? 1 : 37;
}

TEST(survives_a_failure_of_each_write)
{
    sweep(DISK_WRITE, DISK_EIO, stride());
}

TEST(survives_a_full_disk_at_each_write)
{
    sweep(DISK_WRITE, DISK_ENOSPC, stride());
}

TEST(survives_each_write_done_by_half)
{
    sweep(DISK_WRITE, DISK_SHORT, stride());
}

TEST(survives_a_failure_of_each_sync)
{
    sweep(DISK_SYNC, DISK_EIO, 1 + stride() / 5);
}

TEST(survives_each_sync_that_loses_what_was_written)
{
    sweep(DISK_SYNC, DISK_LOST, 1 + stride() / 5);
}

TEST(survives_a_failure_of_each_truncation_read_and_open)
{
    sweep(DISK_TRUNCATE, DISK_EIO, 1);
    sweep(DISK_READ, DISK_EIO, 1 + stride() / 5);
    sweep(DISK_OPEN, DISK_EIO, 1);
}

TEST(survives_a_power_cut_at_each_write)
{
    sweep(DISK_WRITE, DISK_POWER, stride());
}

TEST(survives_a_power_cut_at_each_sync)
{
    sweep(DISK_SYNC, DISK_POWER, 1 + stride() / 5);
}

/* Runs before the tests, which share one process. */
__attribute__((constructor)) static void install(void)
{
    faulty_disk_install();
}
