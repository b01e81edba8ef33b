/* gantry migrate FILE.ova: the objects that a user would write by hand, made and followed.
 *
 * Everything is named after the machine: Provider, maps, hooks, Plan and Migration.  They stay
 * afterwards, so that kubectl shows what was done and a failed plan can be started again. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/follow.h"
#include "cli/home.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/names.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAYBOOK_BYTES_MAX = 512 * 1024, READY_MS = 120000, POLL_MS = 100 };

struct job {
    struct kube_client *client;
    struct cancel *cancel;
    const char *file;    /* absolute */
    const char *name;    /* of all objects */
    const char *target;  /* namespace */
    const char *pre_hook, *post_hook; /* playbook files, or NULL */
    bool raw;
    bool powered_off;
};

/* apiVersion, kind and metadata of an object of ours. */
static json_t *object_new(const struct kube_kind *kind, const char *name)
{
    json_t *o = json_object();
    CLEANUP(str) char *version = str_is_empty(kind->group)
                                     ? xstrdup(kind->version)
                                     : xasprintf("%s/%s", kind->group, kind->version);

    obj_put_str(o, "apiVersion", version);
    obj_put_str(o, "kind", kind->kind);
    obj_put_str(o, "metadata.name", name);
    obj_put_str(o, "metadata.namespace", HOME_NAMESPACE);
    return o;
}

static json_t *reference(const char *name)
{
    return obj_pack("{s:s, s:s}", "namespace", HOME_NAMESPACE, "name", name);
}

static void put_providers(json_t *o, const char *source)
{
    obj_take(o, "spec.provider.source", reference(source));
    obj_take(o, "spec.provider.destination", reference("host"));
}

/* Creates OBJECT; one that is there already is an error that says how to go on. */
static int create(struct job *job, const struct kube_kind *kind, const json_t *object,
                  struct error **err)
{
    if (kube_create(job->client, kind, HOME_NAMESPACE, object, NULL, err) == 0)
        return 0;
    if ((*err)->code == ERROR_EXISTS)
        error_hint(err,
                   "an earlier \"gantry migrate\" made it: choose another name with --name, or "
                   "delete plan, migration and provider \"%s\" first",
                   job->name);
    return error_wrap(err, "cannot create %s \"%s\"", kind->kind,
                      obj_str(object, "metadata.name", "?"));
}

static int create_provider(struct job *job, struct error **err)
{
    CLEANUP(str) char *url = xstrndup(job->file, (size_t)(path_base(job->file) - 1 - job->file));
    json_auto_t *secret = object_new(&KIND_SECRET, job->name);
    json_auto_t *provider = object_new(&KIND_PROVIDER, job->name);

    obj_put_str(secret, "metadata.labels.createdForProviderType", "ova");
    obj_put_str(secret, "metadata.labels.createdForResourceType", "providers");
    obj_put_str(secret, "stringData.url", url);
    obj_put_str(provider, "spec.type", "ova");
    obj_put_str(provider, "spec.url", url[0] == '\0' ? "/" : url);
    obj_take(provider, "spec.secret", reference(job->name));
    if (create(job, &KIND_SECRET, secret, err) == -1)
        return -1;
    return create(job, &KIND_PROVIDER, provider, err);
}

static const json_t *find_blocker(const json_t *object)
{
    json_t *condition;
    size_t i;

    json_array_foreach (obj_arr(object, "status.conditions"), i, condition) {
        const char *category = obj_str(condition, "category", "");

        if (strcmp(obj_str(condition, "status", ""), "True") == 0 &&
            (strcmp(category, "Critical") == 0 || strcmp(category, "Error") == 0))
            return condition;
    }
    return NULL;
}

static bool is_ready(const json_t *object)
{
    json_t *condition;
    size_t i;

    json_array_foreach (obj_arr(object, "status.conditions"), i, condition)
        if (strcmp(obj_str(condition, "type", ""), "Ready") == 0)
            return strcmp(obj_str(condition, "status", ""), "True") == 0;
    return false;
}

