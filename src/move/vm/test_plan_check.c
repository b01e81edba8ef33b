#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/fake_source.h"
#include "move/vm/hook_check.h"
#include "move/vm/maps.h"
#include "move/vm/migration.h"
#include "move/vm/provider.h"
#include "move/vm/scene.h"

static json_t *spec_of(struct scene *scene)
{
    return obj_obj(scene_plan(scene), "spec");
}

/* The condition of a type and reason, or NULL. */
static const json_t *find(const json_t *object, const char *type, const char *reason)
{
    const json_t *list = obj_arr(object, "status.conditions");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        if (str_eq(obj_str(condition, "type", ""), type) &&
            (reason == NULL || str_eq(obj_str(condition, "reason", ""), reason)))
            return condition;
    }
    return NULL;
}

static void check_condition(const json_t *object, const char *type, const char *category,
                            const char *reason, const char *part)
{
    const json_t *condition = find(object, type, reason);
    CLEANUP(str) char *all = obj_format(obj_at(object, "status.conditions"));

    if (condition == NULL)
        test_fail(__FILE__, __LINE__, "no condition %s/%s in %s", type, reason, all);
    CHECK_STR(obj_str(condition, "category", ""), category);
    CLEANUP(str) char *text = obj_format(condition);
    if (strstr(text, part) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" is not in %s", part, text);
    CHECK(obj_str(condition, "message", NULL) != NULL);
}

/* ---- what makes a plan wrong ------------------------------------------------------------- */

static void no_source(struct scene *s) { obj_del(spec_of(s), "provider.source.name"); }
static void lost_source(struct scene *s) { obj_put_str(spec_of(s), "provider.source.name", "x"); }
static void wrong_way(struct scene *s) { obj_put_str(spec_of(s), "provider.destination.name", "src"); }
static void source_not_ready(struct scene *s)
{
    obj_del(fake_cluster_get(s->cluster, &KIND_PROVIDER, "ns", "src"), "status");
}
static void still_loading(struct scene *s) { fake_source_set_complete(false); }
static void no_namespace(struct scene *s) { obj_put_str(spec_of(s), "targetNamespace", ""); }
static void bad_namespace(struct scene *s) { obj_put_str(spec_of(s), "targetNamespace", "A_b"); }
static void no_network_map(struct scene *s) { obj_put_str(spec_of(s), "map.network.name", "x"); }
static void storage_map_not_ready(struct scene *s)
{
    obj_del(fake_cluster_get(s->cluster, &KIND_STORAGE_MAP, "ns", "sto"), "status");
}
static void warm(struct scene *s) { obj_put_str(spec_of(s), "type", "warm"); }
static void live(struct scene *s) { obj_put_str(spec_of(s), "type", "live"); }
static void vm_without_name(struct scene *s) { obj_take(spec_of(s), "vms[]", json_object()); }
static void unknown_vm(struct scene *s)
{
    obj_take(spec_of(s), "vms[]", obj_pack("{s:s}", "name", "ghost"));
}
static void same_vm_twice(struct scene *s)
{
    obj_take(spec_of(s), "vms[]", obj_pack("{s:s}", "name", "vm-1"));
}
static void ambiguous_vm(struct scene *s)
{
    fake_source_add_vm("8", "twin", 1);
    fake_source_add_vm("9", "twin", 1);
    obj_take(spec_of(s), "vms[]", obj_pack("{s:s}", "name", "twin"));
}
static void same_target(struct scene *s)
{
    obj_put_str(spec_of(s), "vms[0].targetName", "same");
    obj_put_str(spec_of(s), "vms[1].targetName", "same");
}
static void bad_target(struct scene *s) { obj_put_str(spec_of(s), "vms[0].targetName", "No Way"); }
static void long_target(struct scene *s)
{
    obj_put_str(spec_of(s), "vms[0].targetName",
                "a-name-of-sixty-four-letters-is-one-more-than-a-host-name-can-be");
}
static void renamed(struct scene *s)
{
    fake_source_add_vm("3", "Web Server", 1);
    obj_take(spec_of(s), "vms[]", obj_pack("{s:s}", "id", "3"));
}
static void taken_name(struct scene *s)
{
    fake_cluster_put(s->cluster, &KIND_VM,
                     obj_pack("{s:{s:s, s:s}}", "metadata", "namespace", "target", "name", "vm-1"));
}
static void taken_mac(struct scene *s)
{
    fake_cluster_put(
        s->cluster, &KIND_VM,
        obj_pack("{s:{s:s, s:s}, s:{s:{s:{s:{s:{s:[{s:s}]}}}}}}", "metadata", "namespace", "other",
                 "name", "web", "spec", "template", "spec", "domain", "devices", "interfaces",
                 "macAddress", "52:54:00:00:00:32"));
}
static void unmapped_network(struct scene *s)
{
    obj_put_str(fake_cluster_get(s->cluster, &KIND_NETWORK_MAP, "ns", "net"),
                "spec.map[0].source.id", "net-9");
}
static void unmapped_storage(struct scene *s)
{
    obj_put_str(fake_cluster_get(s->cluster, &KIND_STORAGE_MAP, "ns", "sto"),
                "spec.map[0].source.name", "another");
}
static void broken_vm(struct scene *s)
{
    fake_source_add_vm("3", "broken", 1);
    obj_take(spec_of(s), "vms[]", obj_pack("{s:s}", "id", "3"));
}
static void foreign_nad(struct scene *s)
{
    json_t *map = fake_cluster_get(s->cluster, &KIND_NETWORK_MAP, "ns", "net");
    obj_take(map, "spec.map[0].destination",
             obj_pack("{s:s, s:s, s:s}", "type", "multus", "namespace", "far", "name", "br"));
}
static void no_account(struct scene *s) { obj_put_str(spec_of(s), "serviceAccount", "robot"); }
static void no_hook(struct scene *s) { obj_put_str(spec_of(s), "vms[0].hooks[0].hook.name", "x"); }
static void unnamed_hook(struct scene *s) { obj_del(spec_of(s), "vms[0].hooks[0].hook.name"); }
static void hook_not_ready(struct scene *s)
{
    obj_del(fake_cluster_get(s->cluster, &KIND_HOOK, "ns", "pre"), "status");
}
static void bad_step(struct scene *s) { obj_put_str(spec_of(s), "vms[0].hooks[0].step", "Soon"); }
static void hook_account(struct scene *s)
{
    obj_put_str(fake_cluster_get(s->cluster, &KIND_HOOK, "ns", "pre"), "spec.serviceAccount",
                "robot");
}
static void no_transfer_network(struct scene *s)
{
    obj_take(spec_of(s), "transferNetwork",
             obj_pack("{s:s, s:s}", "namespace", "default", "name", "fast"));
}
static void bad_image(struct scene *s) { obj_put_str(spec_of(s), "virtV2vImage", "just-a-name"); }
static void bad_template(struct scene *s)
{
    obj_put_str(spec_of(s), "pvcNameTemplate", "{{.Nothing}}");
}
static void template_without_name(struct scene *s)
{
    obj_put_str(spec_of(s), "vms[1].pvcNameTemplate", "{{upper .VmName}}");
}

