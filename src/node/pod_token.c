#define LOG_COMPONENT "node"

#include "node/pod_token.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/base64.h"
#include "kube/client.h"
#include "kube/meta.h"
#include "node/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum {
    LIFE_S = 24 * 3600, /* of a token whose volume does not say; longer ones are renewed as early */
    RENEW_PERCENT = 80,
    TOKEN_MODE = 0600,
};

#define FOLDER_OPTIONS "size=16m,mode=0755"

/* --- Requests ------------------------------------------------------------------------------------- */

static int64_t life_s(const json_t *source)
{
    int64_t asked = obj_int(source, "expirationSeconds", LIFE_S);

    return asked < LIFE_S ? asked : LIFE_S;
}

const char *pod_token_path(const json_t *source)
{
    return obj_str(source, "path", "token");
}

char *pod_token_request(struct agent *agent, const json_t *pod, const json_t *source,
                        struct error **err)
{
    const char *account = obj_str(pod, "spec.serviceAccountName", "default"), *token = NULL;
    CLEANUP(str) char *path = xasprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token",
                                        meta_ns(pod), account);
    json_auto_t *request = obj_pack(
        "{s:s,s:s,s:{s:I,s:{s:s,s:s,s:s,s:s}}}", "apiVersion", "authentication.k8s.io/v1", "kind",
        "TokenRequest", "spec", "expirationSeconds",
        (json_int_t)obj_int(source, "expirationSeconds", LIFE_S), "boundObjectRef", "kind", "Pod",
        "apiVersion", "v1", "name", meta_name(pod), "uid", meta_uid(pod));
    json_t *answer = NULL;

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
    int result = kube_raw(agent->client, &raw, &answer, err);
    json_auto_t *owned = answer;
    if (result == -1 || obj_need_str(owned, "status.token", &token, err) == -1) {
        error_wrap(err, "token of service account \"%s\"", account);
        return NULL;
    }
    return xstrdup(token);
}

/* --- Folders ---------------------------------------------------------------------------------------- */

static char *folder_of(const char *pod_dir, const char *volume)
{
    return xasprintf("%s/volumes/%s", pod_dir, volume);
}

/* 1 if it is mounted, 0 if this machine does not let us. */
static int mount_folder(const char *folder, struct error **err)
{
    if (path_is_mount(folder))
        return 1;
    if (dir_make(folder, 0755, err) == -1)
        return -1;
    if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, FOLDER_OPTIONS) == 0)
        return 1;
    if (errno == EPERM || errno == EACCES) {
        log_warn("no folder in memory can be mounted here: tokens of pods are not renewed");
        return 0;
    }
    return error_sys(err, errno, "cannot mount a folder in memory at \"%s\"", folder);
}

/* Makes the folders above PATH, which lies below FOLDER. */
static int make_parents(const char *folder, const char *path, struct error **err)
{
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        CLEANUP(str) char *dir = xasprintf("%s/%.*s", folder, (int)(slash - path), path);

        if (dir_make(dir, 0755, err) == -1)
            return -1;
    }
    return 0;
}

static int place_file(const char *folder, const json_t *file, struct error **err)
{
    const char *path = obj_str(file, "path", ""), *text = obj_str(file, "data", "");
    CLEANUP(str) char *full = path_join(folder, path);
    CLEANUP(str) char *data = NULL;
    size_t len = 0;

    if (!path_is_plain_relative(path, strlen(path)))
        return error_set(err, ERROR_INVALID, "path \"%s\" leaves its volume", path);
    if (base64_decode(text, strlen(text), &data, &len, err) == -1)
        return error_wrap(err, "file \"%s\"", path);
    int result = make_parents(folder, path, err) == -1
                     ? -1
                     : file_write(full, data, len, (mode_t)obj_int(file, "mode", 0644) & 0777, err);
    explicit_bzero(data, len);
    return result;
}

int pod_token_place(const char *pod_dir, const char *volume, const json_t *files, char **folder,
                    struct error **err)
{
    CLEANUP(str) char *path = folder_of(pod_dir, volume);
    int mounted = mount_folder(path, err);
    const json_t *file;
    size_t i;

    *folder = NULL;
    if (mounted != 1)
        return mounted;
    json_array_foreach(files, i, file)
        if (place_file(path, file, err) == -1)
            return -1;
    *folder = steal(&path);
    return 0;
}

/* --- Renewal ---------------------------------------------------------------------------------------- */

/* Whether the token at PATH, whose volume is described by SOURCE, is to be replaced. */
static bool is_due(const char *path, const json_t *source, int64_t now_ms)
{
    struct stat st;

    if (stat(path, &st) == -1) /* never placed, or in memory of the container's own */
        return false;
    int64_t age_ms = now_ms - (int64_t)st.st_mtim.tv_sec * 1000;
    return age_ms >= life_s(source) * 1000 / 100 * RENEW_PERCENT;
}

static void renew(struct agent *agent, const json_t *pod, const char *folder, const json_t *source,
                  int64_t now_ms)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(folder, pod_token_path(source));

    if (!is_due(path, source, now_ms))
        return;
    char *token = pod_token_request(agent, pod, source, &err);
    if (token != NULL && file_write(path, token, strlen(token), TOKEN_MODE, &err) == 0)
        log_info("token renewed: pod=%s/%s file=%s", meta_ns(pod), meta_name(pod), path);
    else
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "a pod's token was not renewed");
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    free(token);
}

void pod_tokens_renew(struct agent *agent, const json_t *pod, const char *pod_dir, int64_t now_ms)
{
    CLEANUP(str) char *own = folder_of(pod_dir, POD_TOKEN_FOLDER);
    const json_t *volume, *source;
    size_t i, k;

    renew(agent, pod, own, NULL, now_ms);
    json_array_foreach(obj_arr(pod, "spec.volumes"), i, volume)
    {
        CLEANUP(str) char *folder = folder_of(pod_dir, obj_str(volume, "name", ""));

        json_array_foreach(obj_arr(volume, "projected.sources"), k, source)
        {
            const json_t *token = obj_obj(source, "serviceAccountToken");

            if (token != NULL)
                renew(agent, pod, folder, token, now_ms);
        }
    }
}
