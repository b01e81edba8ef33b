/* Claims become folders.  The PersistentVolume is made before its folder and removed after it, so
 * that no crash leaves a folder that nothing knows of.
 *
 * A class of ours may say where its folder is (parameters.path) and that promises may exceed the
 * disk (parameters.overcommit: "true"); else a claim is refused while free space, less what was
 * promised to others and not yet used, does not hold it. */
#define LOG_COMPONENT "node"

#include "node/volumes.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "node/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PROVISIONER "gantry.local/folder"
#define ANN_PROVISIONED_BY "pv.kubernetes.io/provisioned-by"
#define ANN_DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

enum { RETRY_MS = 10000, IN_USE_MS = 2000, TOOL_MS = 20000, TOOL_OUTPUT_MAX = 64 * 1024 };

struct volumes {
    struct agent *agent;
    struct controller *claims, *volumes;
};

/* The class called NAME, or the default one if NAME is NULL; a reference for the caller. */
static json_t *find_class(struct agent *agent, const char *name)
{
    if (name != NULL)
        return kube_cache_get(agent->classes, NULL, name);

    json_auto_t *all = kube_cache_list(agent->classes, NULL, NULL);
    json_t *class;
    size_t i;

    json_array_foreach(all, i, class)
        if (str_eq(meta_annotation(class, ANN_DEFAULT_CLASS), "true"))
            return json_incref(class);
    return NULL;
}

static char *class_dir(const struct agent *agent, const json_t *class)
{
    const char *own = obj_str(class, "parameters.path", NULL);

    return own != NULL ? xstrdup(own)
                       : xasprintf("%s/volumes/%s", agent->dir, meta_name(class));
}

static char *volume_name(const json_t *claim)
{
    return xasprintf("pvc-%s", meta_uid(claim));
}

static bool is_block(const json_t *object)
{
    return str_eq(obj_str(object, "spec.volumeMode", "Filesystem"), "Block");
}

/* What the files in a volume's folder take of the disk. */
static uint64_t used_bytes(const char *dir)
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;
    uint64_t sum = 0;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        struct stat st;

        if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_blocks * 512;
    }
    if (stream != NULL)
        closedir(stream);
    return sum;
}

/* What was promised to the class's volumes other than NAME and is not used yet. */
static uint64_t promised_bytes(struct agent *agent, const char *class, const char *name)
{
    json_auto_t *all = kube_cache_list(agent->volumes, NULL, NULL);
    const json_t *volume;
    uint64_t sum = 0;
    size_t i;

    json_array_foreach(all, i, volume)
    {
        CLEANUP(error) struct error *ignored = NULL; /* the API server has validated it */
        uint64_t capacity = 0;

        if (!str_eq(obj_str(volume, "spec.storageClassName", ""), class) ||
            str_eq(meta_name(volume), name) ||
            quantity_parse_bytes(obj_str(volume, "spec.capacity.storage", "0"), &capacity,
                                 &ignored) == -1)
            continue;
        uint64_t used = used_bytes(obj_str(volume, "spec.hostPath.path", "/nonexistent"));
        sum += capacity > used ? capacity - used : 0;
    }
    return sum;
}

