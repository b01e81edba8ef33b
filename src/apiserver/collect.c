/* The rules:
 *
 *   an object whose owners are all gone goes, too;
 *   an object that is deleted in the foreground waits for its dependents that block it, which are
 *   deleted now;
 *   an object that is deleted as an orphan's owner first loses its dependents' references;
 *   a namespace that is deleted is emptied, kind by kind;
 *   a definition that is deleted loses its objects first.
 *
 * Owners are found by kind and name and believed only if the uid is the same.
 */
#include "apiserver/collect.h"

#define LOG_COMPONENT "housekeeping"

#include "apiserver/server.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <string.h>

#define FINALIZER_ORPHAN "orphan"
#define FINALIZER_FOREGROUND "foregroundDeletion"

struct collection {
    struct apiserver *server;
    struct served_list kinds;
    struct map *uids; /* of owners that this look is about -> their note */
    struct map *asked; /* uids of owners of what is gone, once each */
    struct note_list *later;
};

/* A kind as the client needs it; valid as long as SERVED. */
static struct kube_kind kind_of(const struct served *served)
{
    return (struct kube_kind){
        .group = served->type->group,
        .version = served->type->versions[0].name,
        .plural = served->type->plural,
        .kind = served->type->kind,
        .cluster_scoped = !served->type->namespaced,
    };
}

static const struct served *find_kind(const struct collection *c, const char *group,
                                      const char *plural)
{
    for (size_t i = 0; i < c->kinds.len; i++)
        if (str_eq(c->kinds.ptr[i]->type->plural, plural) &&
            str_eq(c->kinds.ptr[i]->type->group, group))
            return c->kinds.ptr[i];
    return NULL;
}

/* The kind of an owner reference. */
static const struct served *find_owner_kind(const struct collection *c, const json_t *ref)
{
    const char *api_version = obj_str(ref, "apiVersion", ""), *kind = obj_str(ref, "kind", "");
    const char *slash = strchr(api_version, '/');
    CLEANUP(str) char *group =
        slash == NULL ? xstrdup("") : xstrndup(api_version, (size_t)(slash - api_version));

    for (size_t i = 0; i < c->kinds.len; i++)
        if (str_eq(c->kinds.ptr[i]->type->kind, kind) &&
            str_eq(c->kinds.ptr[i]->type->group, group))
            return c->kinds.ptr[i];
    return NULL;
}

static void delete_object(struct collection *c, const struct served *served, const json_t *object,
                          enum kube_propagation propagation)
{
    CLEANUP(error) struct error *err = NULL;
    struct kube_kind kind = kind_of(served);
    const char *ns = served->type->namespaced ? meta_ns(object) : NULL;

    if (kube_delete(c->server->client, &kind, ns, meta_name(object), meta_uid(object), propagation,
                    &err) == -1 &&
        err->code != ERROR_NOT_FOUND && err->code != ERROR_CONFLICT)
        log_warn_error(err, "an object that should go stays");
}

/* Writes OBJECT, which was changed; a conflict means that somebody's write brings a new note. */
static bool update_object(struct collection *c, const struct served *served, const json_t *object)
{
    CLEANUP(error) struct error *err = NULL;
    struct kube_kind kind = kind_of(served);

    if (kube_update(c->server->client, &kind, object, NULL, &err) == 0)
        return true;
    if (err->code != ERROR_NOT_FOUND && err->code != ERROR_CONFLICT)
        log_warn_error(err, "an object could not be updated");
    return false;
}

/* --- Owners gone ------------------------------------------------------------------------------------------ */

static bool owner_exists(const struct collection *c, const json_t *ref, const char *ns)
{
    const struct served *served = find_owner_kind(c, ref);

    if (served == NULL)
        return true; /* a kind that is not served: better keep too much */
    CLEANUP(object) struct object *owner =
        store_get(served->table, served->type->namespaced ? ns : NULL, obj_str(ref, "name", ""));
    return owner != NULL && str_eq(owner->uid, obj_str(ref, "uid", ""));
}

/* True if OBJECT's owner may go only after it. */
static bool blocks(const json_t *ref)
{
    return obj_bool(ref, "blockOwnerDeletion", false);
}