static void long_volume_name(struct scene *s)
{
    obj_put_str(spec_of(s), "vms[1].volumeNameTemplate", "{{repeat 64 \"v\"}}");
}
static void same_volume_names(struct scene *s)
{
    obj_put_str(spec_of(s), "volumeNameTemplate", "disk");
}
static void unknown_network_field(struct scene *s)
{
    obj_put_str(spec_of(s), "networkNameTemplate", "{{.VolumeIndex}}");
}
static void bad_network_name_of_a_vm(struct scene *s)
{
    obj_put_str(spec_of(s), "networkNameTemplate", "{{if eq .VmName \"vm-2\"}}A{{else}}a{{end}}");
}
static void same_claims(struct scene *s)
{
    obj_put_bool(spec_of(s), "pvcNameTemplateUseGenerateName", false);
    obj_put_str(spec_of(s), "pvcNameTemplate", "disk-{{.DiskIndex}}");
}

TEST(one_finding_is_one_condition_that_names_what_and_where)
{
    /* clang-format off */
    static const struct {
        void (*spoil)(struct scene *scene);
        const char *type, *category, *reason, *part;
    } cases[] = {
        {no_source,             "SourceProviderNotValid",       "Critical", "NotSet",       "source"},
        {lost_source,           "SourceProviderNotValid",       "Critical", "NotFound",     "ns/x"},
        {wrong_way,             "DestinationProviderNotValid",  "Critical", "TypeNotValid", "ova"},
        {source_not_ready,      "SourceProviderNotReady",       "Critical", "NotReady",     "ns/src"},
        {still_loading,         "SourceProviderNotReady",       "Critical", "LoadInventory", "ns/src"},
        {no_namespace,          "NamespaceNotValid",            "Critical", "NotSet",       "target"},
        {bad_namespace,         "NamespaceNotValid",            "Critical", "NotValid",     "A_b"},
        {no_network_map,        "NetworkMapRefNotValid",        "Critical", "NotFound",     "ns/x"},
        {storage_map_not_ready, "StorageMapNotReady",           "Critical", "NotReady",     "ns/sto"},
        {warm,                  "WarmMigrationNotReady",        "Critical", "NotSupported", "ova"},
        {live,                  "MigrationTypeNotValid",        "Critical", "NotSupported", "live"},
        {vm_without_name,       "VMRefNotValid",                "Critical", "NotSet",       "id"},
        {unknown_vm,            "VMNotFound",                   "Critical", "NotFound",     "ghost"},
        {same_vm_twice,         "DuplicateVM",                  "Critical", "NotUnique",    "vm-1"},
        {ambiguous_vm,          "DuplicateVM",                  "Critical", "Ambiguous",    "twin"},
        {same_target,           "DuplicateVM",                  "Critical", "TargetNameNotUnique", "same"},
        {bad_target,            "NotValid",                     "Critical", "TargetName",   "No Way"},
        {long_target,           "NotValid",                     "Critical", "TargetName",   "one-more-than"},
        {renamed,               "TargetNameNotValid",           "Warn",     "NotValid",     "Web Server"},
        {taken_name,            "VMAlreadyExists",              "Critical", "NotUnique",    "vm-1"},
        {taken_mac,             "MacConflicts",                 "Critical", "NotValid",     "other/web"},
        {unmapped_network,      "VMNetworksNotMapped",          "Critical", "NotValid",     "eth0"},
        {unmapped_storage,      "VMStorageNotMapped",           "Critical", "NotValid",     "disk-0"},
        {broken_vm,             "NotValid",                     "Critical", "VMNotUnderstood", "is broken"},
        {foreign_nad,           "NetMapDestinationNADNotValid", "Critical", "NotValid",     "far/br"},
        {no_account,            "ServiceAccountNotValid",       "Critical", "NotFound",     "target/robot"},
        {no_hook,               "HookNotValid",                 "Critical", "NotFound",     "ns/x"},
        {unnamed_hook,          "HookNotValid",                 "Critical", "NotSet",       "1"},
        {hook_not_ready,        "HookNotReady",                 "Critical", "NotFound",     "ns/pre"},
        {bad_step,              "HookStepNotValid",             "Critical", "NotValid",     "Soon"},
        {hook_account,          "HookServiceAccountNotValid",   "Critical", "NotFound",     "ns/robot"},
        {no_transfer_network,   "TransferNetworkNotValid",      "Critical", "NotFound",     "default/fast"},
        {bad_template,          "NotValid",                     "Critical", "PVCNameTemplate", "plan: "},
        {template_without_name, "NotValid",                     "Critical", "PVCNameTemplate", "VM"},
        {long_volume_name,      "NotValid",                     "Critical", "VolumeNameTemplate", "64 characters"},
        {same_volume_names,     "NotValid",                     "Critical", "VolumeNameNotUnique", "vm-1: \\\"disk\\\""},
        {unknown_network_field, "NotValid",                     "Critical", "NetworkNameTemplate", "plan: "},
        {bad_network_name_of_a_vm, "NotValid",                  "Critical", "NetworkNameTemplate", "vm-2: "},
        {same_claims,           "NotValid",                     "Critical", "PVCNameNotUnique", "vm-1 and vm-2"},
        {bad_image,             "VirtV2vImageNotValid",         "Critical", "NotValid",     "just-a-name"},
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(scene) struct scene scene;

        scene_init(&scene, 2, 2, SCENE_HOOKS);
        CHECK(scene_step(&scene));
        CHECK(object_is_ready(scene_plan(&scene)));
        cases[i].spoil(&scene);
        CHECK(scene_step(&scene));
        check_condition(scene_plan(&scene), cases[i].type, cases[i].category, cases[i].reason,
                        cases[i].part);
        CHECK(object_is_ready(scene_plan(&scene)) == str_eq(cases[i].category, "Warn"));
    }
}

