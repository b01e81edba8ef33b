#include "source/openshift/openshift.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/cache.h"
#include "kube/kinds.h"

#include <string.h>

/* One cache for each kind feeds the inventory.  A kind that the cluster does not serve is left out,
 * and looked for again from time to time: its CRD may come later. */

enum {
    LIST_MS = 30000,   /* until the first list of a kind must be there */
    LOOK_MS = 60000,   /* between looks for kinds that were not there */
    WAIT_MS = 3600000, /* one long wait for the cancel */
};

static const struct kube_kind instance_types = {"instancetype.kubevirt.io", "v1beta1",
                                                "virtualmachineinstancetypes",
                                                "VirtualMachineInstancetype", false};
static const struct kube_kind cluster_instance_types = {"instancetype.kubevirt.io", "v1beta1",
                                                        "virtualmachineclusterinstancetypes",
                                                        "VirtualMachineClusterInstancetype", true};
static const struct kube_kind kubevirts = {"kubevirt.io", "v1", "kubevirts", "KubeVirt", false};

enum { KIND_INDEX_VM = 3, KIND_INDEX_VMI = 9, KIND_COUNT = 10 };

static const struct {
    const char *model; /* the inventory's name; NULL: only to complete another kind */
    const struct kube_kind *kind;
} kinds[KIND_COUNT] = {
    {"Namespace", &KIND_NAMESPACE},
    {"StorageClass", &KIND_STORAGE_CLASS},
    {"NetworkAttachmentDefinition", &KIND_NETWORK_ATTACHMENT},
    [KIND_INDEX_VM] = {"VM", &KIND_VM},
    {"InstanceType", &instance_types},
    {"ClusterInstanceType", &cluster_instance_types},
    {"PersistentVolumeClaim", &KIND_PVC},
    {"DataVolume", &KIND_DATA_VOLUME},
    {"KubeVirt", &kubevirts},
    [KIND_INDEX_VMI] = {NULL, &KIND_VMI},
};

struct openshift_source {
    struct source base;
    struct kube_client *client;
};

static struct openshift_source *openshift_of(struct source *source)
{
    return (struct openshift_source *)source;
}

static void openshift_close(struct source *source)
{
    free(openshift_of(source));
}

static int openshift_open(const struct source_config *config, struct source **out,
                          struct error **err)
{
    const char *url = obj_str(config->provider, "spec.url", NULL);

    if (!str_is_empty(url)) {
        error_set(err, ERROR_UNSUPPORTED, "url \"%.200s\": other clusters cannot be reached yet",
                  url);
        return error_hint(err, "leave the url empty for the cluster that gantry runs in");
    }

    struct openshift_source *openshift = xcalloc(1, sizeof(*openshift));
    openshift->base.ops = &openshift_source_ops;
    openshift->client = config->client;
    *out = &openshift->base;
    return 0;
}

static int openshift_test(struct source *source, struct cancel *cancel, struct error **err)
{
    const struct kube_request request = {
        .method = "GET", .path = "/version", .timeout_ms = LIST_MS, .cancel = cancel};
    json_auto_t *version = NULL;

    return kube_raw(openshift_of(source)->client, &request, &version, err);
}

/* Collecting. */

struct collecting;

struct feed {
    struct collecting *collecting;
    size_t index;                       /* into kinds */
    _Atomic(struct kube_cache *) cache; /* NULL: the cluster does not serve the kind */
};

struct collecting {
    struct openshift_source *openshift;
    const struct source_sink *sink;
    struct feed feeds[KIND_COUNT];
};

/* The inventory's form of a cluster's object.  INSTANCE is the running machine of a VM, or NULL. */
static json_t *inventory_object(const json_t *object, const json_t *instance)
{
    const char *uid = obj_str(object, "metadata.uid", "");
    const char *ns = obj_str(object, "metadata.namespace", "");
    const char *name = obj_str(object, "metadata.name", "");
    json_t *o = obj_pack("{s:s, s:s, s:s, s:s, s:s}", "uid", uid, "version",
                         obj_str(object, "metadata.resourceVersion", ""), "namespace", ns, "name",
                         name, "id", uid);

    if (*ns != '\0') {
        CLEANUP(str) char *path = xasprintf("%s/%s", ns, name);
        obj_put_str(o, "path", path);
    }
    obj_take(o, "object", obj_copy(object));
    if (instance != NULL)
        obj_take(o, "instance", obj_copy(instance));
    return o;
}

static void put_object(struct collecting *collecting, size_t index, const json_t *object)
{
    struct kube_cache *instances = collecting->feeds[KIND_INDEX_VMI].cache;
    json_auto_t *instance = NULL;

    if (index == KIND_INDEX_VM && instances != NULL)
        instance = kube_cache_get(instances, obj_str(object, "metadata.namespace", ""),
                                  obj_str(object, "metadata.name", ""));
    json_auto_t *o = inventory_object(object, instance);
    collecting->sink->put(collecting->sink->arg, kinds[index].model, o);
}

