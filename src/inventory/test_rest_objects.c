#include "inventory/rest_objects.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/model.h"
#include "inventory/routes.h"

#include <stdlib.h>

/* A small vSphere: datacenter, folders, a cluster with a host, two machines and a template. */
static struct model *new_model(void)
{
    static const struct {
        const char *kind, *id, *parent, *key, *value;
    } objects[] = {
        {"Datacenter", "dc", "root", "name", "DC"},    {"Folder", "vms", "dc", "datacenter", "dc"},
        {"Folder", "hosts", "dc", "datacenter", "dc"}, {"Folder", "web", "vms", "name", "web"},
        {"Cluster", "c1", "hosts", "name", "cluster"}, {"Host", "h1", "c1", "cluster", "c1"},
        {"VM", "vm-1", "web", "host", "h1"},           {"VM", "vm-2", "vms", "host", "h1"},
        {"VM", "vm-3", "vms", "isTemplate", NULL},
    };
    struct model *model = model_new("providers/vsphere/u", route_find_type("vsphere"));

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        json_auto_t *o = obj_pack("{s:s, s:s, s:{s:s}}", "id", objects[i].id, "name", objects[i].id,
                                  "parent", "id", objects[i].parent);

        if (objects[i].value != NULL)
            obj_put_str(o, objects[i].key, objects[i].value);
        else
            obj_put_bool(o, objects[i].key, true);
        model_put(model, objects[i].kind, o);
    }
    return model;
}

/* Names and nesting of a tree: "DC(web(vm-1) vm-2)". */
static void format_tree(const json_t *node, struct buf *buf)
{
    const json_t *child = NULL;
    size_t i = 0;

    buf_add(buf, obj_str(node, "object.name", ""));
    if (obj_arr(node, "children") == NULL)
        return;
    buf_add(buf, "(");
    json_array_foreach(obj_arr(node, "children"), i, child)
    {
        buf_add(buf, i > 0 ? " " : "");
        format_tree(child, buf);
    }
    buf_add(buf, ")");
}

static void check_tree(const char *path, const char *want)
{
    CLEANUP(model) struct model *model = new_model();
    const struct route_type *type = route_find_type("vsphere");
    json_auto_t *tree = rest_make_tree(model, type, route_find_tree(type, path), 0);
    struct buf text = BUF_INIT(4096);

    format_tree(tree, &text);
    CHECK_STR(text.ptr, want);
    buf_reset(&text);
}

TEST(the_machine_tree_has_folders_and_machines)
{
    check_tree("vm", "(DC(web(vm-1) vm-2))");
}

TEST(the_host_tree_has_clusters_hosts_and_their_machines)
{
    check_tree("host", "(DC(cluster(h1(vm-1 vm-2))))");
}

TEST(a_workload_holds_its_host_and_cluster)
{
    CLEANUP(model) struct model *model = new_model();
    json_auto_t *vm = obj_pack("{s:s, s:s}", "id", "vm-1", "host", "h1");

    rest_complete_workload(model, route_find_type("vsphere"), vm);
    CHECK_STR(obj_str(vm, "host.id", ""), "h1");
    CHECK_STR(obj_str(vm, "host.cluster.name", ""), "cluster");
    CHECK(json_is_null(obj_at(vm, "host.cluster.datacenter")));
}

TEST(a_circle_of_parents_ends)
{
    CLEANUP(model) struct model *model = new_model();
    const struct route_type *type = route_find_type("vsphere");
    json_auto_t *loop =
        obj_pack("{s:s, s:s, s:{s:s}}", "id", "vms", "name", "vms", "parent", "id", "web");

    model_put(model, "Folder", loop);
    json_auto_t *tree = rest_make_tree(model, type, route_find_tree(type, "vm"), 0);
    CHECK(tree != NULL);
}

TEST(lists_leave_templates_and_ghosts_out)
{
    const struct route_collection *vms = route_find_collection(route_find_type("vsphere"), "vms");
    json_auto_t *template = obj_pack("{s:b, s:s}", "isTemplate", 1, "uuid", "u");
    json_auto_t *ghost = obj_pack("{s:s}", "uuid", "");
    json_auto_t *machine = obj_pack("{s:s}", "uuid", "u");

    CHECK(vms->is_hidden(template));
    CHECK(vms->is_hidden(ghost));
    CHECK(!vms->is_hidden(machine));
}