TEST(findings_of_one_type_do_not_hide_each_other)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, 0);
    ambiguous_vm(&scene);
    same_vm_twice(&scene);
    unknown_vm(&scene);
    CHECK(scene_step(&scene));
    check_condition(scene_plan(&scene), "DuplicateVM", "Critical", "Ambiguous", "twin");
    check_condition(scene_plan(&scene), "DuplicateVM", "Critical", "NotUnique", "vm-1");
    check_condition(scene_plan(&scene), "VMNotFound", "Critical", "NotFound", "ghost");
}

TEST(a_condition_goes_when_its_finding_does_and_keeps_its_time_meanwhile)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, 0);
    unknown_vm(&scene);
    CHECK(scene_step(&scene));
    CLEANUP(str) char *since =
        xstrdup(obj_str(find(scene_plan(&scene), "VMNotFound", NULL), "lastTransitionTime", ""));
    time_advance_fake(60000);
    CHECK(scene_step(&scene));
    CHECK_STR(obj_str(find(scene_plan(&scene), "VMNotFound", NULL), "lastTransitionTime", ""),
              since);
    json_array_remove(obj_arr(scene_plan(&scene), "spec.vms"), 2);
    CHECK(scene_step(&scene));
    CHECK(find(scene_plan(&scene), "VMNotFound", NULL) == NULL);
    CHECK(object_is_ready(scene_plan(&scene)));
}

