#include "node/pod_spec.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "node/agent.h"
#include "node/appliance.h"
#include "node/image.h"
#include "node/machine_resources.h"
#include "node/sub_path.h"
#include "node/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOUNT_MS = 30000, MOUNT_OUTPUT_MAX = 4096, TOKEN_SECONDS = 24 * 3600 };

#define APPLIANCE_DIR "/opt/gantry/appliance"
#define SUB_PATH_PREFIX "sub_"
#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* One volume being made. */
struct making {
    struct agent *agent;
    const json_t *pod;
    const char *pod_dir;
    json_t *files; /* of a volume whose content is data */
};

static void add_file(json_t *files, const char *path, const char *base64, int64_t mode)
{
    json_array_append_new(files, obj_pack("{s:s,s:s,s:I}", "path", path, "data", base64, "mode",
                                          (json_int_t)mode));
}

static void add_text(json_t *files, const char *path, const char *text, int64_t mode)
{
    CLEANUP(str) char *base64 = base64_encode(text, strlen(text));

    add_file(files, path, base64, mode);
}

/* The value under KEY as base64, from data or binaryData; NULL if absent. */
static char *value_base64(const json_t *object, bool secret, const char *key)
{
    const char *text = obj_map_str(obj_obj(object, "data"), key);

    if (text != NULL)
        return secret ? xstrdup(text) : base64_encode(text, strlen(text));
    text = secret ? NULL : obj_map_str(obj_obj(object, "binaryData"), key);
    return text == NULL ? NULL : xstrdup(text);
}

static void add_all_keys(struct making *m, const json_t *object, bool secret, int64_t mode)
{
    const char *key;
    json_t *value;

    json_object_foreach(obj_obj(object, "data"), key, value)
    {
        CLEANUP(str) char *base64 = value_base64(object, secret, key);

        if (base64 != NULL)
            add_file(m->files, key, base64, mode);
    }
    if (secret)
        return;
    json_object_foreach(obj_obj(object, "binaryData"), key, value)
        if (json_is_string(value))
            add_file(m->files, key, json_string_value(value), mode);
}

static int add_items(struct making *m, const json_t *object, bool secret, const json_t *source,
                     int64_t mode, struct error **err)
{
    const json_t *item;
    size_t i;

    json_array_foreach(obj_arr(source, "items"), i, item)
    {
        const char *key = obj_str(item, "key", ""), *path = obj_str(item, "path", "");
        CLEANUP(str) char *base64 = value_base64(object, secret, key);

        if (!path_is_plain_relative(path, strlen(path)))
            return error_set(err, ERROR_INVALID, "path \"%s\" leaves its volume", path);
        if (base64 != NULL)
            add_file(m->files, path, base64, obj_int(item, "mode", mode));
        else if (!obj_bool(source, "optional", false))
            return error_set(err, ERROR_NOT_FOUND, "%s \"%s\" has no key \"%s\"",
                             secret ? "Secret" : "ConfigMap", meta_name(object), key);
    }
    return 0;
}

/* The files of a Secret or ConfigMap as SOURCE selects them. */
static int add_data(struct making *m, bool secret, const char *name, const json_t *source,
                    int64_t mode, struct error **err)
{
    json_t *object = NULL;

    if (kube_get(m->agent->client, secret ? &KIND_SECRET : &KIND_CONFIG_MAP, meta_ns(m->pod), name,
                 &object, err) == -1)
        return -1;
    json_auto_t *owned = object;
    mode = obj_int(source, "defaultMode", mode);
    if (owned == NULL)
        return obj_bool(source, "optional", false)
                   ? 0
                   : error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found",
                               secret ? "Secret" : "ConfigMap", name);
    if (obj_count(source, "items") > 0)
        return add_items(m, owned, secret, source, mode, err);
    add_all_keys(m, owned, secret, mode);
    return 0;
}

