#include "kube/config.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "data/yaml.h"

#include <stdlib.h>
#include <string.h>

#define POD_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

enum { FILE_MAX = 4 * 1024 * 1024 };

void kube_config_free(struct kube_config *config)
{
    if (config == NULL)
        return;
    free(config->server);
    free(config->ca_pem);
    free(config->cert_pem);
    secret_free(config->key_pem);
    secret_free(config->token);
    free(config->token_file);
    free(config->user);
    secret_free(config->password);
    free(config->proxy);
    free(config->thumbprint);
    free(config->ns);
    free(config->context);
    free(config);
}

/* What a kubeconfig file is read with. */
struct reader {
    char *dir; /* where relative names start */
    json_t *file;
};

static void reader_reset(struct reader *reader)
{
    free(reader->dir);
    json_decref(reader->file);
}

DEFINE_CLEANUP_IN_PLACE(reader, struct reader, reader_reset)

static char *resolve(const struct reader *reader, const char *name)
{
    return name[0] == '/' ? xstrdup(name) : path_join(reader->dir, name);
}

/* The object under INNER of the entry called NAME in the list LIST. */
static int find_entry(const struct reader *reader, const char *list, const char *inner,
                      const char *name, const json_t **out, struct error **err)
{
    size_t i;
    json_t *entry;

    json_array_foreach(obj_arr(reader->file, list), i,
                       entry) if (str_eq(obj_str(entry, "name", NULL), name))
    {
        *out = obj_obj(entry, inner);
        return 0;
    }
    return error_set(err, ERROR_INVALID, "\"%s\" has no entry named \"%s\"", list, name);
}

static char *dup_field(const json_t *o, const char *key)
{
    const char *value = obj_map_str(o, key);

    return str_is_empty(value) ? NULL : xstrdup(value);
}

/* The text under KEY-data in base64, or in the file that KEY names; *TEXT stays NULL for neither.
 */
static int read_either(const struct reader *reader, const json_t *o, const char *key, char **text,
                       size_t *len, struct error **err)
{
    CLEANUP(str) char *data_key = xasprintf("%s-data", key);
    const char *data = obj_map_str(o, data_key);
    const char *name = obj_map_str(o, key);

    if (!str_is_empty(data)) {
        if (base64_decode(data, strlen(data), text, len, err) == -1)
            return error_wrap(err, "\"%s\"", data_key);
        return 0;
    }
    if (str_is_empty(name))
        return 0;
    CLEANUP(str) char *path = resolve(reader, name);
    return file_read(path, FILE_MAX, text, len, err);
}

static int read_secret(const struct reader *reader, const json_t *o, const char *key,
                       struct secret **secret, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (read_either(reader, o, key, &text, &len, err) == -1)
        return -1;
    if (text == NULL)
        return 0;
    *secret = secret_new(text, len);
    secret_wipe(text, len);
    return 0;
}

static struct secret *field_secret(const json_t *o, const char *key)
{
    const char *value = obj_map_str(o, key);

    return str_is_empty(value) ? NULL : secret_new(value, strlen(value));
}

static int read_cluster(const struct reader *reader, const json_t *cluster,
                        struct kube_config *config, struct error **err)
{
    size_t len;

    config->server = dup_field(cluster, "server");
    if (config->server == NULL)
        return error_set(err, ERROR_INVALID, "the cluster has no \"server\"");
    if (obj_map_str(cluster, "tls-server-name") != NULL)
        return error_set(err, ERROR_UNSUPPORTED, "\"tls-server-name\" is not supported");
    config->insecure = json_is_true(json_object_get(cluster, "insecure-skip-tls-verify"));
    config->proxy = dup_field(cluster, "proxy-url");
    return read_either(reader, cluster, "certificate-authority", &config->ca_pem, &len, err);
}

static int read_user(const struct reader *reader, const json_t *user, struct kube_config *config,
                     struct error **err)
{
    static const char *const unsupported[] = {"exec", "auth-provider"};
    size_t len;

