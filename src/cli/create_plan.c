/* gantry create plan: a Plan and its maps from a few words, as kubectl-mtv makes them.
 *
 * Everything is found out and checked before the first object is made; what was made is taken back
 * if a later one is refused, so that a plan is there with its maps or not at all. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/inventory_client.h"
#include "cli/plan_maps.h"
#include "cli/plan_vms.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options whose texts become fields of the plan as they are. */
enum { FIELD_PVC_NAME, FIELD_VOLUME_NAME, FIELD_NETWORK_NAME, FIELD_POWER, FIELD_DESCRIPTION,
       FIELD_SERVICE_ACCOUNT, FIELD_COUNT };
static const char *const field_paths[FIELD_COUNT] = {
    [FIELD_PVC_NAME] = "spec.pvcNameTemplate",
    [FIELD_VOLUME_NAME] = "spec.volumeNameTemplate",
    [FIELD_NETWORK_NAME] = "spec.networkNameTemplate",
    [FIELD_POWER] = "spec.targetPowerState",
    [FIELD_DESCRIPTION] = "spec.description",
    [FIELD_SERVICE_ACCOUNT] = "spec.serviceAccount",
};

/* Options that are "true" or "false". */
enum { SWITCH_STATIC_IPS, SWITCH_SHARED_DISKS, SWITCH_DELETE_ON_FAIL, SWITCH_COMPATIBILITY,
       SWITCH_INSPECTION, SWITCH_COUNT };
static const struct {
    const char *name, *path;
} switches[SWITCH_COUNT] = {
    [SWITCH_STATIC_IPS] = {"preserve-static-ips", "spec.preserveStaticIPs"},
    [SWITCH_SHARED_DISKS] = {"migrate-shared-disks", "spec.migrateSharedDisks"},
    [SWITCH_DELETE_ON_FAIL] = {"delete-vm-on-fail-migration", "spec.deleteVmOnFailMigration"},
    [SWITCH_COMPATIBILITY] = {"use-compatibility-mode", "spec.useCompatibilityMode"},
    [SWITCH_INSPECTION] = {"run-preflight-inspection", "spec.runPreflightInspection"},
};

/* What the words and options say. */
struct wish {
    const char *name, *source, *target, *vms, *ns, *target_ns;
    const char *network_map, *storage_map, *network_pairs, *storage_pairs;
    const char *default_network, *default_class;
    const char *type, *pre_hook, *post_hook, *output, *dir;
    const char *fields[FIELD_COUNT], *switches[SWITCH_COUNT];
    bool warm, lenient, dry_run, skip_conversion;
};

/* What is made of it. */
struct draft {
    struct kube_client *client;
    json_t *source, *target;           /* Providers */
    json_t *network_map, *storage_map; /* new ones, or NULL */
    json_t *plan;
};

static void draft_reset(struct draft *d)
{
    json_decref(d->source);
    json_decref(d->target);
    json_decref(d->network_map);
    json_decref(d->storage_map);
    json_decref(d->plan);
    kube_client_free(d->client);
}
DEFINE_CLEANUP_IN_PLACE(draft, struct draft, draft_reset)

/* --- finding out ------------------------------------------------------------------------------- */

/* The provider to move to: the one named, else the first of the namespace that is a cluster. */
static int find_target(struct draft *d, const struct wish *wish, struct error **err)
{
    json_auto_t *providers = NULL;

    if (wish->target != NULL)
        return inventory_client_provider(d->client, wish->ns, wish->target, &d->target, err);
    if (kube_list(d->client, &KIND_PROVIDER, wish->ns, NULL, &providers, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(providers); i++) {
        json_t *provider = json_array_get(providers, i);
        if (!str_eq(obj_str(provider, "spec.type", ""), "openshift"))
            continue;
        d->target = json_incref(provider);
        fprintf(stderr, "gantry: moving to provider \"%s\"\n", meta_name(provider));
        return 0;
    }
    error_set(err, ERROR_NOT_FOUND, "namespace \"%s\" has no provider to move to", wish->ns);
    return error_hint(err, "name one with --target NAMESPACE/NAME");
}

/* The rows of the machines in VMS, in their order; a new array. */
static json_t *rows_of(const json_t *rows, const json_t *vms)
{
    json_auto_t *by_id = json_object();
    json_t *chosen = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++)
        json_object_set(by_id, obj_str(json_array_get(rows, i), "id", ""),
                        json_array_get(rows, i));
    for (size_t i = 0; i < json_array_size(vms); i++)
        json_array_append(chosen, json_object_get(by_id, obj_str(json_array_get(vms, i), "id",
                                                                 "")));
    return chosen;
}