static int add_token(struct making *m, const json_t *source, struct error **err)
{
    const char *account = obj_str(m->pod, "spec.serviceAccountName", "default");
    CLEANUP(str) char *path = xasprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token",
                                        meta_ns(m->pod), account);
    json_auto_t *request = obj_pack(
        "{s:s,s:s,s:{s:I,s:{s:s,s:s,s:s,s:s}}}", "apiVersion", "authentication.k8s.io/v1", "kind",
        "TokenRequest", "spec", "expirationSeconds",
        (json_int_t)obj_int(source, "expirationSeconds", TOKEN_SECONDS), "boundObjectRef", "kind",
        "Pod", "apiVersion", "v1", "name", meta_name(m->pod), "uid", meta_uid(m->pod));
    json_t *answer = NULL;

    /* A pod's life is short here and its files do not change: the token must last as long. */
    if (obj_int(request, "spec.expirationSeconds", 0) < TOKEN_SECONDS)
        obj_put_int(request, "spec.expirationSeconds", TOKEN_SECONDS);
    if (obj_str(source, "audience", NULL) != NULL)
        obj_take(request, "spec.audiences", obj_pack("[s]", obj_str(source, "audience", "")));

    CLEANUP(str) char *body = obj_format(request);
    struct kube_request raw = {
        .method = "POST",
        .path = path,
        .content_type = "application/json",
        .body = body,
        .body_len = strlen(body),
    };
    if (kube_raw(m->agent->client, &raw, &answer, err) == -1)
        return error_wrap(err, "token of service account \"%s\"", account);
    json_auto_t *owned = answer;
    const char *token = NULL;
    if (obj_need_str(owned, "status.token", &token, err) == -1)
        return error_wrap(err, "token of service account \"%s\"", account);
    add_text(m->files, obj_str(source, "path", "token"), token, 0600);
    return 0;
}

static int add_downward(struct making *m, const json_t *source, int64_t mode, struct error **err)
{
    const json_t *item;
    size_t i;

    json_array_foreach(obj_arr(source, "items"), i, item)
    {
        const char *path = obj_str(item, "path", "");
        const char *field = obj_str(item, "fieldRef.fieldPath", "");
        CLEANUP(str) char *value = pod_field(m->agent, m->pod, field);

        if (!path_is_plain_relative(path, strlen(path)))
            return error_set(err, ERROR_INVALID, "path \"%s\" leaves its volume", path);
        if (value == NULL)
            return error_set(err, ERROR_UNSUPPORTED, "unknown field \"%s\"", field);
        add_text(m->files, path, value, obj_int(item, "mode", mode));
    }
    return 0;
}

static int add_projected(struct making *m, const json_t *projected, struct error **err)
{
    int64_t mode = obj_int(projected, "defaultMode", 0644);
    const json_t *source;
    size_t i;

    json_array_foreach(obj_arr(projected, "sources"), i, source)
    {
        const json_t *part;
        int result = 0;

        if ((part = obj_obj(source, "serviceAccountToken")) != NULL)
            result = add_token(m, part, err);
        else if ((part = obj_obj(source, "configMap")) != NULL)
            result = add_data(m, false, obj_str(part, "name", ""), part, mode, err);
        else if ((part = obj_obj(source, "secret")) != NULL)
            result = add_data(m, true, obj_str(part, "name", ""), part, mode, err);
        else if ((part = obj_obj(source, "downwardAPI")) != NULL)
            result = add_downward(m, part, mode, err);
        else
            result = error_set(err, ERROR_UNSUPPORTED, "unknown source %zu", i);
        if (result == -1)
            return -1;
    }
    return 0;
}

static json_t *path_volume(const char *path)
{
    return obj_pack("{s:s}", "path", path);
}

static char *own_dir(const struct making *m, const char *volume, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/volumes/%s", m->pod_dir, volume);

    if (dir_make(path, 0755, err) == -1)
        return NULL;
    return steal(&path);
}

static json_t *make_empty_dir(const struct making *m, const char *volume, struct error **err)
{
    CLEANUP(str) char *path = own_dir(m, volume, err);

    if (path == NULL)
        return NULL;
    if (chmod(path, 0777) == -1) {
        error_sys(err, errno, "cannot open \"%s\" to all", path);
        return NULL;
    }
    return path_volume(path);
}

