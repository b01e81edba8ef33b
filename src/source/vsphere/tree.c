#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "data/obj.h"
#include "net/url.h"
#include "source/source.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PATH_DEPTH = 64 };

struct vsphere_tree {
    struct map *objects; /* id to struct vsphere_object */
    bool names_changed;  /* of something that others' paths may go through */
    bool disks_changed;
};

static void object_free(void *arg)
{
    struct vsphere_object *object = arg;

    free(object->id);
    free(object->name);
    free(object->parent_type);
    free(object->parent_id);
    json_decref(object->json);
    json_decref(object->tracked);
    free(object);
}

struct vsphere_tree *vsphere_tree_new(void)
{
    struct vsphere_tree *tree = xcalloc(1, sizeof(*tree));

    tree->objects = map_new();
    return tree;
}

void vsphere_tree_free(struct vsphere_tree *tree)
{
    if (tree == NULL)
        return;
    map_free(tree->objects, object_free);
    free(tree);
}

size_t vsphere_tree_count(const struct vsphere_tree *tree)
{
    return map_count(tree->objects);
}

/* Applying. */

static struct vsphere_object *need_object(struct vsphere_tree *tree, const char *id,
                                          const struct vsphere_type *type, struct error **err)
{
    struct vsphere_object *object = map_find(tree->objects, id);

    if (object != NULL)
        return object;
    if (map_count(tree->objects) >= VSPHERE_MAX_OBJECTS) {
        error_set(err, ERROR_UNSUPPORTED, "more than %d objects", VSPHERE_MAX_OBJECTS);
        return NULL;
    }
    object = xcalloc(1, sizeof(*object));
    object->id = xstrdup(id);
    object->type = type;
    object->name = xstrdup("");
    object->json = type->make();
    map_put(tree->objects, id, object);
    return object;
}

/* Names come with some letters as %XX. */
static void set_name(struct vsphere_tree *tree, struct vsphere_object *object,
                     struct dom_node *value)
{
    CLEANUP(str) char *text = dom_text(value);
    CLEANUP(error) struct error *unused = NULL; /* a name that is no escape is kept as it is */
    char *name = NULL;

    if (url_unescape(span_of(text), false, &name, &unused) == -1)
        name = steal(&text);
    if (!str_eq(object->name, name) && !str_eq(object->type->kind, "VM"))
        tree->names_changed = true;
    free(object->name);
    object->name = name;
}

static void set_parent(struct vsphere_tree *tree, struct vsphere_object *object,
                       struct dom_node *value)
{
    free(object->parent_type);
    free(object->parent_id);
    object->parent_type = vsphere_type_of(value);
    object->parent_id = vsphere_id(value);
    if (!str_eq(object->type->kind, "VM"))
        tree->names_changed = true;
}

static void apply_change(struct vsphere_tree *tree, struct vsphere_object *object,
                         struct dom_node *change)
{
    CLEANUP(str) char *path = vsphere_text(change, "name");
    CLEANUP(str) char *op = vsphere_text(change, "op");
    struct dom_node *value = dom_first(change, "val");

    if (value == NULL && str_eq(path, "snapshot")) { /* the last one was removed */
        obj_take(object->json, "snapshot", vsphere_ref(NULL));
        object->dirty = true;
    }
    if (!str_eq(op, "assign") || value == NULL)
        return;
    if (str_eq(path, "name")) {
        set_name(tree, object, value);
    } else if (str_eq(path, "parent")) {
        set_parent(tree, object, value);
    } else {
        const struct vsphere_path *known = vsphere_find_path(object->type->vim, path);

        if (known == NULL)
            return;
        known->set(object, value, known->key);
        if (str_eq(path, "config.hardware.device"))
            tree->disks_changed = true;
    }
    object->dirty = true;
}

static void remove_object(struct vsphere_tree *tree, const char *id, const struct source_sink *sink)
{
    struct vsphere_object *object = map_remove(tree->objects, id);

    if (object == NULL)
        return;
    sink->remove(sink->arg, object->type->kind, id);
    tree->names_changed = tree->names_changed || !str_eq(object->type->kind, "VM");
    tree->disks_changed = true;
    object_free(object);
}

int vsphere_tree_apply(struct vsphere_tree *tree, struct dom_node *update,
                       const struct source_sink *sink, struct error **err)
{
    struct dom_node *ref = dom_first(update, "obj");
    CLEANUP(str) char *kind = vsphere_text(update, "kind");
    CLEANUP(str) char *id = ref ? vsphere_id(ref) : NULL;
    CLEANUP(str) char *vim = ref ? vsphere_type_of(ref) : NULL;

    if (str_is_empty(id))
        return error_set(err, ERROR_CORRUPT, "an update names no object");
    if (str_eq(kind, "leave")) {
        remove_object(tree, id, sink);
        return 0;
    }
    const struct vsphere_type *type = vsphere_find_type(vim);
    if (type == NULL)
        return 0;
    struct vsphere_object *object = need_object(tree, id, type, err);
    if (object == NULL)
        return -1;
    object->dirty = true;
    for (struct dom_node *change = dom_first(update, "changeSet"); change != NULL;
         change = dom_next(change, "changeSet"))
        apply_change(tree, object, change);
    return 0;
}