/* --- making objects ---------------------------------------------------------------------------- */

static json_t *reference(const char *ns, const char *name)
{
    return obj_pack("{s:s, s:s}", "namespace", ns, "name", name);
}

/* "NAMESPACE/NAME", or "NAME" in NS. */
static json_t *reference_of(const char *text, const char *ns)
{
    const char *slash = strchr(text, '/');
    CLEANUP(str) char *own = slash != NULL ? xstrndup(text, (size_t)(slash - text)) : NULL;

    return reference(own != NULL ? own : ns, slash != NULL ? slash + 1 : text);
}

static void put_providers(json_t *o, const struct draft *d)
{
    obj_take(o, "spec.provider.source", reference(meta_ns(d->source), meta_name(d->source)));
    obj_take(o, "spec.provider.destination", reference(meta_ns(d->target), meta_name(d->target)));
}

static json_t *make_map(const struct draft *d, const struct wish *wish,
                        const struct kube_kind *kind, const char *suffix, json_t *pairs_take)
{
    CLEANUP(str) char *name = xasprintf("%s-%s", wish->name, suffix);
    json_t *map = meta_new(kind, wish->ns, name);

    put_providers(map, d);
    obj_take(map, "spec.map", pairs_take);
    return map;
}

/* Maps that are not named are made. */
static int make_maps(struct draft *d, const struct wish *wish, const json_t *rows,
                     struct error **err)
{
    const struct plan_maps_options networks = {wish->network_pairs, wish->default_network,
                                               wish->ns};
    const struct plan_maps_options storage = {wish->storage_pairs, wish->default_class, wish->ns};
    json_t *pairs = NULL;

    if (wish->network_map == NULL) {
        if (plan_maps_networks(d->client, d->source, rows, &networks, &pairs, err) == -1)
            return -1;
        d->network_map =
            make_map(d, wish, &KIND_NETWORK_MAP,
                     wish->network_pairs != NULL ? "network" : "network-map", pairs);
    }
    if (wish->storage_map == NULL) {
        if (plan_maps_storage(d->client, d->source, rows, &storage, &pairs, err) == -1)
            return -1;
        d->storage_map =
            make_map(d, wish, &KIND_STORAGE_MAP,
                     wish->storage_pairs != NULL ? "storage" : "storage-map", pairs);
    }
    return 0;
}

static void add_hook(json_t *vms, const char *step, const char *hook, const char *ns)
{
    for (size_t i = 0; hook != NULL && i < json_array_size(vms); i++)
        obj_take(json_array_get(vms, i), "hooks[]",
                 obj_pack("{s:s, s:o}", "step", step, "hook", reference_of(hook, ns)));
}

static void put_map(json_t *plan, const char *path, const char *named, const json_t *made,
                    const char *ns)
{
    obj_take(plan, path,
             made != NULL ? reference(meta_ns(made), meta_name(made)) : reference_of(named, ns));
}

static void make_plan(struct draft *d, const struct wish *wish, json_t *vms_take)
{
    json_t *plan = d->plan = meta_new(&KIND_PLAN, wish->ns, wish->name);

    put_providers(plan, d);
    put_map(plan, "spec.map.network", wish->network_map, d->network_map, wish->ns);
    put_map(plan, "spec.map.storage", wish->storage_map, d->storage_map, wish->ns);
    obj_put_str(plan, "spec.targetNamespace",
                wish->target_ns != NULL ? wish->target_ns : wish->ns);
    if (wish->type != NULL)
        obj_put_str(plan, "spec.type", wish->type);
    if (wish->warm || str_eq(wish->type, "warm"))
        obj_put_bool(plan, "spec.warm", true);
    if (wish->skip_conversion)
        obj_put_bool(plan, "spec.skipGuestConversion", true);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (wish->fields[i] != NULL)
            obj_put_str(plan, field_paths[i], wish->fields[i]);
    for (size_t i = 0; i < SWITCH_COUNT; i++)
        if (wish->switches[i] != NULL)
            obj_put_bool(plan, switches[i].path, str_eq(wish->switches[i], "true"));
    add_hook(vms_take, "PreHook", wish->pre_hook, wish->ns);
    add_hook(vms_take, "PostHook", wish->post_hook, wish->ns);
    obj_take(plan, "spec.vms", vms_take);
}