static bool all_owners_exist(const struct collection *c, const json_t *refs, const char *ns)
{
    size_t i;
    json_t *ref;

    json_array_foreach((json_t *)(uintptr_t)refs, i, ref) {
        if (!owner_exists(c, ref, ns))
            return false;
    }
    return true;
}

static void check_owners(struct collection *c, const struct served *served, const json_t *object)
{
    json_t *refs = obj_arr(object, "metadata.ownerReferences");
    json_auto_t *kept = json_array();
    size_t i, count = json_array_size(refs);
    json_t *ref;

    if (count == 0 || meta_is_deleting(object))
        return;
    json_array_foreach(refs, i, ref) {
        if (owner_exists(c, ref, meta_ns(object)))
            json_array_append(kept, ref);
    }
    if (json_array_size(kept) == 0) {
        delete_object(c, served, object, KUBE_DELETE_BACKGROUND);
    } else if (json_array_size(kept) < count) {
        json_auto_t *changed = obj_copy(object);
        obj_take(changed, "metadata.ownerReferences", json_incref(kept));
        update_object(c, served, changed);
    }
}

/* --- Dependents --------------------------------------------------------------------------------------------- */

/* What is known about the dependents of one owner that is being deleted. */
struct owner {
    const struct note *note;
    bool is_foreground, is_orphan;
    size_t blocking; /* dependents that are still there and block it */
    bool failed;
};

static void visit_dependent(struct collection *c, struct owner *owner, const struct served *served,
                            const json_t *object, const json_t *ref)
{
    if (owner->is_orphan) {
        json_auto_t *changed = obj_copy(object);
        json_t *refs = obj_arr(changed, "metadata.ownerReferences");
        for (size_t i = json_array_size(refs); i-- > 0;)
            if (str_eq(obj_str(json_array_get(refs, i), "uid", ""), owner->note->uid))
                json_array_remove(refs, i);
        if (!update_object(c, served, changed))
            owner->failed = true;
    } else if (owner->is_foreground) {
        owner->blocking += blocks(ref) ? 1 : 0;
        if (!meta_is_deleting(object))
            delete_object(c, served, object,
                          blocks(ref) ? KUBE_DELETE_FOREGROUND : KUBE_DELETE_BACKGROUND);
    } else {
        check_owners(c, served, object);
    }
}

/* False if the object certainly names none of the owners: most name others, and need not be parsed to
 * see that.  The text is compact. */
static bool may_depend(const struct collection *c, const struct object *stored)
{
    static const char field[] = "\"uid\":\"";
    const char *at = strstr(stored->text, "\"ownerReferences\":[");

    while (at != NULL && (at = strstr(at, field)) != NULL) {
        at += strlen(field);
        CLEANUP(str) char *uid = xstrndup(at, strcspn(at, "\""));
        if (map_find(c->uids, uid) != NULL)
            return true;
    }
    return false;
}

static void visit_object(struct collection *c, const struct served *served,
                         const struct object *stored)
{
    if (!may_depend(c, stored))
        return;
    json_auto_t *object = object_parse(stored);
    json_t *refs = obj_arr(object, "metadata.ownerReferences");
    size_t i;
    json_t *ref;

    json_array_foreach(refs, i, ref) {
        struct owner *owner = map_find(c->uids, obj_str(ref, "uid", ""));
        if (owner == NULL)
            continue;
        visit_dependent(c, owner, served, object, ref);
        if (!owner->is_orphan)
            return; /* what was to be done about this object is done */
    }
}

/* One walk over all objects, for all owners of this look. */
static void visit_dependents(struct collection *c)
{
    for (size_t i = 0; i < c->kinds.len; i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(object_list) struct object_list list = {0};
        uint64_t version = 0;
        if (store_list(c->kinds.ptr[i]->table, NULL, "", &version, &list, &err) == -1)
            continue; /* cannot be: a list of now has no version */
        for (size_t j = 0; j < list.len; j++)
            visit_object(c, c->kinds.ptr[i], list.ptr[j]);
    }
}