static int check_space(struct agent *agent, const json_t *class, const char *dir, const char *name,
                       uint64_t want, struct error **err)
{
    struct statvfs st;

    if (str_eq(obj_str(class, "parameters.overcommit", ""), "true"))
        return 0;
    if (statvfs(dir, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", dir);
    uint64_t available = (uint64_t)st.f_bavail * st.f_frsize;
    uint64_t promised = promised_bytes(agent, meta_name(class), name);
    uint64_t left = available > promised ? available - promised : 0;
    if (want <= left)
        return 0;
    error_set(err, ERROR_BUSY,
              "no room for %" PRIu64 " bytes in \"%s\": %" PRIu64 " are free, %" PRIu64
              " of them promised to other volumes",
              want, dir, available, promised);
    return error_hint(err, "free space, or let class \"%s\" promise more than there is "
                           "(parameters.overcommit: \"true\")",
                      meta_name(class));
}

static json_t *new_volume(const json_t *claim, const json_t *class, const char *name,
                          const char *path)
{
    json_t *volume = meta_new(&KIND_PV, NULL, name);

    meta_set_annotation(volume, ANN_PROVISIONED_BY, PROVISIONER);
    obj_take(volume, "spec",
             obj_pack("{s:{s:s},s:O,s:s,s:s,s:s,s:{s:s,s:s},s:{s:s,s:s,s:s,s:s,s:s}}", "capacity",
                      "storage", obj_str(claim, "spec.resources.requests.storage", "0"),
                      "accessModes", obj_arr(claim, "spec.accessModes"), "volumeMode",
                      obj_str(claim, "spec.volumeMode", "Filesystem"),
                      "persistentVolumeReclaimPolicy", obj_str(class, "reclaimPolicy", "Delete"),
                      "storageClassName", meta_name(class), "hostPath", "path", path, "type", "",
                      "claimRef", "apiVersion", "v1", "kind", "PersistentVolumeClaim", "namespace",
                      meta_ns(claim), "name", meta_name(claim), "uid", meta_uid(claim)));
    return volume;
}

static int make_content(const json_t *claim, const char *path, uint64_t size, struct error **err)
{
    CLEANUP(str) char *file = path_join(path, "block.img");

    if (dir_make(path, 0755, err) == -1)
        return -1;
    if (!is_block(claim) || file_exists(file))
        return 0;
    CLEANUP(fd) int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || ftruncate(fd, (off_t)size) == -1)
        return error_sys(err, errno, "cannot make \"%s\"", file);
    return 0;
}

/* Ties claim and volume to each other and shows both as bound. */
static int bind(struct agent *agent, const json_t *claim, const json_t *volume, struct error **err)
{
    json_auto_t *patch =
        obj_pack("{s:{s:{s:s}},s:{s:s}}", "metadata", "annotations",
                 "pv.kubernetes.io/bind-completed", "yes", "spec", "volumeName", meta_name(volume));
    json_auto_t *status = obj_pack("{s:s,s:O,s:{s:O}}", "phase", "Bound", "accessModes",
                                   obj_arr(volume, "spec.accessModes"), "capacity", "storage",
                                   obj_at(volume, "spec.capacity.storage"));
    json_auto_t *volume_status = obj_pack("{s:s}", "phase", "Bound");

    if (!str_eq(obj_str(claim, "spec.volumeName", ""), meta_name(volume)) &&
        kube_patch(agent->client, &KIND_PVC, meta_ns(claim), meta_name(claim), NULL, patch, NULL,
                   err) == -1)
        return -1;
    if (fault("node.bind"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot bind");
    if (agent_patch_status(agent, &KIND_PV, volume, volume_status, err) == -1)
        return -1;
    return agent_patch_status(agent, &KIND_PVC, claim, status, err);
}

static int provision(struct agent *agent, const json_t *claim, const json_t *class,
                     struct error **err)
{
    CLEANUP(str) char *name = volume_name(claim);
    CLEANUP(str) char *dir = class_dir(agent, class);
    CLEANUP(str) char *path = path_join(dir, name);
    json_auto_t *volume = new_volume(claim, class, name, path);
    uint64_t size = 0;
    json_t *found = NULL;

    if (quantity_parse_bytes(obj_str(claim, "spec.resources.requests.storage", ""), &size, err) == -1)
        return error_wrap(err, "requested storage");
    if (dir_make(dir, 0755, err) == -1 || check_space(agent, class, dir, name, size, err) == -1)
        return -1;
    if (kube_create(agent->client, &KIND_PV, NULL, volume, &found, err) == -1) {
        if ((*err)->code != ERROR_EXISTS)
            return -1;
        error_clear(err);
        if (kube_get(agent->client, &KIND_PV, NULL, name, &found, err) == -1)
            return -1;
    }
    __attribute__((unused)) json_auto_t *owned = found;
    if (owned == NULL)
        return error_set(err, ERROR_CONFLICT, "volume \"%s\" went away", name);
    if (make_content(claim, path, size, err) == -1 || bind(agent, claim, owned, err) == -1)
        return -1;
    log_info("volume made: claim=%s/%s bytes=%" PRIu64, meta_ns(claim), meta_name(claim), size);
    agent_event(agent, &KIND_PVC, claim, false, "ProvisioningSucceeded",
                "Successfully provisioned volume %s", name);
    return 0;
}

/* A claim that names a volume somebody made. */
static int bind_named(struct agent *agent, const json_t *claim, const char *name,
                      struct reconcile_result *result, struct error **err)
{
    json_t *found = NULL;

    if (kube_get(agent->client, &KIND_PV, NULL, name, &found, err) == -1)
        return -1;
    json_auto_t *volume = found;
    const char *owner = obj_str(volume, "spec.claimRef.uid", NULL);

    if (volume == NULL || (owner != NULL && !str_eq(owner, meta_uid(claim)))) {
        agent_event(agent, &KIND_PVC, claim, true, "FailedBinding", "volume \"%s\" %s", name,
                    volume == NULL ? "not found" : "already bound to a different claim");
        result->again_after_ms = RETRY_MS;
        return 0;
    }
    json_auto_t *patch = obj_pack("{s:{s:{s:s,s:s,s:s,s:s,s:s}}}", "spec", "claimRef", "apiVersion",
                                  "v1", "kind", "PersistentVolumeClaim", "namespace",
                                  meta_ns(claim), "name", meta_name(claim), "uid", meta_uid(claim));
    if (owner == NULL &&
        kube_patch(agent->client, &KIND_PV, NULL, name, NULL, patch, NULL, err) == -1)
        return -1;
    return bind(agent, claim, volume, err);
}

static int claim_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                           struct reconcile_result *result, struct error **err)
{
    struct agent *agent = ((struct volumes *)arg)->agent;
    json_auto_t *claim = kube_cache_get(agent->claims, ns, name);
    const char *volume = obj_str(claim, "spec.volumeName", "");
    const char *class_name = obj_str(claim, "spec.storageClassName", NULL);

    if (claim == NULL || meta_is_deleting(claim) ||
        str_eq(obj_str(claim, "status.phase", ""), "Bound"))
        return 0;
    CLEANUP(str) char *own = volume_name(claim);
    if (volume[0] != '\0' && !str_eq(volume, own))
        return bind_named(agent, claim, volume, result, err);

    json_auto_t *class = find_class(agent, class_name);
    if (class == NULL) {
        agent_event(agent, &KIND_PVC, claim, true, "ProvisioningFailed", "storage class %s%s%s not found",
                    class_name == NULL ? "(default)" : "\"", class_name == NULL ? "" : class_name,
                    class_name == NULL ? "" : "\"");
        result->again_after_ms = RETRY_MS;
        return 0;
    }
    if (!str_eq(obj_str(class, "provisioner", ""), PROVISIONER))
        return 0; /* somebody else's */
    if (class_name == NULL) {
        json_auto_t *patch =
            obj_pack("{s:{s:s}}", "spec", "storageClassName", meta_name(class));

        if (kube_patch(agent->client, &KIND_PVC, ns, name, NULL, patch, NULL, err) == -1)
            return -1;
    }
    if (provision(agent, claim, class, err) == 0)
        return 0;
    agent_event_error(agent, &KIND_PVC, claim, "ProvisioningFailed", *err);
    if ((*err)->code != ERROR_BUSY)
        return -1;
    error_clear(err);
    result->again_after_ms = RETRY_MS;
    return 0;
}

/* True while a Pod that has not ended mounts the claim. */
static bool is_in_use(struct agent *agent, const char *ns, const char *claim)
{
    json_auto_t *pods = kube_cache_list(agent->pods, ns, NULL);
    const json_t *pod, *volume;
    size_t i, k;

    json_array_foreach(pods, i, pod)
    {
        const char *phase = obj_str(pod, "status.phase", "");

        if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
            continue;
        json_array_foreach(obj_arr(pod, "spec.volumes"), k, volume)
            if (str_eq(obj_str(volume, "persistentVolumeClaim.claimName", ""), claim))
                return true;
    }
    return false;
}

static int reclaim(struct agent *agent, const json_t *volume, struct error **err)
{
    const char *path = obj_str(volume, "spec.hostPath.path", "");
    json_auto_t *released = obj_pack("{s:s}", "phase", "Released");

    if (!str_eq(obj_str(volume, "spec.persistentVolumeReclaimPolicy", ""), "Delete") ||
        !str_eq(meta_annotation(volume, ANN_PROVISIONED_BY), PROVISIONER))
        return agent_patch_status(agent, &KIND_PV, volume, released, err);
    /* The name is ours (pvc-UID): a path that somebody edited is not removed. */
    CLEANUP(str) char *own = xasprintf("pvc-%s", obj_str(volume, "spec.claimRef.uid", ""));
    if (!str_eq(meta_name(volume), own) || !str_eq(path_base(path), own))
        return error_set(err, ERROR_INVALID, "volume \"%s\" has a path that is not its own: \"%s\"",
                         meta_name(volume), path);
    if (is_block(volume)) {
        CLEANUP(str) char *file = path_join(path, "block.img");

        volumes_detach(file);
    }
    if (dir_remove(path, err) == -1)
        return -1;
    log_info("volume removed: name=%s", meta_name(volume));
    return kube_delete(agent->client, &KIND_PV, NULL, meta_name(volume), meta_uid(volume),
                       KUBE_DELETE_BACKGROUND, err);
}

static int volume_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                            struct reconcile_result *result, struct error **err)
{
    struct agent *agent = ((struct volumes *)arg)->agent;
    json_auto_t *volume = kube_cache_get(agent->volumes, NULL, name);
    const char *claim_ns = obj_str(volume, "spec.claimRef.namespace", "");
    const char *claim_name = obj_str(volume, "spec.claimRef.name", "");
    const char *uid = obj_str(volume, "spec.claimRef.uid", NULL);
    json_t *claim = NULL;

    if (volume == NULL)
        return 0;
    if (uid == NULL) {
        json_auto_t *available = obj_pack("{s:s}", "phase", "Available");

        return agent_patch_status(agent, &KIND_PV, volume, available, err);
    }
    /* The server, not the cache: what is removed here is gone. */
    if (kube_get(agent->client, &KIND_PVC, claim_ns, claim_name, &claim, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned = claim;
    if (owned != NULL && str_eq(meta_uid(owned), uid))
        return 0;
    if (is_in_use(agent, claim_ns, claim_name)) {
        result->again_after_ms = IN_USE_MS;
        return 0;
    }
    return reclaim(agent, volume, err);
}

/* A claim that changes or goes away concerns its volume. */
static void add_volume_of(struct controller *controller, const json_t *claim, void *arg)
{
    const char *name = obj_str(claim, "spec.volumeName", "");

    if (name[0] != '\0')
        controller_add(controller, NULL, name);
}

static int make_default_class(struct agent *agent, struct error **err)
{
    json_t *classes = NULL;

    if (kube_list(agent->client, &KIND_STORAGE_CLASS, NULL, NULL, &classes, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned = classes;
    if (json_array_size(owned) > 0)
        return 0;

    json_auto_t *class = meta_new(&KIND_STORAGE_CLASS, NULL, "standard");
    meta_set_annotation(class, ANN_DEFAULT_CLASS, "true");
    obj_put_str(class, "provisioner", PROVISIONER);
    obj_put_str(class, "reclaimPolicy", "Delete");
    obj_put_str(class, "volumeBindingMode", "Immediate");
    if (kube_create(agent->client, &KIND_STORAGE_CLASS, NULL, class, NULL, err) == -1) {
        if ((*err)->code != ERROR_EXISTS)
            return -1;
        error_clear(err);
    }
    return 0;
}

int volumes_start(struct agent *agent, struct volumes **out, struct error **err)
{
    struct volumes *volumes = xcalloc(1, sizeof(*volumes));
    struct controller_spec claims = {
        .name = "claims", .workers = 1, .reconcile = claim_reconcile, .arg = volumes};
    struct controller_spec vols = {
        .name = "volumes", .workers = 1, .reconcile = volume_reconcile, .arg = volumes};

    volumes->agent = agent;
    volumes->claims = controller_new(&claims);
    volumes->volumes = controller_new(&vols);
    controller_watch(volumes->claims, agent->claims);
    controller_watch(volumes->volumes, agent->volumes);
    controller_watch_map(volumes->volumes, agent->claims, add_volume_of, NULL);
    if (make_default_class(agent, err) == -1 || controller_start(volumes->claims, err) == -1 ||
        controller_start(volumes->volumes, err) == -1) {
        volumes_stop(volumes);
        return -1;
    }
    *out = volumes;
    return 0;
}

void volumes_stop(struct volumes *volumes)
{
    if (volumes == NULL)
        return;
    controller_free(volumes->claims);
    controller_free(volumes->volumes);
    free(volumes);
}

int volumes_find(struct agent *agent, const char *ns, const char *name, char **path, bool *block,
                 uint64_t *capacity, struct error **err)
{
    json_t *claim = NULL, *volume = NULL;

    if (kube_get(agent->client, &KIND_PVC, ns, name, &claim, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned_claim = claim;
    const char *volume_of = obj_str(claim, "spec.volumeName", "");
    if (claim == NULL)
        return error_set(err, ERROR_NOT_FOUND, "persistentvolumeclaim \"%s\" not found", name);
    if (!str_eq(obj_str(claim, "status.phase", ""), "Bound"))
        return error_set(err, ERROR_UNAVAILABLE, "persistentvolumeclaim \"%s\" is not bound yet", name);
    if (kube_get(agent->client, &KIND_PV, NULL, volume_of, &volume, err) == -1)
        return -1;
    __attribute__((unused)) json_auto_t *owned_volume = volume;
    const char *dir = obj_str(volume, "spec.hostPath.path", obj_str(volume, "spec.local.path", NULL));
    if (dir == NULL)
        return error_set(err, ERROR_UNSUPPORTED,
                         "volume \"%s\" of claim \"%s\" has no folder on this machine", volume_of, name);
    if (quantity_parse_bytes(obj_str(volume, "spec.capacity.storage", "0"), capacity, err) == -1)
        return -1;
    *block = is_block(volume);
    *path = *block ? path_join(dir, "block.img") : xstrdup(dir);
    return 0;
}

/* Runs losetup and gives its first line of output, "" if there is none. */
static int run_losetup(const char *const *argv, char **line, struct error **err)
{
    CLEANUP(process_result) struct process_result result = {0};
    struct process_options options = {.argv = argv};

    if (process_run(&options, NULL, 0, TOOL_OUTPUT_MAX, deadline_after(TOOL_MS), NULL, &result,
                    err) == -1)
        return -1;
    if (result.status != 0) {
        struct span text = span_trim(span_of(result.errors));

        return error_set(err, ERROR_UNSUPPORTED, "losetup: %.*s", (int)text.len, text.ptr);
    }
    struct span rest = span_of(result.out), first = {0};
    span_split(&rest, '\n', &first);
    *line = span_dup(first);
    return 0;
}

int volumes_attach(const char *file, char **device, struct error **err)
{
    CLEANUP(str) char *found = NULL;
    const char *const find[] = {"losetup", "--noheadings", "--output", "NAME", "--associated", file,
                                NULL};
    const char *const make[] = {"losetup", "--find", "--show", file, NULL};

    if (run_losetup(find, &found, err) == -1)
        return error_wrap(err, "block volume \"%s\"", file);
    if (found[0] != '\0') {
        *device = steal(&found);
        return 0;
    }
    if (run_losetup(make, device, err) == -1)
        return error_wrap(err, "cannot attach block volume \"%s\"", file);
    return 0;
}

void volumes_detach(const char *file)
{
    for (int i = 0; i < 8; i++) { /* more than one only after a race */
        CLEANUP(error) struct error *ignored = NULL;
        CLEANUP(str) char *device = NULL;
        CLEANUP(str) char *nothing = NULL;
        const char *const find[] = {"losetup", "--noheadings", "--output", "NAME", "--associated",
                                    file, NULL};

        if (run_losetup(find, &device, &ignored) == -1 || device[0] == '\0')
            return;
        const char *const detach[] = {"losetup", "--detach", device, NULL};
        if (run_losetup(detach, &nothing, &ignored) == -1)
            return;
    }
}
