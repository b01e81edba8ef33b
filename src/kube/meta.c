#include "kube/meta.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <string.h>

const char *meta_name(const json_t *object)
{
    return obj_str(object, "metadata.name", "");
}

const char *meta_ns(const json_t *object)
{
    return obj_str(object, "metadata.namespace", "");
}

const char *meta_uid(const json_t *object)
{
    return obj_str(object, "metadata.uid", "");
}

const char *meta_resource_version(const json_t *object)
{
    return obj_str(object, "metadata.resourceVersion", "");
}

int64_t meta_generation(const json_t *object)
{
    return obj_int(object, "metadata.generation", 0);
}

static int64_t time_at(const json_t *object, const char *path)
{
    const char *text = obj_str(object, path, NULL);
    struct error *err = NULL;
    int64_t ms = 0;

    if (text != NULL && time_parse(text, &ms, &err) == -1)
        error_clear(&err); /* a wrong time is as good as none */
    return ms;
}

int64_t meta_created_ms(const json_t *object)
{
    return time_at(object, "metadata.creationTimestamp");
}

int64_t meta_deleted_ms(const json_t *object)
{
    return time_at(object, "metadata.deletionTimestamp");
}

bool meta_is_deleting(const json_t *object)
{
    return obj_str(object, "metadata.deletionTimestamp", NULL) != NULL;
}

const char *meta_label(const json_t *object, const char *key)
{
    return obj_map_str(obj_obj(object, "metadata.labels"), key);
}

const char *meta_annotation(const json_t *object, const char *key)
{
    return obj_map_str(obj_obj(object, "metadata.annotations"), key);
}

/* Puts KEY into the map at PATH, which is made if need be. */
static void set_in_map(json_t *object, const char *path, const char *key, const char *value)
{
    json_t *map = obj_obj(object, path);

    if (value == NULL) {
        json_object_del(map, key);
        return;
    }
    if (map == NULL) {
        map = json_object();
        obj_take(object, path, map);
    }
    json_object_set_new_nocheck(map, key, obj_new_str(value));
}

void meta_set_label(json_t *object, const char *key, const char *value)
{
    set_in_map(object, "metadata.labels", key, value);
}

void meta_set_annotation(json_t *object, const char *key, const char *value)
{
    set_in_map(object, "metadata.annotations", key, value);
}

char *meta_api_version(const struct kube_kind *kind)
{
    if (*kind->group == '\0')
        return xstrdup(kind->version);
    return xasprintf("%s/%s", kind->group, kind->version);
}

static json_t *new_object(const struct kube_kind *kind, const char *ns, const char *name_path,
                          const char *name)
{
    json_t *object = json_object();
    CLEANUP(str) char *api_version = meta_api_version(kind);

    obj_put_str(object, "apiVersion", api_version);
    obj_put_str(object, "kind", kind->kind);
    obj_put_str(object, name_path, name);
    obj_put_str(object, "metadata.namespace", ns);
    return object;
}

json_t *meta_new(const struct kube_kind *kind, const char *ns, const char *name)
{
    return new_object(kind, ns, "metadata.name", name);
}

json_t *meta_new_generated(const struct kube_kind *kind, const char *ns, const char *prefix)
{
    return new_object(kind, ns, "metadata.generateName", prefix);
}

/* Where FINALIZER is, or SIZE_MAX. */
static size_t find_finalizer(const json_t *object, const char *finalizer)
{
    size_t i;
    json_t *value;

    json_array_foreach(obj_arr(object, "metadata.finalizers"), i,
                       value) if (str_eq(json_string_value(value), finalizer)) return i;
    return SIZE_MAX;
}

void meta_drop_empty(json_t *object)
{
    static const char *const names[] = {"labels", "annotations", "finalizers", "ownerReferences"};
    json_t *metadata = obj_obj(object, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const json_t *value = json_object_get(metadata, names[i]);
        if (value != NULL && !json_is_string(value) && json_object_size(value) == 0 &&
            json_array_size(value) == 0)
            json_object_del(metadata, names[i]);
    }
}

bool meta_has_finalizer(const json_t *object, const char *finalizer)
{
    return find_finalizer(object, finalizer) != SIZE_MAX;
}

bool meta_add_finalizer(json_t *object, const char *finalizer)
{
    if (meta_has_finalizer(object, finalizer))
        return false;
    obj_put_str(object, "metadata.finalizers[]", finalizer);
    return true;
}

bool meta_remove_finalizer(json_t *object, const char *finalizer)
{
    size_t i = find_finalizer(object, finalizer);

    if (i == SIZE_MAX)
        return false;
    json_array_remove(obj_arr(object, "metadata.finalizers"), i);
    return true;
}

void meta_add_owner(json_t *object, const struct kube_kind *kind, const json_t *owner,
                    bool controller)
{
    if (meta_is_owned_by(object, meta_uid(owner)))
        return;

    CLEANUP(str) char *api_version = meta_api_version(kind);
    json_t *reference = json_object();
    obj_put_str(reference, "apiVersion", api_version);
    obj_put_str(reference, "kind", kind->kind);
    obj_put_str(reference, "name", meta_name(owner));
    obj_put_str(reference, "uid", meta_uid(owner));
    if (controller)
        obj_put_bool(reference, "controller", true);
    obj_put_bool(reference, "blockOwnerDeletion", true);
    obj_take(object, "metadata.ownerReferences[]", reference);
}

bool meta_is_owned_by(const json_t *object, const char *owner_uid)
{
    size_t i;
    json_t *reference;

    json_array_foreach(obj_arr(object, "metadata.ownerReferences"), i,
                       reference) if (str_eq(obj_str(reference, "uid", ""), owner_uid)) return true;
    return false;
}

json_t *meta_controller_of(const json_t *object)
{
    size_t i;
    json_t *reference;

    json_array_foreach(obj_arr(object, "metadata.ownerReferences"), i,
                       reference) if (obj_bool(reference, "controller", false)) return reference;
    return NULL;
}

char *meta_key(const char *ns, const char *name)
{
    if (str_is_empty(ns))
        return xstrdup(name);
    return xasprintf("%s/%s", ns, name);
}

char *meta_key_of(const json_t *object)
{
    return meta_key(meta_ns(object), meta_name(object));
}

const char *meta_key_split(const char *key, char **ns)
{
    const char *slash = strchr(key, '/');

    if (slash == NULL) {
        *ns = NULL;
        return key;
    }
    *ns = xstrndup(key, (size_t)(slash - key));
    return slash + 1;
}
