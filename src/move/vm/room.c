#include "move/vm/room.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A copy of a status to change.  A Migration's machines, which may be megabytes, are shared: they are
 * replaced as a whole. */
static json_t *copy_status(const json_t *status)
{
    json_t *copy = json_object();
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)status, key, value)
        json_object_set_new(copy, key, str_eq(key, "vms") ? json_incref(value) : obj_copy(value));
    return copy;
}

static void adopt(struct edit *edit, json_t *object)
{
    edit->before = object;
    edit->object = json_copy(object);
    edit->status = copy_status(obj_obj(object, "status"));
    json_object_set_new(edit->object, "status", edit->status);
}

int edit_open(struct room *room, const struct kube_kind *kind, const char *ns, const char *name,
              struct edit *edit, struct error **err)
{
    json_t *object = NULL;

    memset(edit, 0, sizeof(*edit));
    edit->kind = kind;
    if (kube_get(room->client, kind, ns, name, &object, err) == -1)
        return -1;
    if (object != NULL)
        adopt(edit, object);
    return 0;
}

int edit_save(struct room *room, struct edit *edit, struct error **err)
{
    obj_put_int(edit->status, "observedGeneration",
                obj_int(edit->object, "metadata.generation", 0));
    if (obj_eq(obj_at(edit->before, "status"), edit->status))
        return 0;
    return kube_update_status(room->client, edit->kind, edit->object, NULL, err);
}

void edit_reset(struct edit *edit)
{
    json_decref(edit->before);
    json_decref(edit->object);
    memset(edit, 0, sizeof(*edit));
}

bool object_has_condition(const json_t *object, const char *type)
{
    const json_t *list = obj_arr(object, "status.conditions");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        if (str_eq(obj_str(condition, "type", NULL), type) &&
            str_eq(obj_str(condition, "status", NULL), "True"))
            return true;
    }
    return false;
}

bool object_is_ready(const json_t *object)
{
    return object_has_condition(object, "Ready");
}

bool object_is_deleted(const json_t *object)
{
    return obj_str(object, "metadata.deletionTimestamp", NULL) != NULL;
}

char *object_key(const json_t *object)
{
    return xasprintf("%s/%s", obj_str(object, "metadata.namespace", ""),
                     obj_str(object, "metadata.name", ""));
}

char *reference_key(const json_t *reference)
{
    return xasprintf("%s/%s", obj_str(reference, "namespace", ""), obj_str(reference, "name", ""));
}

bool reference_is_set(const json_t *reference)
{
    return !str_is_empty(obj_str(reference, "namespace", NULL)) &&
           !str_is_empty(obj_str(reference, "name", NULL));
}

int reference_get(struct room *room, const struct kube_kind *kind, const json_t *reference,
                  json_t **out, struct error **err)
{
    return kube_get(room->client, kind, obj_str(reference, "namespace", ""),
                    obj_str(reference, "name", ""), out, err);
}

void room_event(struct room *room, const struct kube_kind *kind, const json_t *object,
                enum event_type type, const char *reason, const char *format, ...)
{
    va_list args;

    if (room->events == NULL)
        return;
    va_start(args, format);
    CLEANUP(str) char *text = xvasprintf(format, args);
    va_end(args);
    event_record(room->events, kind, object, type, reason, "%s", text);
}

void finding_add(json_t *status, const char *type, enum condition_category category,
                 const char *reason, const char *suggestion, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *message = xvasprintf(format, args);
    va_end(args);
    conditions_set(status, &(struct condition){.type = type,
                                               .category = category,
                                               .reason = reason,
                                               .message = message,
                                               .suggestion = suggestion});
}

void finding_add_item(json_t *status, const char *type, enum condition_category category,
                      const char *reason, const char *suggestion, const char *message,
                      const char *item)
{
    const char *const items[] = {item, NULL};

    conditions_set(status, &(struct condition){.type = type,
                                               .category = category,
                                               .reason = reason,
                                               .message = message,
                                               .suggestion = suggestion,
                                               .items = items});
}