void vsphere_tree_set_tags(struct vsphere_tree *tree, const json_t *by_vm)
{
    json_auto_t *none = json_array();
    void *item = NULL;

    for (size_t pos = 0; map_next(tree->objects, &pos, &item) != NULL;) {
        struct vsphere_object *object = item;
        json_t *tags = json_object_get(by_vm, object->id);

        if (!str_eq(object->type->kind, "VM"))
            continue;
        tags = tags != NULL ? tags : none;
        if (json_equal(tags, json_object_get(object->json, "tags")))
            continue;
        json_object_set(object->json, "tags", tags);
        object->dirty = true;
    }
}

/* Flushing. */

/* "/" and the names from the datacenter down.  A folder without a parent is not shown. */
static char *format_path(const struct vsphere_tree *tree, const struct vsphere_object *object)
{
    const struct vsphere_object *chain[MAX_PATH_DEPTH];
    struct buf path = BUF_INIT(64 * 1024);
    size_t depth = 0;

    for (; object != NULL && object->parent_id != NULL && depth < MAX_PATH_DEPTH;
         object = map_find(tree->objects, object->parent_id))
        chain[depth++] = object;
    while (depth > 0)
        buf_printf(&path, "/%s", chain[--depth]->name);
    return buf_take(&path);
}

static void mark_disks(struct vsphere_object *object, const struct map *shared)
{
    json_t *disk = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(object->json, "disks"), i, disk)
    {
        bool is_shared = map_find(shared, obj_str(disk, "file", "")) != NULL;

        if (is_shared == obj_bool(disk, "shared", false))
            continue;
        disk = vsphere_change_disk(object, i);
        json_object_set_new(disk, "shared", json_boolean(is_shared));
        object->dirty = true;
    }
}

/* A disk is shared if its file is in several machines. */
static void mark_shared_disks(struct vsphere_tree *tree)
{
    struct map *users = map_new(); /* file to the first object that has it */
    struct map *shared = map_new();
    void *item = NULL;

    for (size_t pos = 0; map_next(tree->objects, &pos, &item) != NULL;) {
        struct vsphere_object *object = item;
        const json_t *disk = NULL;
        size_t i = 0;

        json_array_foreach(json_object_get(object->json, "disks"), i, disk)
        {
            const char *file = obj_str(disk, "file", "");
            void *first = map_find(users, file);

            if (first == NULL)
                map_put(users, file, object);
            else if (first != object)
                map_put(shared, file, object);
        }
    }
    for (size_t pos = 0; map_next(tree->objects, &pos, &item) != NULL;)
        mark_disks(item, shared);
    map_free(users, NULL);
    map_free(shared, NULL);
}

/* Where an object lies, in the words of its kind. */
static void put_place(const struct vsphere_object *object, json_t *o)
{
    const char *parent = object->parent_id ? object->parent_id : "";
    const char *kind = object->parent_type ? vsphere_kind(object->parent_type) : "";

    obj_take(o, "parent", obj_pack("{s:s, s:s}", "kind", kind, "id", parent));
    if (str_eq(object->type->kind, "Host")) {
        obj_put_str(o, "cluster", parent);
    } else if (str_eq(object->type->kind, "Cluster")) {
        obj_put_str(o, "folder", parent);
    } else if (str_eq(object->type->kind, "Folder")) {
        obj_put_str(o, "folder", str_eq(kind, "Folder") ? parent : "");
        obj_put_str(o, "datacenter", str_eq(kind, "Datacenter") ? parent : "");
    }
}

static void put_object(const struct vsphere_tree *tree, const struct vsphere_object *object,
                       const struct source_sink *sink)
{
    CLEANUP(str) char *path = format_path(tree, object);
    json_auto_t *o = json_object();

    obj_put_str(o, "id", object->id);
    obj_put_str(o, "variant", object->type->variant);
    if (*path != '\0')
        obj_put_str(o, "path", path);
    obj_put_str(o, "name", object->name);
    if (str_eq(object->type->kind, "Host"))
        vsphere_finish_host(object->json);
    /* What a machine consists of is shared with the inventory: it is the most of what we keep. */
    json_auto_t *copy = str_eq(object->type->kind, "VM") ? NULL : obj_copy(object->json);
    json_object_update(o, copy != NULL ? copy : object->json);
    put_place(object, o);
    sink->put(sink->arg, object->type->kind, o);
}

void vsphere_tree_flush(struct vsphere_tree *tree, const struct source_sink *sink, bool all)
{
    void *item = NULL;

    if (tree->disks_changed)
        mark_shared_disks(tree);
    for (size_t pos = 0; map_next(tree->objects, &pos, &item) != NULL;) {
        struct vsphere_object *object = item;

        if (all || object->dirty || tree->names_changed)
            put_object(tree, object, sink);
        object->dirty = false;
    }
    tree->names_changed = false;
    tree->disks_changed = false;
}