/* The object of a note as it is now, parsed, or NULL. */
static json_t *look_up(const struct collection *c, const struct note *note,
                       const struct served **served)
{
    *served = find_kind(c, note->group, note->plural);
    if (*served == NULL)
        return NULL;
    CLEANUP(object) struct object *stored =
        store_get((*served)->table, (*served)->type->namespaced ? note->ns : NULL, note->name);
    if (stored == NULL || !str_eq(stored->uid, note->uid))
        return NULL;
    json_t *object = object_parse(stored);
    struct kube_kind kind = kind_of(*served);
    CLEANUP(str) char *api_version = meta_api_version(&kind);
    obj_put_str(object, "apiVersion", api_version);
    return object;
}

/* Its dependents are done: lets the owner go. */
static void release_owner(struct collection *c, const struct owner *owner)
{
    const struct served *served = NULL;
    json_auto_t *object = look_up(c, owner->note, &served);

    if (object == NULL || owner->blocking > 0 || owner->failed)
        return;

    bool had_orphan = meta_remove_finalizer(object, FINALIZER_ORPHAN);
    bool had_foreground = meta_remove_finalizer(object, FINALIZER_FOREGROUND);

    if (had_orphan || had_foreground)
        update_object(c, served, object);
}

/* --- Namespaces ----------------------------------------------------------------------------------------------- */

/* Asks for the deletion of everything in NS; returns how many objects are left. */
static size_t empty_namespace(struct collection *c, const char *ns)
{
    size_t left = 0;

    for (size_t i = 0; i < c->kinds.len; i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(object_list) struct object_list list = {0};
        const struct served *served = c->kinds.ptr[i];
        uint64_t version = 0;
        if (!served->type->namespaced ||
            store_list(served->table, ns, "", &version, &list, &err) == -1)
            continue;
        for (size_t j = 0; j < list.len; j++) {
            json_auto_t *object = object_parse(list.ptr[j]);
            if (!meta_is_deleting(object))
                delete_object(c, served, object, KUBE_DELETE_BACKGROUND);
            CLEANUP(object) struct object *still = store_get(served->table, ns, list.ptr[j]->name);
            left += still != NULL ? 1 : 0;
        }
    }
    return left;
}

static void finalize_namespace(struct collection *c, json_t *ns)
{
    CLEANUP(error) struct error *err = NULL;

    obj_take(ns, "spec.finalizers", json_array());
    CLEANUP(str) char *body = obj_format(ns);
    CLEANUP(str) char *path = xasprintf("/api/v1/namespaces/%s/finalize", meta_name(ns));
    const struct kube_request request = {
        .method = "PUT",
        .path = path,
        .content_type = "application/json",
        .body = body,
        .body_len = strlen(body),
        .timeout_ms = 30000,
    };
    json_auto_t *answer = NULL;
    if (kube_raw(c->server->client, &request, &answer, &err) == -1 && err->code != ERROR_NOT_FOUND)
        log_warn_error(err, "a namespace that is empty stays");
}

/* --- Definitions ------------------------------------------------------------------------------------------------ */

/* Asks for the deletion of all objects of a definition; returns how many are left. */
static size_t empty_kind(struct collection *c, const json_t *crd)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object_list) struct object_list list = {0};
    const struct served *served = find_kind(c, obj_str(crd, "spec.group", ""),
                                            obj_str(crd, "spec.names.plural", ""));
    uint64_t version = 0;

    if (served == NULL || store_list(served->table, NULL, "", &version, &list, &err) == -1)
        return 0;
    for (size_t i = 0; i < list.len; i++) {
        json_auto_t *object = object_parse(list.ptr[i]);
        if (!meta_is_deleting(object))
            delete_object(c, served, object, KUBE_DELETE_BACKGROUND);
    }
    return store_count(served->table);
}

/* --- Notes -------------------------------------------------------------------------------------------------------- */

static void move_to_later(struct collection *c, struct note *note)
{
    note_list_push(c->later, *note);
    *note = (struct note){0};
}