static int check_is_new(struct draft *d, const struct wish *wish, struct error **err)
{
    json_auto_t *plan = NULL;

    if (kube_get(d->client, &KIND_PLAN, wish->ns, wish->name, &plan, err) == -1)
        return -1;
    return plan == NULL ? 0
                        : error_set(err, ERROR_EXISTS, "there is one already in namespace \"%s\"",
                                    wish->ns);
}

static int make_draft(struct draft *d, const struct wish *wish, struct error **err)
{
    CLEANUP(str) char *dir = home_find_dir(wish->dir, err);
    json_auto_t *rows = NULL, *vms = NULL;

    d->client = dir != NULL ? home_open_client(dir, err) : NULL;
    if (d->client == NULL || check_is_new(d, wish, err) == -1 ||
        inventory_client_provider(d->client, wish->ns, wish->source, &d->source, err) == -1 ||
        find_target(d, wish, err) == -1 ||
        inventory_client_list(d->client, d->source, "vms", &rows, err) == -1 ||
        plan_vms_choose(wish->vms, rows, wish->lenient, &vms, err) == -1)
        return -1;
    json_auto_t *chosen = rows_of(rows, vms);
    if (make_maps(d, wish, chosen, err) == -1)
        return -1;
    make_plan(d, wish, steal(&vms));
    return 0;
}

/* --- putting them on the server ---------------------------------------------------------------- */

static int create(struct draft *d, const struct kube_kind *kind, json_t *object, json_t **made,
                  struct error **err)
{
    if (object == NULL)
        return 0;
    if (kube_create(d->client, kind, meta_ns(object), object, made, err) == 0)
        return 0;
    return error_wrap(err, "cannot create %s \"%s\"", kind->kind, meta_name(object));
}

static void take_back(struct draft *d, const struct kube_kind *kind, const json_t *made)
{
    CLEANUP(error) struct error *err = NULL;

    if (made != NULL && kube_delete(d->client, kind, meta_ns(made), meta_name(made),
                                    meta_uid(made), KUBE_DELETE_BACKGROUND, &err) == -1)
        fprintf(stderr, "gantry: %s \"%s\" was made and could not be deleted: %s\n", kind->kind,
                meta_name(made), err->msg);
}

/* A map that was made for the plan goes with it. */
static void own_map(struct draft *d, const struct kube_kind *kind, const json_t *map,
                    const json_t *plan)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *owned = map != NULL ? obj_copy(map) : NULL;

    if (map == NULL)
        return;
    meta_add_owner(owned, &KIND_PLAN, plan, true);
    json_auto_t *patch = obj_pack("{s:{s:O}}", "metadata", "ownerReferences",
                                  obj_arr(owned, "metadata.ownerReferences"));
    if (kube_patch(d->client, kind, meta_ns(map), meta_name(map), NULL, patch, NULL, &err) == -1)
        fprintf(stderr, "gantry: %s \"%s\" is not deleted with the plan: %s\n", kind->kind,
                meta_name(map), err->msg);
}

static void tell_created(const char *what, const json_t *made)
{
    if (made != NULL)
        printf("%s/%s created\n", what, meta_name(made));
}

static int put_draft(struct draft *d, struct error **err)
{
    json_auto_t *network_map = NULL, *storage_map = NULL, *plan = NULL;

    if (create(d, &KIND_NETWORK_MAP, d->network_map, &network_map, err) == -1 ||
        create(d, &KIND_STORAGE_MAP, d->storage_map, &storage_map, err) == -1 ||
        create(d, &KIND_PLAN, d->plan, &plan, err) == -1) {
        take_back(d, &KIND_STORAGE_MAP, storage_map);
        take_back(d, &KIND_NETWORK_MAP, network_map);
        return -1;
    }
    own_map(d, &KIND_NETWORK_MAP, network_map, plan);
    own_map(d, &KIND_STORAGE_MAP, storage_map, plan);
    tell_created("networkmap", network_map);
    tell_created("storagemap", storage_map);
    tell_created("plan", plan);
    return 0;
}