TEST(a_status_that_says_the_same_is_not_written)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, 0);
    CHECK(scene_step(&scene));
    int writes = fake_cluster_writes(scene.cluster);
    time_advance_fake(60000);
    CHECK(scene_step(&scene));
    CHECK_INT(fake_cluster_writes(scene.cluster), writes);
}

/* ---- other kinds ------------------------------------------------------------------------- */

typedef int reconcile_fn(void *arg, const char *ns, const char *name, struct cancel *cancel,
                         struct reconcile_result *result, struct error **err);

static const json_t *reconcile(struct scene *scene, reconcile_fn *fn, const struct kube_kind *kind,
                               const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    struct reconcile_result result = {0};

    CHECK_OK(fn(&scene->room, "ns", name, NULL, &result, &err), err);
    return fake_cluster_get(scene->cluster, kind, "ns", name);
}

TEST(a_network_map_tells_what_is_missing_on_each_side)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    json_t *map = fake_cluster_get(scene.cluster, &KIND_NETWORK_MAP, "ns", "net");
    obj_take(map, "spec.map[]",
             obj_pack("{s:{s:s}, s:{s:s, s:s, s:s}}", "source", "name", "lost", "destination",
                      "type", "multus", "namespace", "ns", "name", "br"));
    obj_take(map, "spec.map[]",
             obj_pack("{s:{}, s:{s:s, s:s}}", "source", "destination", "type", "multus", "name",
                      "half"));
    const json_t *after = reconcile(&scene, network_map_reconcile, &KIND_NETWORK_MAP, "net");
    check_condition(after, "SourceNetworkNotValid", "Warn", "NotFound", "lost");
    check_condition(after, "SourceNetworkNotValid", "Critical", "NotSet", "id or a name");
    check_condition(after, "DestinationNetworkNotValid", "Critical", "NotFound", "ns/br");
    check_condition(after, "DestinationNetworkNotValid", "Critical", "Ambiguous", "half");
    CHECK(!object_is_ready(after));
    CHECK_STR(obj_str(after, "status.references[0].id", ""), "net-1");
    CHECK_STR(obj_str(after, "status.references[0].name", ""), "VM Network");
}

TEST(a_storage_map_needs_its_classes)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    const json_t *after = reconcile(&scene, storage_map_reconcile, &KIND_STORAGE_MAP, "sto");
    check_condition(after, "DestinationStorageNotValid", "Critical", "NotFound", "standard");
    fake_cluster_put(scene.cluster, &KIND_STORAGE_CLASS,
                     obj_pack("{s:{s:s}}", "metadata", "name", "standard"));
    after = reconcile(&scene, storage_map_reconcile, &KIND_STORAGE_MAP, "sto");
    CHECK(object_is_ready(after));
    CHECK_STR(obj_str(after, "status.references[0].id", ""), "group");
}