static json_t *make_host_path(const json_t *source, struct error **err)
{
    const char *path = obj_str(source, "path", ""), *type = obj_str(source, "type", "");
    struct stat st;
    bool create = str_eq(type, "DirectoryOrCreate");

    if (create && dir_make(path, 0755, err) == -1)
        return NULL;
    if (stat(path, &st) == -1) {
        error_sys(err, errno, "host path \"%s\"", path);
        return NULL;
    }
    if ((str_eq(type, "Directory") && !S_ISDIR(st.st_mode)) ||
        (str_eq(type, "File") && !S_ISREG(st.st_mode))) {
        error_set(err, ERROR_INVALID, "host path \"%s\" is no %s", path, type);
        return NULL;
    }
    return path_volume(path);
}

static json_t *make_claim(const struct making *m, const json_t *source, struct error **err)
{
    const char *name = obj_str(source, "claimName", "");
    CLEANUP(str) char *path = NULL;
    CLEANUP(str) char *device = NULL;
    bool is_block = false;
    uint64_t capacity;

    if (volumes_find(m->agent, meta_ns(m->pod), name, &path, &is_block, &capacity, err) == -1)
        return NULL;
    if (!is_block)
        return path_volume(path);
    if (volumes_attach(path, &device, err) == -1)
        return NULL;
    return obj_pack("{s:s,s:b}", "path", device, "device", true);
}

static bool is_mount_point(const char *path)
{
    CLEANUP(str) char *above = xasprintf("%s/..", path);
    struct stat here, there;

    return stat(path, &here) == 0 && stat(above, &there) == 0 && here.st_dev != there.st_dev;
}

static json_t *make_nfs(const struct making *m, const char *volume, const json_t *source,
                        struct error **err)
{
    CLEANUP(str) char *path = own_dir(m, volume, err);
    CLEANUP(str) char *from =
        xasprintf("%s:%s", obj_str(source, "server", ""), obj_str(source, "path", ""));
    const char *flags = obj_bool(source, "readOnly", false) ? "ro,nosuid,nodev,soft,nolock,timeo=100"
                                                            : "rw,nosuid,nodev,soft,nolock,timeo=100";
    CLEANUP(process_result) struct process_result result = {0};
    struct process_options options = {
        .argv = (const char *const[]){"mount", "-t", "nfs", "-o", flags, from, path, NULL}};

    if (path == NULL)
        return NULL;
    if (!is_mount_point(path)) {
        if (process_run(&options, NULL, 0, MOUNT_OUTPUT_MAX, deadline_after(MOUNT_MS), NULL,
                        &result, err) == -1)
            return NULL;
        if (result.status != 0) {
            struct span text = span_trim(span_of(result.errors));

            error_set(err, ERROR_UNAVAILABLE, "cannot mount \"%s\": %.*s", from, (int)text.len,
                      text.ptr);
            return NULL;
        }
    }
    return path_volume(path);
}

/* A volume whose content is data; NULL without an error if it is another. */
static json_t *make_data(struct making *m, const json_t *volume, struct error **err)
{
    const json_t *source;
    json_auto_t *files = json_array();
    int result = 0;

    m->files = files;
    if ((source = obj_obj(volume, "configMap")) != NULL)
        result = add_data(m, false, obj_str(source, "name", ""), source, 0644, err);
    else if ((source = obj_obj(volume, "secret")) != NULL)
        result = add_data(m, true, obj_str(source, "secretName", ""), source, 0644, err);
    else if ((source = obj_obj(volume, "projected")) != NULL)
        result = add_projected(m, source, err);
    else if ((source = obj_obj(volume, "downwardAPI")) != NULL)
        result = add_downward(m, source, obj_int(source, "defaultMode", 0644), err);
    else
        return NULL;
    return result == -1 ? NULL : obj_pack("{s:O}", "files", files);
}