/* Waits until an object has the condition Ready.  A condition that blocks it ends the wait once it
 * has stood for a while: controllers see objects one after the other. */
static int wait_ready(struct job *job, const struct kube_kind *kind, const char *name, json_t **out,
                      struct error **err)
{
    struct deadline deadline = deadline_after(READY_MS);
    struct deadline patience = deadline_after(5000);

    for (;;) {
        json_auto_t *object = NULL;

        if (kube_get(job->client, kind, HOME_NAMESPACE, name, &object, err) == -1)
            return -1;
        if (object != NULL && is_ready(object)) {
            *out = steal(&object);
            return 0;
        }

        const json_t *blocker = find_blocker(object);
        if (blocker != NULL && deadline_is_over(patience)) {
            error_set(err, ERROR_INVALID, "%s \"%s\" is not ready: %s: %s", kind->kind, name,
                      obj_str(blocker, "type", "?"), obj_str(blocker, "message", ""));
            if (obj_str(blocker, "suggestion", NULL) != NULL)
                error_hint(err, "%s", obj_str(blocker, "suggestion", ""));
            return -1;
        }
        if (cancel_wait(job->cancel, POLL_MS))
            return error_set(err, ERROR_CANCELED, "interrupted");
        if (deadline_is_over(deadline))
            return error_set(err, ERROR_TIMEOUT, "%s \"%s\" is not ready after %d s", kind->kind,
                             name, READY_MS / 1000);
    }
}

/* What the inventory has of a provider: GET /providers/ova/UID/WHAT. */
static int get_inventory(struct job *job, const json_t *provider, const char *what, json_t **out,
                         struct error **err)
{
    CLEANUP(str) char *path = xasprintf("/providers/ova/%s/%s?detail=10",
                                        obj_str(provider, "metadata.uid", ""), what);
    const struct kube_request request = {.method = "GET", .path = path, .timeout_ms = 30000};

    return kube_raw(job->client, &request, out, err);
}

/* The machines that FILE holds, waiting until the inventory has read it. */
static int find_machines(struct job *job, const json_t *provider, json_t **out, struct error **err)
{
    struct deadline deadline = deadline_after(READY_MS);

    for (;;) {
        json_auto_t *vms = NULL;
        json_auto_t *found = json_array();
        json_t *vm;
        size_t i;

        if (get_inventory(job, provider, "vms", &vms, err) == -1)
            return -1;
        json_array_foreach (vms, i, vm)
            if (str_eq(path_base(obj_str(vm, "ovfPath", "")),
                       path_base(job->file)))
                json_array_append(found, vm);
        if (json_array_size(found) > 0) {
            *out = steal(&found);
            return 0;
        }
        if (cancel_wait(job->cancel, POLL_MS))
            return error_set(err, ERROR_CANCELED, "interrupted");
        if (deadline_is_over(deadline)) {
            error_set(err, ERROR_INVALID, "no machine found in \"%s\"", job->file);
            return error_hint(err,
                              "\"kubectl describe provider %s -n %s\" tells what is wrong with it",
                              job->name, HOME_NAMESPACE);
        }
    }
}

static int create_maps(struct job *job, const json_t *provider, struct error **err)
{
    json_auto_t *networks = NULL;
    json_auto_t *network_map = object_new(&KIND_NETWORK_MAP, job->name);
    json_auto_t *storage_map = object_new(&KIND_STORAGE_MAP, job->name);
    CLEANUP(str) char *storage = xasprintf("Dummy storage for source provider %s", job->name);
    json_t *network;
    size_t i;

    if (get_inventory(job, provider, "networks", &networks, err) == -1)
        return -1;
    put_providers(network_map, job->name);
    obj_take(network_map, "spec.map", json_array());
    json_array_foreach (networks, i, network)
        obj_take(network_map, "spec.map[]",
                 obj_pack("{s:{s:s}, s:{s:s}}", "source", "id", obj_str(network, "id", ""),
                          "destination", "type", "pod"));
    put_providers(storage_map, job->name);
    obj_take(storage_map, "spec.map",
             obj_pack("[{s:{s:s}, s:{s:s}}]", "source", "name", storage, "destination",
                      "storageClass", "standard"));
    if (create(job, &KIND_NETWORK_MAP, network_map, err) == -1)
        return -1;
    return create(job, &KIND_STORAGE_MAP, storage_map, err);
}

