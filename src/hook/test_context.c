#include "hook/context.h"
#include "hook/shape.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml.h"

/* The YAML as JSON text, so that what is checked is what a playbook reads. */
static json_t *read_back(const char *yaml)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *documents = obj_parse_yaml(yaml, strlen(yaml), &err);

    CHECK_OK(documents == NULL ? -1 : 0, err);
    CHECK_U64(json_array_size(documents), 1);
    return json_incref(json_array_get(documents, 0));
}

TEST(applies_a_shape_to_what_is_there_and_what_is_not)
{
    json_auto_t *object = obj_pack("{s:s, s:{s:i}, s:[{s:s}]}", "Name", "web", "Sub", "Count", 3,
                                   "List", "Key", "x");
    json_auto_t *shaped = shape_apply("base@(name:s) sub(count:i) none?(a:s) list[key:s other:b] "
                                      "labels:m items:l pointer:p any:x",
                                      object);
    CLEANUP(str) char *text = obj_format(shaped);

    CHECK_STR(text, "{\"base\":{\"name\":\"web\"},\"sub\":{\"count\":3},\"none\":null,"
                    "\"list\":[{\"key\":\"x\",\"other\":false}],\"labels\":{},\"items\":[],"
                    "\"pointer\":null,\"any\":null}");
}

TEST(writes_the_plan_with_every_key_in_lower_case)
{
    json_auto_t *plan = obj_pack(
        "{s:{s:s}, s:{s:s, s:{s:{s:s, s:s}}, s:[{s:s, s:[{s:s, s:{s:s}}]}], s:{s:s}}}", "metadata",
        "name", "plan", "spec", "targetNamespace", "here", "provider", "source", "name", "ova", "namespace", "ns", "vms",
        "id", "1", "hooks", "step", "PreHook", "hook", "name", "h", "targetLabels", "App.io/x",
        "on");
    CLEANUP(str) char *yaml = hook_plan_yaml(plan);
    json_auto_t *read = read_back(yaml);

    CHECK_STR(obj_str(read, "targetnamespace", NULL), "here");
    CHECK_STR(obj_str(read, "provider.source.name", NULL), "ova");
    CHECK_STR(obj_str(read, "provider.source.apiversion", NULL), "");
    CHECK_STR(obj_str(read, "vms[0].ref.id", NULL), "1");
    CHECK_STR(obj_str(read, "vms[0].hooks[0].hook.name", NULL), "h");
    CHECK(json_is_null(obj_at(read, "installlegacydrivers")));
    CHECK(json_is_null(obj_at(read, "transfernetwork")));
    CHECK(json_is_false(obj_at(read, "warm")));
    CHECK_STR(obj_map_str(obj_at(read, "targetlabels"), "App.io/x"), "on");
    CHECK_U64(json_object_size(read), 43);
    CHECK_STR(obj_str(read, "metadata.name", NULL), "plan");
    CHECK_STR(obj_str(read, "spec.targetNamespace", NULL), "here");
}

TEST(writes_the_workload_of_an_ova_as_playbooks_know_it)
{
    json_auto_t *vm =
        obj_pack("{s:s, s:s, s:s, s:i, s:[{s:s, s:s, s:i}], s:[{s:s, s:s}]}", "id", "7", "name",
                 "web: \"1\"\n", "ipAddress", "10.0.0.1", "memoryMB", 512, "disks", "ID", "d",
                 "FilePath", "/a.ova", "Capacity", 7, "nics", "Name", "eth0", "MAC", "aa");
    CLEANUP(str) char *yaml = hook_workload_yaml("ova", vm);
    json_auto_t *read = read_back(yaml);

    CHECK_STR(obj_str(read, "vm.vm1.vm0.id", NULL), "7");
    CHECK_STR(obj_str(read, "vm.vm1.vm0.name", NULL), "web: \"1\"\n");
    CHECK_STR(obj_str(read, "vm.name", NULL), "web: \"1\"\n");
    CHECK_STR(obj_str(read, "vm.ipaddress", NULL), "10.0.0.1");
    CHECK_INT(obj_int(read, "vm.memorymb", 0), 512);
    CHECK_STR(obj_str(read, "vm.vm1.disks[0].base.id", NULL), "d");
    CHECK_INT(obj_int(read, "vm.vm1.disks[0].capacity", 0), 7);
    CHECK_STR(obj_str(read, "vm.nics[0].mac", NULL), "aa");
    CHECK(json_is_null(obj_at(read, "vm.vm1.concerns")));
}

TEST(writes_an_unknown_type_with_keys_in_lower_case)
{
    json_auto_t *vm = obj_pack("{s:{s:[{s:i}]}}", "Deep", "List", "KEY", 1);
    CLEANUP(str) char *yaml = hook_workload_yaml("other", vm);
    json_auto_t *read = read_back(yaml);

    CHECK_INT(obj_int(read, "deep.list[0].key", 0), 1);
}

TEST(a_machine_of_vsphere_has_the_keys_that_playbooks_know)
{
    json_auto_t *workload =
        obj_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:[{s:s, s:i}]}", "id", "vm-1", "name", "web",
                 "host", "id", "host-2", "name", "esx", "ipAddress", "10.0.0.1", "guestNetworks",
                 "ip", "10.0.0.1", "prefix", 24);
    CLEANUP(str) char *text = hook_workload_yaml("vsphere", workload);
    json_auto_t *read = read_back(text);

    CHECK_STR(obj_str(read, "vm.vm1.vm0.id", NULL), "vm-1");
    CHECK_STR(obj_str(read, "vm.vm1.host", NULL), "host-2");
    CHECK_STR(obj_str(read, "vm.ipaddress", NULL), "10.0.0.1");
    CHECK_STR(obj_str(read, "vm.guestnetworks[0].ip", NULL), "10.0.0.1");
    CHECK_STR(obj_str(read, "host.name", NULL), "esx");
}
