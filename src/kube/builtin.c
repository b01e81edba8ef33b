#include "kube/builtin.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/builtin_rules.h"
#include "kube/embed.h"

#include <assert.h>
#include <string.h>

static json_t *read_embedded(const struct embedded *embedded)
{
    CLEANUP(error) struct error *err = NULL;

    if (embedded->name == NULL)
        return NULL;

    json_t *definition = obj_parse(embedded->text, embedded->len, &err);

    assert(definition != NULL); /* our own data, read by a test, too */
    return definition;
}

json_t *builtin_definition(size_t i)
{
    return read_embedded(&embed_builtins[i]);
}

json_t *builtin_crd(size_t i)
{
    return read_embedded(&embed_crds[i]);
}

size_t builtin_crd_count(void)
{
    size_t count = 0;

    while (embed_crds[count].name != NULL)
        count++;
    return count;
}

static const char *const server_fields[] = {
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
};

void builtin_prepare_create(const struct kube_type *type, const struct kube_version *version,
                            json_t *object, const char *uid, int64_t now_ms)
{
    char now[TIME_TEXT_SIZE];

    if (obj_obj(object, "metadata") == NULL)
        obj_take(object, "metadata", json_object());

    json_t *metadata = obj_obj(object, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(server_fields); i++)
        json_object_del(metadata, server_fields[i]);
    obj_put_str(metadata, "uid", uid);
    obj_put_str(metadata, "creationTimestamp", time_format(now_ms, now));
    if (type->has_generation)
        obj_put_int(metadata, "generation", 1);
    if (version->has_status)
        json_object_del(object, "status");
    if (type->rules != NULL && type->rules->prepare != NULL)
        type->rules->prepare(object, NULL);
}

/* Makes TO's member like FROM's, also in being absent. */
static void carry_over(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);

    if (value != NULL)
        json_object_set(to, name, value);
    else
        json_object_del(to, name);
}

/* Is what the generation counts the same?  All but metadata, status and the version's name; of
 * built-in kinds the spec. */
static bool wants_same(const struct kube_type *type, const struct kube_version *version,
                       const json_t *a, const json_t *b)
{
    static const char *const apart[] = {"metadata", "apiVersion", "kind"};
    json_auto_t *x = json_copy((json_t *)(uintptr_t)a), *y = json_copy((json_t *)(uintptr_t)b);

    if (!type->is_custom) {
        json_t *p = json_object_get(a, "spec"), *q = json_object_get(b, "spec");

        return p == q || (p != NULL && q != NULL && obj_eq(p, q));
    }
    for (size_t i = 0; i < ARRAY_SIZE(apart); i++) {
        json_object_del(x, apart[i]);
        json_object_del(y, apart[i]);
    }
    if (version->has_status) {
        json_object_del(x, "status");
        json_object_del(y, "status");
    }
    return obj_eq(x, y);
}

/* A write to /status changes the status and nothing else, not even labels. */
static void keep_all_but_status(json_t *object, const json_t *old)
{
    json_auto_t *status = json_incref(json_object_get(object, "status"));
    json_auto_t *sent = json_incref(json_object_get(object, "metadata"));
    json_t *metadata = json_copy(json_object_get(old, "metadata"));

    carry_over(metadata, sent, "resourceVersion");
    carry_over(metadata, sent, "managedFields");
    json_object_clear(object);
    json_object_update(object, (json_t *)(uintptr_t)old);
    json_object_set_new(object, "metadata", metadata);
    if (status != NULL)
        json_object_set(object, "status", status);
    else
        json_object_del(object, "status");
}

void builtin_prepare_update(const struct kube_type *type, const struct kube_version *version,
                            const char *subresource, json_t *object, const json_t *old)
{
    static const char *const kept[] = {
        "uid",        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "generation", "selfLink"};
    json_t *before = json_object_get(old, "metadata");

    if (str_eq(subresource, "status"))
        keep_all_but_status(object, old);
    else if (version->has_status)
        carry_over(object, old, "status");
    if (obj_obj(object, "metadata") == NULL)
        obj_take(object, "metadata", json_object());

    json_t *metadata = obj_obj(object, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        carry_over(metadata, before, kept[i]);
    if (type->rules != NULL && type->rules->prepare != NULL && !str_eq(subresource, "status"))
        type->rules->prepare(object, old);
    if (type->has_generation && !wants_same(type, version, object, old))
        obj_put_int(metadata, "generation", obj_int(before, "generation", 0) + 1);
}

void builtin_validate(const struct kube_type *type, const json_t *object, const json_t *old,
                      struct cause_list *causes)
{
    meta_validate(object, old, type->rules != NULL ? type->rules->names : NAME_SUBDOMAIN, causes);
    if (type->rules != NULL && type->rules->validate != NULL)
        type->rules->validate(object, old, causes);
}