static json_t *make_volume(struct making *m, const json_t *volume, struct error **err)
{
    const char *name = obj_str(volume, "name", "");
    const json_t *source;
    json_t *made = make_data(m, volume, err);

    if (made != NULL || *err != NULL)
        return made;
    if (obj_obj(volume, "emptyDir") != NULL)
        return make_empty_dir(m, name, err);
    if ((source = obj_obj(volume, "hostPath")) != NULL)
        return make_host_path(source, err);
    if ((source = obj_obj(volume, "persistentVolumeClaim")) != NULL)
        return make_claim(m, source, err);
    if ((source = obj_obj(volume, "nfs")) != NULL)
        return make_nfs(m, name, source, err);
    error_set(err, ERROR_UNSUPPORTED,
              "volume type is not served at home: there are emptyDir, hostPath, configMap, secret, "
              "projected, downwardAPI, persistentVolumeClaim and nfs");
    return NULL;
}

static bool mounts_service_account(const json_t *pod)
{
    const json_t *container, *mount;
    size_t i, k;

    json_array_foreach(obj_arr(pod, "spec.containers"), i, container)
        json_array_foreach(obj_arr(container, "volumeMounts"), k, mount)
            if (str_eq(obj_str(mount, "mountPath", ""), SERVICE_ACCOUNT_DIR))
                return true;
    return false;
}

/* What a cluster's admission adds to each Pod: token, authority and namespace. */
static int make_service_account(struct making *m, json_t *volumes, struct error **err)
{
    json_auto_t *files = json_array();
    json_auto_t *authority = obj_pack("{s:s,s:b}", "name", "kube-root-ca.crt", "optional", true);

    if (!obj_bool(m->pod, "spec.automountServiceAccountToken", true) ||
        mounts_service_account(m->pod))
        return 0;
    m->files = files;
    if (add_token(m, NULL, err) == -1 ||
        add_data(m, false, "kube-root-ca.crt", authority, 0644, err) == -1)
        return -1;
    add_text(files, "namespace", meta_ns(m->pod), 0644);
    json_object_set_new(volumes, SERVICE_ACCOUNT_DIR, obj_pack("{s:O}", "files", files));
    return 0;
}

int pod_volumes_make(struct agent *agent, const json_t *pod, const char *pod_dir, json_t **volumes,
                     struct error **err)
{
    struct making m = {.agent = agent, .pod = pod, .pod_dir = pod_dir};
    json_auto_t *out = json_object();
    const json_t *volume;
    size_t i;

    json_array_foreach(obj_arr(pod, "spec.volumes"), i, volume)
    {
        const char *name = obj_str(volume, "name", "");

        /* It becomes the name of a folder. */
        if (!name_is_label(name, strlen(name)))
            return error_set(err, ERROR_INVALID, "volume name \"%s\" is not valid", name);
        json_t *made = make_volume(&m, volume, err);
        if (made == NULL)
            return error_wrap(err, "volume \"%s\"", name);
        json_object_set_new(out, name, made);
    }
    if (make_service_account(&m, out, err) == -1)
        return -1;
    *volumes = json_incref(out);
    return 0;
}

int pod_volumes_release(const char *pod_dir, struct error **err)
{
    CLEANUP(str) char *dir = path_join(pod_dir, "volumes");
    DIR *stream = opendir(dir);
    const struct dirent *entry;
    int result = 0;

    if (stream == NULL)
        return 0;
    while (result == 0 && (entry = readdir(stream)) != NULL) {
        CLEANUP(str) char *path = path_join(dir, entry->d_name);

        if (str_starts_with(entry->d_name, SUB_PATH_PREFIX))
            result = sub_path_release(path, err);
        else if (entry->d_name[0] != '.' && is_mount_point(path) &&
                 umount2(path, MNT_DETACH) == -1)
            result = error_sys(err, errno, "cannot unmount \"%s\"", path);
    }
    closedir(stream);
    return result;
}

static void add_mount(json_t *spec, const char *from, const char *to, bool read_only, bool device)
{
    obj_take(spec, "mounts[]", obj_pack("{s:s,s:s,s:b,s:b}", "from", from, "to", to, "readOnly",
                                        read_only, "device", device));
}