TEST(a_hook_that_cannot_run_says_why)
{
    /* clang-format off */
    static const struct {
        const char *image, *playbook;
        int aap; /* the job template, or 0 */
        const char *type, *reason, *part;
    } cases[] = {
        {NULL,           NULL,       0, "InvalidHookExecute", "NotSet",    "neither"},
        {"quay.io/x/y",  NULL,       7, "InvalidHookExecute", "NotSet",    "both"},
        {NULL,           NULL,       7, "InvalidHookExecute", "NotSet",    "no connection"},
        {"Not An Image", NULL,       0, "InvalidImage",       "NotSet",    "Not An Image"},
        {"quay.io/x/y",  "%%%",      0, "InvalidPlaybook",    "DataError", "base64"},
        /* "- hosts: [a" */
        {"quay.io/x/y",  "LSBob3N0czogW2E=", 0, "InvalidPlaybook", "DataError", "line"},
        /* "just text" */
        {"quay.io/x/y",  "anVzdCB0ZXh0",     0, "InvalidPlaybook", "DataError", "list of plays"},
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(scene) struct scene scene;
        json_t *spec = json_object();

        scene_init(&scene, 1, 1, 0);
        obj_put_str(spec, "image", cases[i].image);
        obj_put_str(spec, "playbook", cases[i].playbook);
        if (cases[i].aap > 0)
            obj_put_int(spec, "aap.jobTemplateId", cases[i].aap);
        obj_take(fake_cluster_get(scene.cluster, &KIND_HOOK, "ns", "pre"), "spec", spec);
        const json_t *after = reconcile(&scene, hook_reconcile, &KIND_HOOK, "pre");
        check_condition(after, cases[i].type, "Critical", cases[i].reason, cases[i].part);
        CHECK(!object_is_ready(after));
    }
}

TEST(knows_image_references)
{
    static const char *const good[] = {"a", "quay.io/kubev2v/hook-runner", "localhost:5000/a/b:v1",
                                       "a/b_c.d-e@sha256:"
                                       "0123456789abcdef0123456789abcdef"
                                       "0123456789abcdef0123456789abcdef"};
    static const char *const bad[] = {"", "A/b", "a b", "a/", "/a", "a//b", "a:", "a@x", "a:b:c",
                                      "h:99999/a", "-a"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!image_reference_is_valid(good[i]))
            test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (image_reference_is_valid(bad[i]))
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
}

TEST(a_migration_shows_what_its_plan_says_of_it)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    obj_del(scene_plan(&scene), "status");
    fake_cluster_put(scene.cluster, &KIND_MIGRATION,
                     obj_pack("{s:{s:s, s:s}, s:{s:{s:s, s:s}}}", "metadata", "namespace", "ns",
                              "name", "lost", "spec", "plan", "namespace", "ns", "name", "x"));
    check_condition(reconcile(&scene, migration_reconcile, &KIND_MIGRATION, "lost"),
                    "PlanNotValid", "Critical", "NotFound", "ns/x");

    scene_migrate(&scene, "m");
    check_condition(reconcile(&scene, migration_reconcile, &KIND_MIGRATION, "m"), "PlanNotReady",
                    "Critical", "NotReady", "ns/plan");
    for (int i = 0; i < 4; i++) {
        scene_step(&scene);
        scene_play(&scene);
    }
    check_condition(reconcile(&scene, migration_reconcile, &KIND_MIGRATION, "m"), "Running",
                    "Advisory", NULL, "RUNNING");
    scene_run(&scene);
    const json_t *after = reconcile(&scene, migration_reconcile, &KIND_MIGRATION, "m");
    check_condition(after, "Succeeded", "Advisory", NULL, "SUCCEEDED");
    CHECK(find(after, "Running", NULL) == NULL);
    CHECK_STR(obj_str(after, "status.vms[0].phase", ""), "Completed");
    CHECK(obj_str(after, "status.completed", NULL) != NULL);
}

/* ---- providers --------------------------------------------------------------------------- */

