#include "apiserver/object.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

/* Behind {"apiVersion":"..." : the value has no escapes, group and version being DNS names. */
static size_t find_rest(const char *text, size_t len)
{
    static const char start[] = "{\"apiVersion\":\"";

    if (len <= sizeof(start) || memcmp(text, start, sizeof(start) - 1) != 0)
        return 0;
    const char *quote = memchr(text + sizeof(start) - 1, '"', len - sizeof(start) + 1);
    return quote == NULL ? 0 : (size_t)(quote - text) + 1;
}

struct object *object_new(const char *ns, const char *name, const char *uid, uint64_t rv,
                          const char *text, size_t len, json_t *labels)
{
    size_t ns_len = strlen(ns), name_len = strlen(name), uid_len = strlen(uid);
    /* One allocation: the struct, key, namespace, uid, text. */
    size_t extra = ns_len + name_len + 2 + ns_len + 1 + uid_len + 1 + len + 1;
    struct object *object = xmalloc(sizeof(*object) + extra);
    char *p = (char *)(object + 1);

    *object = (struct object){.rv = rv, .labels = labels, .len = len};
    atomic_init(&object->refs, 1);
    object->key = p;
    memcpy(p, ns, ns_len);
    p[ns_len] = '/';
    object->name = p + ns_len + 1;
    memcpy(p + ns_len + 1, name, name_len + 1);
    p += ns_len + name_len + 2;
    object->ns = memcpy(p, ns, ns_len + 1);
    p += ns_len + 1;
    object->uid = memcpy(p, uid, uid_len + 1);
    p += uid_len + 1;
    object->text = memcpy(p, text, len);
    p[len] = '\0';
    object->rest = find_rest(object->text, len);
    return object;
}

struct object *object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
    return object;
}

void object_unref(struct object *object)
{
    if (object == NULL ||
        atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1)
        return;
    json_decref(object->labels);
    free(object);
}

json_t *object_parse(const struct object *object)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(object->text, object->len, &err);

    if (value == NULL) {
        log_write_error(LOG_LEVEL_ERROR, "apiserver", err, "a stored object does not parse");
        abort();
    }
    return value;
}

void object_list_free_all(struct object_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        object_unref(list->ptr[i]);
    object_list_reset(list);
}
