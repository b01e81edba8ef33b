#include "node/live/message.h"

#include "base/array.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>

enum { UUID_LEN = 36, TARGET_MAX = 32 };

static int need_texts(const json_t *message, const char *const *paths, size_t count, struct error **err)
{
    const char *text = NULL;

    for (size_t i = 0; i < count; i++)
        if (obj_need_str(message, paths[i], &text, err) == -1)
            return -1;
    return 0;
}

int live_hello_read(const json_t *message, struct live_hello *out, struct error **err)
{
    const char *id = NULL, *channel = NULL;

    if (obj_need_str(message, "migrationID", &id, err) == -1 ||
        obj_need_str(message, "channel", &channel, err) == -1)
        return -1;
    if (strlen(id) > LIVE_ID_MAX)
        return error_set(err, ERROR_INVALID, "a migration's ID of %zu bytes, more than %d", strlen(id),
                         LIVE_ID_MAX);
    *out = (struct live_hello){id, channel};
    return 0;
}

/* It names sockets. */
static bool is_uuid(const char *id)
{
    return strlen(id) == UUID_LEN && strspn(id, "0123456789abcdef-") == UUID_LEN;
}

/* A disk as guests call it: "vda". */
static bool is_target(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && text[0] != '\0' && strlen(text) <= TARGET_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(text);
}

static int check_disk(const json_t *disk, struct error **err)
{
    static const char *const sizes[] = {"sizeBytes", "allocatedBytes"};
    const char *name = NULL;

    if (obj_need_str(disk, "name", &name, err) == -1)
        return -1;
    if (!is_target(obj_at(disk, "target")))
        return error_set(err, ERROR_INVALID, "its \"target\" is no disk's name like vda");
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const json_t *size = obj_at(disk, sizes[i]);

        /* who could not measure a disk leaves it out */
        if (size != NULL && (!json_is_integer(size) || json_integer_value(size) < 0))
            return error_set(err, ERROR_INVALID, "its \"%s\" is no number of bytes", sizes[i]);
    }
    return 0;
}

int live_question_check(const json_t *question, struct error **err)
{
    static const char *const texts[] = {"id",           "node",         "namespace",       "name",
                                        "vmiUID",       "domain",       "folder",          "machine.uuid",
                                        "machine.type", "machine.arch", "machine.machine", "machine.memoryKiB"};
    const json_t *disks = obj_at(question, "machine.disks"), *disk;
    size_t i;

    if (need_texts(question, texts, ARRAY_SIZE(texts), err) == -1)
        return error_wrap(err, "the source's question");
    if (!is_uuid(obj_str(question, "id", "")))
        return error_set(err, ERROR_INVALID, "the source's \"id\" is no UUID");
    if (!json_is_array(disks) || json_array_size(disks) > LIVE_DISKS_MAX)
        return error_set(err, ERROR_INVALID, "the source's \"machine.disks\" is no list of up to %d disks",
                         LIVE_DISKS_MAX);
    json_array_foreach(disks, i, disk)
    {
        if (check_disk(disk, err) == -1)
            return error_wrap(err, "the source's machine.disks[%zu]", i);
    }
    return 0;
}

int live_plan_check(const json_t *plan, struct error **err)
{
    static const char *const texts[] = {"node", "domain", "namespace", "vmiUID"};
    const json_t *copied = obj_at(plan, "copied"), *target;
    size_t i;

    if (need_texts(plan, texts, ARRAY_SIZE(texts), err) == -1)
        return error_wrap(err, "the target's answer");
    if (!json_is_array(copied) || json_array_size(copied) > LIVE_DISKS_MAX)
        return error_set(err, ERROR_INVALID, "the target's \"copied\" is no list of up to %d disks",
                         LIVE_DISKS_MAX);
    json_array_foreach(copied, i, target)
    {
        if (!is_target(target))
            return error_set(err, ERROR_INVALID, "the target's copied[%zu] is no disk's name like vda", i);
    }
    return 0;
}