/* The files of a volume at a mount's path; with SUB only that one, at the path itself. */
static void mount_files(json_t *spec, const json_t *files, const char *to, const char *sub)
{
    const json_t *file;
    size_t i;

    obj_take(spec, "dirs[]", json_string(to));
    json_array_foreach(files, i, file)
    {
        const char *path = obj_str(file, "path", "");
        json_t *copy = obj_copy(file);

        if (sub != NULL && !str_eq(path, sub)) {
            json_decref(copy);
            continue;
        }
        CLEANUP(str) char *full = sub != NULL ? xstrdup(to) : path_join(to, path);
        obj_put_str(copy, "path", full);
        obj_take(spec, "files[]", copy);
    }
}

/* Mounts the volume's folder FROM, or its part SUB, which is bound to AT first. */
static int mount_path(json_t *spec, const char *from, const json_t *mount, const char *to,
                      const char *sub, const char *at, struct error **err)
{
    if (sub != NULL && !path_is_plain_relative(sub, strlen(sub)))
        return error_set(err, ERROR_INVALID, "subPath \"%s\" leaves its volume", sub);
    if (sub != NULL && sub_path_bind(from, sub, at, err) == -1)
        return -1;
    add_mount(spec, sub != NULL ? at : from, to, obj_bool(mount, "readOnly", false), false);
    return 0;
}

/* Where the container's I-th mount has its part of a volume; '_' is in no volume's name. */
static char *sub_path_place(const struct agent *agent, const json_t *pod, const json_t *container,
                            size_t i)
{
    return xasprintf("%s/pods/%s/volumes/" SUB_PATH_PREFIX "%s_%zu", agent->dir, meta_uid(pod),
                     obj_str(container, "name", ""), i);
}

static int add_volume_mounts(const struct agent *agent, const json_t *pod, json_t *spec,
                             const json_t *container, const json_t *volumes, struct error **err)
{
    const char *container_name = obj_str(container, "name", "");
    const json_t *mount;
    size_t i;

    if (!name_is_label(container_name, strlen(container_name)))
        return error_set(err, ERROR_INVALID, "container name \"%s\" is not valid", container_name);

    json_array_foreach(obj_arr(container, "volumeMounts"), i, mount)
    {
        const char *name = obj_str(mount, "name", ""), *to = obj_str(mount, "mountPath", "");
        const char *sub = obj_str(mount, "subPath", NULL);
        const json_t *volume = json_object_get(volumes, name);
        CLEANUP(str) char *at = sub_path_place(agent, pod, container, i);

        if (volume == NULL)
            return error_set(err, ERROR_INVALID, "mount of unknown volume \"%s\"", name);
        if (str_is_empty(sub))
            sub = NULL;
        if (obj_arr(volume, "files") != NULL)
            mount_files(spec, obj_arr(volume, "files"), to, sub);
        else if (mount_path(spec, obj_str(volume, "path", ""), mount, to, sub, at, err) == -1)
            return error_wrap(err, "volume \"%s\"", name);
    }
    json_array_foreach(obj_arr(container, "volumeDevices"), i, mount)
    {
        const char *name = obj_str(mount, "name", "");
        const json_t *volume = json_object_get(volumes, name);

        if (!obj_bool(volume, "device", false))
            return error_set(err, ERROR_INVALID, "volume \"%s\" is no block device", name);
        add_mount(spec, obj_str(volume, "path", ""), obj_str(mount, "devicePath", ""), false, true);
    }
    volumes = json_object_get(volumes, SERVICE_ACCOUNT_DIR);
    if (volumes != NULL)
        mount_files(spec, obj_arr(volumes, "files"), SERVICE_ACCOUNT_DIR, NULL);
    return 0;
}

/* The container's words with their variables filled in. */
static json_t *expanded(const json_t *words, const json_t *env)
{
    json_t *out = json_array();
    const json_t *word;
    size_t i;

    json_array_foreach(words, i, word)
    {
        CLEANUP(str) char *text =
            pod_expand(json_is_string(word) ? json_string_value(word) : "", env);

        json_array_append_new(out, json_string(text));
    }
    return out;
}