/* What would be made, as kubectl apply takes it. */
static void show_draft(const struct draft *d, bool as_json)
{
    const json_t *const objects[] = {d->network_map, d->storage_map, d->plan};
    json_auto_t *items = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        if (objects[i] == NULL)
            continue;
        json_array_append(items, (json_t *)(uintptr_t)objects[i]);
        CLEANUP(str) char *text = obj_format_yaml(objects[i]);
        if (!as_json)
            printf("%s%s", json_array_size(items) > 1 ? "---\n" : "", text);
    }
    if (!as_json)
        return;
    json_auto_t *list = obj_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items",
                                 items);
    CLEANUP(str) char *text = obj_format_pretty(list);
    printf("%s\n", text);
}

/* --- the command ------------------------------------------------------------------------------- */

/* Words and options that do not go together. */
static int check_wish(const struct command *self, const struct wish *wish)
{
    if (wish->name == NULL || wish->source == NULL || wish->vms == NULL)
        return command_usage(self, "a name, --source and --vms are needed");
    if (wish->network_map != NULL && (wish->network_pairs != NULL || wish->default_network != NULL))
        return command_usage(self, "--network-mapping leaves nothing to --network-pairs and "
                                   "--default-target-network");
    if (wish->storage_map != NULL && (wish->storage_pairs != NULL || wish->default_class != NULL))
        return command_usage(self, "--storage-mapping leaves nothing to --storage-pairs and "
                                   "--default-target-storage-class");
    if (wish->warm && wish->type != NULL)
        return command_usage(self, "--warm is the old spelling of --migration-type warm: "
                                   "give one of them");
    if (wish->output != NULL && !wish->dry_run)
        return command_usage(self, "--output goes with --dry-run only");
    if (wish->output != NULL && !str_eq(wish->output, "yaml") && !str_eq(wish->output, "json"))
        return command_usage(self, "\"%s\" is no format (yaml, json)", wish->output);
    for (size_t i = 0; i < SWITCH_COUNT; i++)
        if (wish->switches[i] != NULL && !str_eq(wish->switches[i], "true") &&
            !str_eq(wish->switches[i], "false"))
            return command_usage(self, "option --%s: invalid boolean value \"%s\" (use "
                                       "true/false)",
                                 switches[i].name, wish->switches[i]);
    return -1;
}

/* The words behind "create": "plan [NAME]". */
static int read_words(const struct command *self, const struct word_list *words, struct wish *wish)
{
    if (words->len == 0 || (!str_eq(words->ptr[0], "plan") && !str_eq(words->ptr[0], "plans")))
        return command_usage(self, "what to create?  \"plan\" is known");
    if (words->len > 2)
        return command_usage(self, "\"%s\" is not expected", words->ptr[2]);
    if (words->len == 2 && wish->name != NULL)
        return command_usage(self, "cannot specify name as both argument and --name flag");
    if (words->len == 2)
        wish->name = words->ptr[1];
    return check_wish(self, wish);
}

static int run(const struct wish *wish)
{
    CLEANUP(draft) struct draft draft = {0};
    struct error *err = NULL;

    if (make_draft(&draft, wish, &err) == -1 ||
        (!wish->dry_run && put_draft(&draft, &err) == -1)) {
        error_wrap(&err, "plan \"%s\"", wish->name);
        return command_fail(err);
    }
    if (wish->dry_run)
        show_draft(&draft, str_eq(wish->output, "json"));
    return EXIT_OK;
}