/* Makes the Hook "NAME-SUFFIX" of a playbook file and adds it to each machine of the plan. */
static int create_hook(struct job *job, const char *file, const char *suffix, const char *step,
                       json_t *vms, struct error **err)
{
    CLEANUP(str) char *name = xasprintf("%s-%s", job->name, suffix);
    CLEANUP(str) char *playbook = NULL;
    json_auto_t *hook = object_new(&KIND_HOOK, name);
    size_t len, i;
    json_t *vm;

    if (file_read(file, PLAYBOOK_BYTES_MAX, &playbook, &len, err) == -1)
        return error_wrap(err, "option --%s", suffix);
    CLEANUP(str) char *encoded = base64_encode(playbook, len);

    obj_put_str(hook, "spec.image", "quay.io/kubev2v/hook-runner");
    obj_put_str(hook, "spec.playbook", encoded);
    if (create(job, &KIND_HOOK, hook, err) == -1)
        return -1;
    json_array_foreach (vms, i, vm)
        obj_take(vm, "hooks[]",
                 obj_pack("{s:s, s:o}", "step", step, "hook", reference(name)));
    return 0;
}

static int create_plan(struct job *job, const json_t *machines, struct error **err)
{
    json_auto_t *plan = object_new(&KIND_PLAN, job->name);
    json_t *vms = json_array();
    const json_t *machine;
    size_t i;

    json_array_foreach (machines, i, machine)
        json_array_append_new(vms, obj_pack("{s:s}", "id", obj_str(machine, "id", "")));
    put_providers(plan, job->name);
    obj_take(plan, "spec.map.network", reference(job->name));
    obj_take(plan, "spec.map.storage", reference(job->name));
    obj_put_str(plan, "spec.targetNamespace", job->target);
    obj_put_bool(plan, "spec.skipGuestConversion", job->raw);
    obj_put_str(plan, "spec.targetPowerState", job->powered_off ? "off" : "on");
    obj_take(plan, "spec.vms", vms);
    if (job->pre_hook != NULL &&
        create_hook(job, job->pre_hook, "pre-hook", "PreHook", vms, err) == -1)
        return -1;
    if (job->post_hook != NULL &&
        create_hook(job, job->post_hook, "post-hook", "PostHook", vms, err) == -1)
        return -1;
    return create(job, &KIND_PLAN, plan, err);
}

static int create_migration(struct job *job, struct error **err)
{
    json_auto_t *migration = object_new(&KIND_MIGRATION, job->name);

    obj_take(migration, "spec.plan", reference(job->name));
    return create(job, &KIND_MIGRATION, migration, err);
}

/* Each machine of the migration is there under its target name. */
static int check_machines(struct job *job, struct error **err)
{
    json_auto_t *migration = NULL;
    json_t *vm;
    size_t i;

    if (kube_get(job->client, &KIND_MIGRATION, HOME_NAMESPACE, job->name, &migration, err) == -1)
        return -1;
    json_array_foreach (obj_arr(migration, "status.vms"), i, vm) {
        const char *name = obj_str(vm, "newName", obj_str(vm, "name", ""));
        json_auto_t *machine = NULL;

        if (kube_get(job->client, &KIND_VM, job->target, name, &machine, err) == -1)
            return -1;
        if (machine == NULL)
            return error_set(err, ERROR_NOT_FOUND, "no machine \"%s/%s\" after the migration",
                             job->target, name);
        printf("machine %s/%s is there: %s\n", job->target, name,
               obj_str(machine, "status.printableStatus", "created"));
    }
    return 0;
}