/* The container's setting, else the Pod's, else FALLBACK. */
static int64_t security(const json_t *pod, const json_t *container, const char *field,
                        int64_t fallback)
{
    CLEANUP(str) char *own = xasprintf("securityContext.%s", field);
    CLEANUP(str) char *common = xasprintf("spec.securityContext.%s", field);

    return obj_int(container, own, obj_int(pod, common, fallback));
}

/* Where the image's program is in the container; owned by the caller. */
static char *program_path(const struct runtime *runtime, const struct image *image)
{
    CLEANUP(str) char *helper = NULL;

    if (image->program == NULL)
        return NULL;
    helper = path_join(runtime->helper_dir, image->program);
    return path_join(file_exists(helper) ? IMAGE_HELPER_DIR : IMAGE_PROGRAM_DIR, image->program);
}

/* libguestfs' appliance, and KVM for it where that works. */
static int add_conversion(struct agent *agent, json_t *spec, struct error **err)
{
    CLEANUP(str) char *cache = path_join(agent->dir, "cache");
    CLEANUP(str) char *appliance = path_join(cache, "appliance");

    if (appliance_ensure(cache, err) == -1)
        return -1;
    add_mount(spec, appliance, APPLIANCE_DIR, true, false);
    obj_put_str(spec, "env.LIBGUESTFS_PATH", APPLIANCE_DIR);
    /* libosinfo follows /usr/share/misc/usb.ids into here, and fails without it. */
    if (file_exists("/var/lib/usbutils"))
        add_mount(spec, "/var/lib/usbutils", "/var/lib/usbutils", true, false);
    if (machine_has_kvm(agent))
        add_mount(spec, "/dev/kvm", "/dev/kvm", false, true);
    return 0;
}

/* What the image would have brought: the home's folder of that name. */
static int add_image_folder(const struct agent *agent, const struct image *image, json_t *spec,
                            struct error **err)
{
    CLEANUP(str) char *home = xasprintf("%s/../%s", agent->dir, image->folder);
    CLEANUP(str) char *target = xasprintf("/%s", image->folder);
    char real[PATH_MAX];

    if (realpath(home, real) == NULL)
        return error_set(err, ERROR_NOT_FOUND, "there is no folder \"%s\" in the home for it",
                         image->folder);
    add_mount(spec, real, target, true, false);
    return 0;
}

json_t *pod_container_spec(struct agent *agent, const json_t *pod, const json_t *container,
                           const struct image *image, const json_t *volumes, struct error **err)
{
    json_auto_t *env = pod_environment(agent, pod, container, err);

    if (env == NULL)
        return NULL;
    json_auto_t *command = expanded(obj_arr(container, "command"), env);
    json_auto_t *args = expanded(obj_arr(container, "args"), env);
    const char *dir = obj_str(container, "workingDir", "");
    bool host = obj_bool(pod, "spec.hostNetwork", false);
    CLEANUP(str) char *program = program_path(&agent->runtime, image);
    json_auto_t *spec = obj_pack(
        "{s:o,s:O,s:s,s:I,s:I,s:s,s:s,s:b}", "argv", image_argv(image, program, command, args), "env", env,
        "cwd", str_is_empty(dir) ? "/" : dir, "uid",
        (json_int_t)security(pod, container, "runAsUser", image->uid), "gid",
        (json_int_t)security(pod, container, "runAsGroup", image->uid), "hostname", meta_name(pod), "network",
        host ? "host" : image->network, "ioUring", image->io_uring);

    obj_take(spec, "mounts", json_array());
    obj_take(spec, "files", json_array());
    obj_take(spec, "dirs", json_array());
    add_mount(spec, agent->runtime.program_dir, IMAGE_PROGRAM_DIR, true, false);
    add_mount(spec, agent->runtime.helper_dir, IMAGE_HELPER_DIR, true, false);
    if (image->converts && add_conversion(agent, spec, err) == -1)
        return NULL;
    if (image->folder != NULL && add_image_folder(agent, image, spec, err) == -1)
        return NULL;
    if (add_volume_mounts(agent, pod, spec, container, volumes, err) == -1)
        return NULL;
    return json_incref(spec);
}
