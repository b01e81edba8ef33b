#include "inventory/rest_objects.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/model.h"
#include "inventory/routes.h"

enum { MAX_TREE_DEPTH = 32, DETAIL_FULL = 9 };

/* The object of KIND with ID, or NULL; with a reference. */
static json_t *find(struct model *model, const char *kind, const char *id)
{
    CLEANUP(error) struct error *unused = NULL; /* ids are never ambiguous */
    json_t *object = NULL;

    model_find(model, kind, id, NULL, &object, &unused);
    return object;
}

void rest_complete_workload(struct model *model, const struct route_type *type, json_t *vm)
{
    const struct route_collection *hosts = route_find_collection(type, "hosts");
    const struct route_collection *clusters = route_find_collection(type, "clusters");
    json_auto_t *host = hosts ? find(model, "Host", obj_str(vm, "host", "")) : NULL;

    if (host == NULL)
        return;
    json_t *shown = rest_show(type, hosts, host, DETAIL_FULL);
    json_auto_t *cluster = find(model, "Cluster", obj_str(host, "cluster", ""));
    if (cluster != NULL) {
        json_t *shown_cluster = rest_show(type, clusters, cluster, DETAIL_FULL);

        obj_take(shown_cluster, "datacenter", json_null());
        obj_take(shown, "cluster", shown_cluster);
    }
    obj_take(vm, "host", shown);
}

/* Trees. */

struct planting {
    struct model *model;
    const struct route_type *type;
    const struct route_tree *tree;
    int detail;
    struct map *children; /* id of a parent to a json array of {kind, object} */
};

static const struct route_collection *collection_of(const struct route_type *type, const char *kind)
{
    const char *path = route_plural(type, kind);

    return path ? route_find_collection(type, path) : NULL;
}

/* Below which object OBJECT is in this tree: machines are below their host, or their namespace. */
static const char *parent_of(const struct planting *planting, const char *kind,
                             const json_t *object)
{
    if (str_eq(planting->tree->path, "namespace"))
        return obj_str(object, "namespace", "");
    if (str_eq(planting->tree->path, "host") && str_eq(kind, "VM"))
        return obj_str(object, "host", "");
    return obj_str(object, "parent.id", "");
}

static void sort_in(struct planting *planting, const char *kind)
{
    const struct route_collection *collection = collection_of(planting->type, kind);
    json_auto_t *objects = model_list(planting->model, kind);
    const json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(objects, i, object)
    {
        const char *parent = parent_of(planting, kind, object);
        json_t *list = map_find(planting->children, parent);

        if (collection != NULL && collection->is_hidden != NULL && str_eq(kind, "VM") &&
            collection->is_hidden(object))
            continue;
        if (list == NULL) {
            list = json_array();
            map_put(planting->children, parent, list);
        }
        json_array_append_new(list, obj_pack("{s:s, s:O}", "kind", kind, "object", object));
    }
}

static json_t *grow(const struct planting *planting, const char *id, int depth);

static json_t *make_node(const struct planting *planting, const char *kind, const json_t *object,
                         const char *key, int depth)
{
    const struct route_collection *collection = collection_of(planting->type, kind);
    bool is_root = str_eq(kind, planting->tree->root_kind);
    int detail = is_root ? DETAIL_FULL : str_eq(kind, "VM") ? planting->detail : 0;

    return obj_pack("{s:s, s:o, s:o}", "kind", kind, "object",
                    rest_show(planting->type, collection, object, detail), "children",
                    grow(planting, key, depth + 1));
}

/* The children of the object with ID, or null.  The folder that a datacenter keeps everything in is
 * left out: what is in it comes directly below. */
static json_t *grow(const struct planting *planting, const char *id, int depth)
{
    const json_t *list = map_find(planting->children, id), *item = NULL;
    json_t *nodes = json_array();
    size_t i = 0;

    json_array_foreach(list, i, item)
    {
        const char *kind = obj_str(item, "kind", "");
        const json_t *object = json_object_get(item, "object");
        const char *key = obj_str(object, "id", "");

        if (depth >= MAX_TREE_DEPTH)
            break;
        if (str_eq(kind, "Folder") && !str_is_empty(obj_str(object, "datacenter", NULL))) {
            json_auto_t *inner = grow(planting, key, depth + 1);
            json_array_extend(nodes, inner);
            continue;
        }
        json_t *node = make_node(planting, kind, object, key, depth);
        if (str_eq(kind, "Folder") && obj_arr(node, "children") == NULL)
            json_decref(node); /* of another tree, or empty */
        else
            json_array_append_new(nodes, node);
    }
    if (json_array_size(nodes) > 0)
        return nodes;
    json_decref(nodes);
    return json_null();
}

static void free_list(void *list)
{
    json_decref(list);
}

json_t *rest_make_tree(struct model *model, const struct route_type *type,
                       const struct route_tree *tree, int detail)
{
    struct planting planting = {model, type, tree, detail, map_new()};
    json_auto_t *roots = model_list(model, tree->root_kind);
    json_t *nodes = json_array();
    const json_t *root = NULL;
    size_t i = 0;

    for (const char *const *kind = tree->kinds; *kind != NULL; kind++)
        sort_in(&planting, *kind);
    json_array_foreach(roots, i, root)
    {
        const char *key =
            str_eq(tree->path, "namespace") ? obj_str(root, "name", "") : obj_str(root, "id", "");

        json_array_append_new(nodes, make_node(&planting, tree->root_kind, root, key, 0));
    }
    map_free(planting.children, free_list);
    return obj_pack("{s:s, s:n, s:o}", "kind", "", "object", "children", nodes);
}