static json_t *provider_of(struct scene *s)
{
    return fake_cluster_get(s->cluster, &KIND_PROVIDER, "ns", "src");
}
static void put_secret(struct scene *s, const char *key, const char *value)
{
    json_t *secret = obj_pack("{s:{s:s, s:s}, s:{}}", "metadata", "namespace", "ns", "name", "cred",
                              "data");
    json_object_set_new(obj_obj(secret, "data"), key, json_string(value));
    fake_cluster_put(s->cluster, &KIND_SECRET, secret);
    obj_take(provider_of(s), "spec.secret",
             obj_pack("{s:s, s:s}", "namespace", "ns", "name", "cred"));
}
static void good_provider(struct scene *s) { put_secret(s, "url", "L3Nydg=="); }
static void odd_type(struct scene *s) { obj_put_str(provider_of(s), "spec.type", "abacus"); }
static void no_url(struct scene *s) { obj_del(provider_of(s), "spec.url"); }
static void odd_url(struct scene *s) { obj_put_str(provider_of(s), "spec.url", "just/here"); }
static void no_secret(struct scene *s) { obj_del(provider_of(s), "spec.secret"); }
static void lost_secret(struct scene *s)
{
    obj_put_str(provider_of(s), "spec.secret.name", "gone");
}
static void empty_secret(struct scene *s) { put_secret(s, "other", "eA=="); }
static void wrong_login(struct scene *s) { fake_source_set_test("who are you"); }
static void loading(struct scene *s) { fake_source_set_complete(false); }
static void damaged(struct scene *s) { fake_source_set_problem("/srv/b.ova", "cut off"); }

static void bad_rules(struct scene *s)
{
    s->room.validation = (struct validation *)(void *)s; /* the fake looks at nothing */
    fake_source_set_rules_trouble(obj_pack("{s:s, s:s, s:i, s:s}", "source", "ConfigMap ns/rules",
                                           "file", "mine.rego", "line", 3, "message",
                                           "var x is unsafe"));
}

TEST(a_provider_tells_what_keeps_it_from_being_ready)
{
    /* clang-format off */
    static const struct {
        void (*spoil)(struct scene *scene);
        const char *type, *category, *reason, *part, *phase;
    } cases[] = {
        {good_provider, "InventoryCreated",     "Required", "Completed",     "loaded",    "Ready"},
        {odd_type,      "TypeNotSupported",     "Critical", "NotSupported",  "abacus",    "ValidationFailed"},
        {no_url,        "UrlNotValid",          "Critical", "NotSet",        "url",       "ValidationFailed"},
        {odd_url,       "UrlNotValid",          "Critical", "Malformed",     "just/here", "ValidationFailed"},
        {no_secret,     "SecretNotValid",       "Critical", "NotSet",        "secret",    "ValidationFailed"},
        {lost_secret,   "SecretNotValid",       "Critical", "NotFound",      "ns/gone",   "ValidationFailed"},
        {empty_secret,  "SecretNotValid",       "Critical", "DataErr",       "url",       "ValidationFailed"},
        {wrong_login,   "ConnectionAuthFailed", "Critical", "Tested",        "who are you", "ConnectionFailed"},
        {loading,       "LoadInventory",        "Advisory", "Started",       "loaded",    "Staging"},
        {damaged,       "InventoryError",       "Warn",     "SourceDamaged", "/srv/b.ova: cut off", "Ready"},
        {bad_rules,     "ValidationRulesNotValid", "Warn",  "RuleNotValid",  "line 3: var x is unsafe", "Ready"},
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(scene) struct scene scene;

        scene_init(&scene, 1, 1, 0);
        good_provider(&scene);
        cases[i].spoil(&scene);
        const json_t *after = reconcile(&scene, provider_reconcile, &KIND_PROVIDER, "src");
        check_condition(after, cases[i].type, cases[i].category, cases[i].reason, cases[i].part);
        CHECK_STR(obj_str(after, "status.phase", ""), cases[i].phase);
        CHECK(object_is_ready(after) == str_eq(cases[i].phase, "Ready"));
    }
}

TEST(refuses_to_convert_encrypted_disks_before_anything_is_copied)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    obj_take(scene_plan(&scene), "spec.vms[0].luks", obj_pack("{s:s}", "name", "keys"));
    CHECK(scene_step(&scene));
    CHECK(object_has_condition(scene_plan(&scene), "EncryptedDisksNotSupported"));
    CHECK(!object_has_condition(scene_plan(&scene), "Ready"));

    obj_put_bool(scene_plan(&scene), "spec.skipGuestConversion", true);
    CHECK(scene_step(&scene));
    CHECK(!object_has_condition(scene_plan(&scene), "EncryptedDisksNotSupported"));
    obj_put_bool(scene_plan(&scene), "spec.skipGuestConversion", false);
    obj_put_bool(scene_plan(&scene), "spec.vms[0].nbdeClevis", true);
    CHECK(scene_step(&scene));
    CHECK(object_has_condition(scene_plan(&scene), "EncryptedDisksNotSupported"));
}

TEST(the_host_provider_needs_nothing)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    CHECK(object_is_ready(reconcile(&scene, provider_reconcile, &KIND_PROVIDER, "host")));
}