static int run_job(struct job *job, struct error **err)
{
    json_auto_t *provider = NULL;
    json_auto_t *machines = NULL;
    json_auto_t *plan = NULL;
    enum follow_result result;

    printf("reading %s\n", job->file);
    if (create_provider(job, err) == -1 ||
        wait_ready(job, &KIND_PROVIDER, job->name, &provider, err) == -1 ||
        find_machines(job, provider, &machines, err) == -1 ||
        create_maps(job, provider, err) == -1 || create_plan(job, machines, err) == -1 ||
        wait_ready(job, &KIND_PLAN, job->name, &plan, err) == -1 ||
        create_migration(job, err) == -1)
        return -1;
    printf("moving %zu machine%s by plan %s/%s\n", json_array_size(machines),
           json_array_size(machines) == 1 ? "" : "s", HOME_NAMESPACE, job->name);
    if (follow_migration(job->client, HOME_NAMESPACE, job->name, stdout, job->cancel, &result,
                         err) == -1) {
        if ((*err)->code == ERROR_CANCELED)
            error_hint(err,
                       "the migration goes on; \"kubectl delete migration %s -n %s\" cancels it",
                       job->name, HOME_NAMESPACE);
        return -1;
    }
    if (result != FOLLOW_SUCCEEDED) {
        error_set(err, ERROR_IO, "migration \"%s\" %s", job->name,
                  result == FOLLOW_FAILED ? "failed" : "was canceled");
        return error_hint(err, "\"kubectl describe plan %s -n %s\" tells more", job->name,
                          HOME_NAMESPACE);
    }
    return check_machines(job, err);
}

/* "Web Server.ova" names the objects "web-server". */
static char *name_from_file(const char *file)
{
    const char *base = path_base(file);
    size_t len = strlen(base);

    if (len > 4 && strcasecmp(base + len - 4, ".ova") == 0)
        len -= 4;
    CLEANUP(str) char *stem = xstrndup(base, len);

    return name_fix(stem);
}

int cmd_migrate(const struct command *self, int argc, char **argv)
{
    const char *dir_arg = NULL, *name = NULL;
    struct job job = {.target = "default"};
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
        {"name", 0, OPTION_TEXT, &name, "NAME", "of the objects made (default: the file's name)"},
        {"pre-hook", 0, OPTION_TEXT, &job.pre_hook, "PLAYBOOK", "run this before each machine"},
        {"post-hook", 0, OPTION_TEXT, &job.post_hook, "PLAYBOOK", "run this after each machine"},
        {"raw", 0, OPTION_FLAG, &job.raw, NULL, "copy the disks as they are, convert nothing"},
        {"off", 0, OPTION_FLAG, &job.powered_off, NULL, "leave the machine powered off"},
        {"to", 0, OPTION_TEXT, &job.target, "NAMESPACE", "put it there (default: default)"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len != 1)
        return command_usage(self, "one OVA file is expected");

    char path[PATH_MAX];
    if (realpath(words.ptr[0], path) == NULL) {
        error_sys(&err, errno, "cannot find \"%s\"", words.ptr[0]);
        return command_fail(err);
    }
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    CLEANUP(str) char *dir = home_find_dir(dir_arg, &err);
    CLEANUP(str) char *own_name = name == NULL ? name_from_file(path) : xstrdup(name);
    CLEANUP(kube_client) struct kube_client *client = NULL;

    if (dir == NULL || cancel_on_signals(cancel, &err) == -1)
        return command_fail(err);
    client = home_open_client(dir, &err);
    if (client == NULL)
        return command_fail(err);
    job.client = client;
    job.cancel = cancel;
    job.file = path;
    job.name = own_name;
    if (run_job(&job, &err) == -1)
        return command_fail(err);
    printf("\n  kubectl --kubeconfig %s/kubeconfig get vm,vmi -n %s\n", dir, job.target);
    return EXIT_OK;
}