/* A running machine came, changed or went: put its VM again. */
static void put_vm_of(struct collecting *collecting, const json_t *instance)
{
    struct kube_cache *vms = collecting->feeds[KIND_INDEX_VM].cache;

    if (vms == NULL)
        return;
    json_auto_t *vm = kube_cache_get(vms, obj_str(instance, "metadata.namespace", ""),
                                     obj_str(instance, "metadata.name", ""));
    if (vm != NULL)
        put_object(collecting, KIND_INDEX_VM, vm);
}

static void on_change(void *arg, enum kube_change change, const json_t *old, const json_t *object)
{
    struct feed *feed = arg;
    const struct source_sink *sink = feed->collecting->sink;

    if (kinds[feed->index].model == NULL)
        put_vm_of(feed->collecting, object);
    else if (change == KUBE_DELETED)
        sink->remove(sink->arg, kinds[feed->index].model, obj_str(object, "metadata.uid", ""));
    else
        put_object(feed->collecting, feed->index, object);
}

/* True if the cluster's discovery names KIND. */
static int is_served(struct kube_client *client, const struct kube_kind *kind, bool *served,
                     struct error **err)
{
    CLEANUP(str)
    char *path = *kind->group ? xasprintf("/apis/%s/%s", kind->group, kind->version)
                              : xasprintf("/api/%s", kind->version);
    const struct kube_request request = {.method = "GET", .path = path, .timeout_ms = LIST_MS};
    CLEANUP(error) struct error *absent = NULL;
    json_auto_t *list = NULL;
    const json_t *resource = NULL;
    size_t i = 0;

    *served = false;
    if (kube_raw(client, &request, &list, &absent) == -1) {
        if (absent->code == ERROR_NOT_FOUND)
            return 0;
        *err = steal(&absent);
        return -1;
    }
    json_array_foreach(obj_arr(list, "resources"), i,
                       resource) if (str_eq(obj_str(resource, "name", ""), kind->plural)) *served =
        true;
    return 0;
}

/* Starts the caches of the kinds that are served and had none; *MISSING if some still are not. */
static int start_feeds(struct collecting *collecting, bool *missing, struct cancel *cancel,
                       struct error **err)
{
    *missing = false;
    /* From the last one on, so that the machines' instances are known before the machines. */
    for (size_t i = KIND_COUNT; i-- > 0;) {
        struct feed *feed = &collecting->feeds[i];
        bool served = feed->cache != NULL;

        if (!served && is_served(collecting->openshift->client, kinds[i].kind, &served, err) == -1)
            return -1;
        *missing = *missing || !served;
        if (!served || feed->cache != NULL)
            continue;
        struct kube_cache *cache =
            kube_cache_new(collecting->openshift->client, kinds[i].kind, NULL, NULL);
        feed->cache = cache; /* before its handlers, which look into it, run */
        kube_cache_add_handler(cache, on_change, feed);
        if (kube_cache_start(cache, err) == -1 ||
            kube_cache_wait(cache, LIST_MS, cancel, err) == -1)
            return error_wrap(err, "cannot list %s", kinds[i].kind->plural);
    }
    return 0;
}

static int follow(struct collecting *collecting, struct cancel *cancel, struct error **err)
{
    const struct source_sink *sink = collecting->sink;
    bool missing = false;

    sink->begin(sink->arg);
    if (start_feeds(collecting, &missing, cancel, err) == -1)
        return -1;
    sink->complete(sink->arg);
    while (!cancel_wait(cancel, missing ? LOOK_MS : WAIT_MS))
        if (missing && start_feeds(collecting, &missing, cancel, err) == -1)
            return -1;
    return error_set(err, ERROR_CANCELED, "canceled");
}

static int openshift_collect(struct source *source, const struct source_sink *sink,
                             struct cancel *cancel, struct error **err)
{
    struct collecting collecting = {.openshift = openshift_of(source), .sink = sink};

    for (size_t i = 0; i < KIND_COUNT; i++) {
        collecting.feeds[i].collecting = &collecting;
        collecting.feeds[i].index = i;
    }
    int result = follow(&collecting, cancel, err);

    /* Handlers look into other caches: all are stopped before any is freed. */
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (collecting.feeds[i].cache != NULL)
            kube_cache_stop(collecting.feeds[i].cache);
    for (size_t i = 0; i < KIND_COUNT; i++)
        kube_cache_free(collecting.feeds[i].cache);
    return result;
}

static int openshift_describe(struct source *source, const json_t *vm, struct machine **out,
                              struct error **err)
{
    return error_set(err, ERROR_UNSUPPORTED, "machines of a cluster cannot be moved yet");
}

static int openshift_disk_access(struct source *source, const json_t *vm,
                                 const struct machine *machine, size_t disk, const char *snapshot,
                                 struct source_disk_access *access, struct error **err)
{
    return error_set(err, ERROR_UNSUPPORTED, "machines of a cluster cannot be moved yet");
}

const struct source_ops openshift_source_ops = {
    .type = "openshift",
    .open = openshift_open,
    .close = openshift_close,
    .test = openshift_test,
    .collect = openshift_collect,
    .describe = openshift_describe,
    .disk_access = openshift_disk_access,
};