    for (size_t i = 0; i < 2; i++)
        if (obj_obj(user, unsupported[i]) != NULL) {
            error_set(err, ERROR_UNSUPPORTED, "the user logs in by \"%s\", which is not supported",
                      unsupported[i]);
            return error_hint(err, "make a token for a service account: kubectl create token NAME");
        }
    config->token = field_secret(user, "token");
    const char *token_file = obj_map_str(user, "tokenFile");
    if (config->token == NULL && !str_is_empty(token_file))
        config->token_file = resolve(reader, token_file);
    config->user = dup_field(user, "username");
    config->password = field_secret(user, "password");
    if (read_either(reader, user, "client-certificate", &config->cert_pem, &len, err) == -1)
        return -1;
    return read_secret(reader, user, "client-key", &config->key_pem, err);
}

/* The one document in the file. */
static int read_file(const char *path, struct reader *reader, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, FILE_MAX, &text, &len, err) == -1)
        return -1;
    json_auto_t *documents = obj_parse_yaml(text, len, err);
    secret_wipe(text, len);
    if (documents == NULL)
        return -1;
    reader->dir = xstrndup(path, (size_t)(path_base(path) - path));
    if (reader->dir[0] == '\0') {
        free(reader->dir);
        reader->dir = xstrdup(".");
    }
    reader->file = json_incref(json_array_get(documents, 0));
    if (json_array_size(documents) != 1 || !json_is_object(reader->file))
        return error_set(err, ERROR_INVALID, "this is not a kubeconfig file");
    return 0;
}

static int load(const char *path, const char *name, struct kube_config *config, struct error **err)
{
    CLEANUP(reader) struct reader reader = {0};
    const json_t *context = NULL, *cluster = NULL, *user = NULL;

    if (read_file(path, &reader, err) == -1)
        return -1;
    if (name == NULL)
        name = obj_map_str(reader.file, "current-context");
    if (str_is_empty(name))
        return error_set(err, ERROR_INVALID, "there is no current context");
    if (find_entry(&reader, "contexts", "context", name, &context, err) == -1)
        return -1;
    config->context = xstrdup(name);
    config->ns = dup_field(context, "namespace");
    if (find_entry(&reader, "clusters", "cluster", obj_str(context, "cluster", ""), &cluster,
                   err) == -1 ||
        read_cluster(&reader, cluster, config, err) == -1)
        return -1;
    const char *user_name = obj_str(context, "user", "");
    if (*user_name == '\0')
        return 0;
    if (find_entry(&reader, "users", "user", user_name, &user, err) == -1)
        return -1;
    return read_user(&reader, user, config, err);
}

int kube_config_load(const char *path, const char *context, struct kube_config **out,
                     struct error **err)
{
    CLEANUP(kube_config) struct kube_config *config = xcalloc(1, sizeof(*config));

    if (load(path, context, config, err) == -1)
        return error_wrap(err, "kubeconfig \"%s\"", path);
    *out = steal(&config);
    return 0;
}

int kube_config_in_pod(const char *dir, struct kube_config **out, struct error **err)
{
    CLEANUP(kube_config) struct kube_config *config = xcalloc(1, sizeof(*config));
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");

    if (dir == NULL)
        dir = POD_DIR;
    config->token_file = path_join(dir, "token");
    if (str_is_empty(host) || str_is_empty(port) || !file_exists(config->token_file)) {
        error_set(err, ERROR_NOT_FOUND, "this is not a pod with a service account");
        return error_hint(err, "give a kubeconfig file");
    }
    bool is_v6 = strchr(host, ':') != NULL;
    config->server = xasprintf("https://%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);

    CLEANUP(str) char *ca_path = path_join(dir, "ca.crt");
    CLEANUP(str) char *ns_path = path_join(dir, "namespace");
    if (file_read(ca_path, FILE_MAX, &config->ca_pem, NULL, err) == -1)
        return -1;
    if (file_exists(ns_path) && file_read(ns_path, FILE_MAX, &config->ns, NULL, err) == -1)
        return -1;
    *out = steal(&config);
    return 0;
}