/* Namespaces and definitions that are being deleted. */
static void end_container(struct collection *c, struct note *note)
{
    bool is_ns = str_eq(note->plural, "namespaces") && *note->group == '\0';
    bool is_crd =
        str_eq(note->plural, "customresourcedefinitions") && str_eq(note->group, CRD_GROUP);
    const struct served *served = NULL;

    if (note->is_removed || (!is_ns && !is_crd))
        return;
    json_auto_t *object = look_up(c, note, &served);
    if (object == NULL || !meta_is_deleting(object))
        return;
    if ((is_ns ? empty_namespace(c, note->name) : empty_kind(c, object)) > 0)
        move_to_later(c, note);
    else if (is_ns)
        finalize_namespace(c, object);
    else if (meta_remove_finalizer(object, CRD_FINALIZER) && !update_object(c, served, object))
        move_to_later(c, note);
}

/* Owners whose dependents must be visited in this look, by uid. */
static void add_owner(struct collection *c, const struct note *note)
{
    const struct served *served = NULL;
    struct owner owner = {.note = note};

    if (!note->is_removed) {
        /* Most writes change nothing about owners: seen without parsing what may be megabytes. */
        if (!note->is_deleting && note->owners != NULL &&
            all_owners_exist(c, note->owners, note->ns))
            return;
        json_auto_t *object = look_up(c, note, &served);
        if (object == NULL)
            return;
        owner.is_foreground = meta_has_finalizer(object, FINALIZER_FOREGROUND);
        owner.is_orphan = meta_has_finalizer(object, FINALIZER_ORPHAN);
        if (!meta_is_deleting(object) || (!owner.is_foreground && !owner.is_orphan)) {
            check_owners(c, served, object);
            return;
        }
    }
    free(map_put(c->uids, note->uid, xmemdup(&owner, sizeof(owner))));
}

/* False if the object certainly is not being deleted.  A look at the text, which may be megabytes of
 * a plan's that a thousand removed objects belong to. */
static bool may_be_deleting(const struct served *served, const char *ns, const char *name)
{
    CLEANUP(object)
    struct object *stored = store_get(served->table, served->type->namespaced ? ns : NULL, name);

    return stored != NULL && strstr(stored->text, "\"deletionTimestamp\"") != NULL;
}

/* A dependent that is gone may have been the last one its owners waited for. */
static void add_owners_of(struct collection *c, const struct note *note, struct note_list *extra)
{
    size_t i;
    json_t *ref;

    if (!note->is_removed)
        return;
    json_array_foreach(note->owners, i, ref) {
        const struct served *served = find_owner_kind(c, ref);
        const char *uid = obj_str(ref, "uid", "");
        if (served == NULL || map_find(c->asked, uid) != NULL)
            continue;
        map_put(c->asked, uid, c);
        if (!may_be_deleting(served, note->ns, obj_str(ref, "name", "")))
            continue;
        struct note owner = {
            .group = xstrdup(served->type->group),
            .plural = xstrdup(served->type->plural),
            .ns = xstrdup(served->type->namespaced ? note->ns : ""),
            .name = xstrdup(obj_str(ref, "name", "")),
            .uid = xstrdup(uid),
        };
        note_list_push(extra, owner);
    }
}

void collect(struct apiserver *server, struct note_list *notes, struct note_list *later)
{
    struct collection c = {
        .server = server, .uids = map_new(), .asked = map_new(), .later = later};
    struct note_list extra = {0};

    registry_list(server->registry, &c.kinds);
    for (size_t i = 0; i < notes->len; i++)
        add_owners_of(&c, &notes->ptr[i], &extra);
    for (size_t i = 0; i < notes->len; i++)
        add_owner(&c, &notes->ptr[i]);
    for (size_t i = 0; i < extra.len; i++)
        add_owner(&c, &extra.ptr[i]);
    if (map_count(c.uids) > 0)
        visit_dependents(&c);

    size_t pos = 0;
    void *value = NULL;
    while (map_next(c.uids, &pos, &value) != NULL) {
        const struct owner *owner = value;
        if (!owner->note->is_removed)
            release_owner(&c, owner);
    }
    for (size_t i = 0; i < notes->len; i++)
        if (notes->ptr[i].name != NULL)
            end_container(&c, &notes->ptr[i]);
    map_free(c.uids, free);
    map_free(c.asked, NULL);
    note_list_free_all(&extra);
    served_list_free_all(&c.kinds);
}