int cmd_create(const struct command *self, int argc, char **argv)
{
    struct wish wish = {.ns = HOME_NAMESPACE};
    const struct option_spec specs[] = {
        {"name", 'M', OPTION_TEXT, &wish.name, "NAME", "of the plan, if it is no word"},
        {"source", 'S', OPTION_TEXT, &wish.source, "PROVIDER", "where the machines are"},
        {"target", 't', OPTION_TEXT, &wish.target, "PROVIDER",
         "where they go (default: the first cluster of the namespace)"},
        {"vms", 0, OPTION_TEXT, &wish.vms, "VMS",
         "names with commas, @FILE, or a query: \"where memoryMB > 4096\""},
        {"query-lenient", 0, OPTION_FLAG, &wish.lenient, NULL,
         "leave out machines that the query cannot judge, instead of failing"},
        {"network-mapping", 0, OPTION_TEXT, &wish.network_map, "NAME", "a NetworkMap to use"},
        {"storage-mapping", 0, OPTION_TEXT, &wish.storage_map, "NAME", "a StorageMap to use"},
        {"network-pairs", 0, OPTION_TEXT, &wish.network_pairs, "SOURCE:TARGET,...",
         "make one; targets are default, ignored or [NAMESPACE/]NAME"},
        {"storage-pairs", 0, OPTION_TEXT, &wish.storage_pairs, "SOURCE:CLASS,...",
         "make one; ;volumeMode=M and ;accessMode=M may follow a class"},
        {"default-target-network", 'N', OPTION_TEXT, &wish.default_network, "TARGET",
         "of the first network, if the map is made by itself (default: the pod network)"},
        {"default-target-storage-class", 0, OPTION_TEXT, &wish.default_class, "CLASS",
         "of all disks, if the map is made by itself (default: the cluster's)"},
        {"migration-type", 'm', OPTION_TEXT, &wish.type, "TYPE", "cold, warm, live or conversion"},
        {"warm", 0, OPTION_FLAG, &wish.warm, NULL, "the same as --migration-type warm"},
        {"pre-hook", 0, OPTION_TEXT, &wish.pre_hook, "HOOK", "runs before each machine moves"},
        {"post-hook", 0, OPTION_TEXT, &wish.post_hook, "HOOK", "runs after each machine moved"},
        {"target-namespace", 0, OPTION_TEXT, &wish.target_ns, "NAME",
         "of the new machines (default: the plan's)"},
        {"target-power-state", 0, OPTION_TEXT, &wish.fields[FIELD_POWER], "STATE",
         "on, off or auto"},
        {"description", 0, OPTION_TEXT, &wish.fields[FIELD_DESCRIPTION], "TEXT", "of the plan"},
        {"pvc-name-template", 0, OPTION_TEXT, &wish.fields[FIELD_PVC_NAME], "TEMPLATE",
         "names of claims; see gantry-template(1)"},
        {"volume-name-template", 0, OPTION_TEXT, &wish.fields[FIELD_VOLUME_NAME], "TEMPLATE",
         "names of volumes in a machine"},
        {"network-name-template", 0, OPTION_TEXT, &wish.fields[FIELD_NETWORK_NAME], "TEMPLATE",
         "names of networks in a machine"},
        {"service-account", 0, OPTION_TEXT, &wish.fields[FIELD_SERVICE_ACCOUNT], "NAME",
         "of the pods that work for the plan"},
        {"skip-guest-conversion", 0, OPTION_FLAG, &wish.skip_conversion, NULL,
         "copy disks as they are"},
        {"preserve-static-ips", 0, OPTION_TEXT, &wish.switches[SWITCH_STATIC_IPS], "true|false",
         "machines keep their static addresses"},
        {"migrate-shared-disks", 0, OPTION_TEXT, &wish.switches[SWITCH_SHARED_DISKS],
         "true|false", "disks that machines share are copied"},
        {"delete-vm-on-fail-migration", 0, OPTION_TEXT, &wish.switches[SWITCH_DELETE_ON_FAIL],
         "true|false", "a machine whose move fails is removed"},
        {"use-compatibility-mode", 0, OPTION_TEXT, &wish.switches[SWITCH_COMPATIBILITY],
         "true|false", "devices that every guest knows, if guests are not converted"},
        {"run-preflight-inspection", 0, OPTION_TEXT, &wish.switches[SWITCH_INSPECTION],
         "true|false", "guests are looked at before a warm move"},
        {"dry-run", 0, OPTION_FLAG, &wish.dry_run, NULL, "show the objects and make none"},
        {"output", 'o', OPTION_TEXT, &wish.output, "FORMAT", "of --dry-run: yaml or json"},
        {"namespace", 'n', OPTION_TEXT, &wish.ns, "NAME", "of the plan and of its providers"},
        {"dir", 0, OPTION_TEXT, &wish.dir, "DIR", "the folder given to gantry up"},
    };
    CLEANUP(word_list) struct word_list words = {0};

    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status == -1)
        status = read_words(self, &words, &wish);
    return status != -1 ? status : run(&wish);
}
