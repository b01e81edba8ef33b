#include "disk/target.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob_nbd.h"
#include "disk/target_nbd.h"
#include "disk/uring.h"

#include <errno.h>
#include <stdlib.h>

static void null_close(struct target *target)
{
    free(target);
}

static int null_write(struct target *target, const void *data, size_t len, uint64_t offset,
                      struct error **err)
{
    return 0;
}

static int null_zero(struct target *target, uint64_t offset, uint64_t length, struct error **err)
{
    return 0;
}

static int null_sync(struct target *target, struct error **err)
{
    return 0;
}

static int null_finish(struct target *target, uint64_t size_bytes, struct error **err)
{
    return 0;
}

struct target *target_null_open(void)
{
    static const struct target_ops ops = {null_close, null_write, null_zero, null_sync,
                                          null_finish};
    struct target *target = xcalloc(1, sizeof(*target));

    *target = (struct target){.ops = &ops, .name = xstrdup("null:"), .reads_zero = true};
    return target;
}

int target_open(const char *destination, uint64_t size_bytes, const struct target_options *options,
                struct target **out, struct error **err)
{
    if (str_eq(destination, "null:")) {
        *out = target_null_open();
        return 0;
    }
    if (options->format != NULL && str_eq(options->format, "qcow2"))
        return target_qcow2_open(destination, size_bytes, options, out, err);
    if (options->format != NULL && !str_eq(options->format, "raw")) {
        error_set(err, ERROR_INVALID, "cannot write format \"%s\"", options->format);
        return error_hint(err, "raw or qcow2");
    }
    if (blob_nbd_is_uri(destination))
        return target_nbd_open(destination, size_bytes, options, out, err);
    return target_file_open(destination, size_bytes, options, out, err);
}

void target_close(struct target *target)
{
    if (target == NULL)
        return;
    free(target->name);
    target->ops->close(target);
}

int target_write(struct target *target, const void *data, size_t len, uint64_t offset,
                 struct error **err)
{
    if (fault("copy.write"))
        return error_sys(err, EIO, "cannot write \"%s\"", target->name);
    return len == 0 ? 0 : target->ops->write(target, data, len, offset, err);
}

struct target_lane {
    struct target *target;
    struct uring *ring; /* NULL: writes are done when they return */
};

struct target_lane *target_lane_open(struct target *target, void *const *buffers, size_t count,
                                     size_t len)
{
    struct target_lane *lane = xcalloc(1, sizeof(*lane));

    lane->target = target;
    if (target->is_async)
        lane->ring = uring_new(buffers, count, len);
    return lane;
}

void target_lane_close(struct target_lane *lane)
{
    CLEANUP(error) struct error *ignored = NULL; /* who wants to know has waited */

    if (lane == NULL)
        return;
    if (lane->ring != NULL)
        uring_wait(lane->ring, lane->target->name, &ignored);
    uring_free(lane->ring);
    free(lane);
}

bool target_lane_is_async(const struct target_lane *lane)
{
    return lane->ring != NULL;
}

int target_lane_write(struct target_lane *lane, const void *data, size_t len, uint64_t offset,
                      struct error **err)
{
    struct target *target = lane->target;

    if (lane->ring == NULL || len == 0)
        return target_write(target, data, len, offset, err);
    if (fault("copy.write"))
        return error_sys(err, EIO, "cannot write \"%s\"", target->name);
    return target->ops->write_later(target, lane->ring, data, len, offset, err);
}

void target_lane_submit(struct target_lane *lane)
{
    if (lane->ring != NULL)
        uring_submit(lane->ring);
}

int target_lane_wait(struct target_lane *lane, struct error **err)
{
    if (lane->ring == NULL || uring_wait(lane->ring, lane->target->name, err) == 0)
        return 0;
    if ((*err)->sys == ENOSPC)
        error_hint(err, TARGET_FULL_HINT);
    return -1;
}

bool target_share(struct target *target, int fd, uint64_t from, uint64_t offset, uint64_t length)
{
    return target->ops->share != NULL && target->ops->share(target, fd, from, offset, length);
}

int target_zero(struct target *target, uint64_t offset, uint64_t length, struct error **err)
{
    return length == 0 ? 0 : target->ops->zero(target, offset, length, err);
}

int target_sync(struct target *target, struct error **err)
{
    if (fault("copy.sync"))
        return error_sys(err, EIO, "cannot make \"%s\" durable", target->name);
    return target->ops->sync(target, err);
}

int target_finish(struct target *target, uint64_t size_bytes, struct error **err)
{
    if (fault("copy.finish"))
        return error_sys(err, EIO, "cannot make \"%s\" durable", target->name);
    return target->ops->finish(target, size_bytes, err);
}
