#include "apiserver/bootstrap.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/builtin.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "net/crypto.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_CRD_FILE = 4 * 1024 * 1024, MAKING_THREADS = 8 };

/* Says which build made the definitions, so that a restart does not compare them all. */
#define ANNOTATION_DIGEST "gantry.io/definition-digest"

/* --- Kinds ----------------------------------------------------------------------------------------------- */

static int serve(struct apiserver *server, const json_t *definition, struct error **err)
{
    CLEANUP(cause_list) struct cause_list causes = {0};

    if (registry_put(server->registry, definition, meta_is_deleting(definition), &causes) == 0)
        return 0;
    CLEANUP(str) char *text = cause_list_format(&causes);
    return error_set(err, ERROR_BUG, "definition \"%s\": %s", meta_name(definition), text);
}

int bootstrap_kinds(struct apiserver *server, struct error **err)
{
    json_t *definition;

    for (size_t i = 0; (definition = builtin_definition(i)) != NULL; i++) {
        int result = serve(server, definition, err);
        json_decref(definition);
        if (result == -1)
            return -1;
    }
    return bootstrap_serve_definitions(server, err);
}

/* Kinds whose definition is not stored any more. */
static void forget_others(struct apiserver *server, struct store_table *table)
{
    CLEANUP(served_list) struct served_list list = {0};

    registry_list(server->registry, &list);
    for (size_t i = 0; i < list.len; i++) {
        const struct kube_type *type = list.ptr[i]->type;
        CLEANUP(str) char *name = xasprintf("%s.%s", type->plural, type->group);
        CLEANUP(object) struct object *stored =
            type->is_custom ? store_get(table, NULL, name) : NULL;
        if (type->is_custom && stored == NULL)
            registry_remove(server->registry, type->group, type->plural);
    }
}

int bootstrap_serve_definitions(struct apiserver *server, struct error **err)
{
    CLEANUP(object_list) struct object_list stored = {0};
    struct store_table *table = store_table(server->store, CRD_TABLE, false);
    uint64_t version = 0;

    if (store_list(table, NULL, "", &version, &stored, err) == -1)
        return -1;
    forget_others(server, table);
    for (size_t i = 0; i < stored.len; i++) {
        CLEANUP(error) struct error *failure = NULL;
        json_auto_t *crd = object_parse(stored.ptr[i]);
        /* One kind that cannot be served any more must not keep all others away. */
        if (serve(server, crd, &failure) == -1)
            log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, failure, "a kind is not served");
    }
    return 0;
}

/* --- Definitions -------------------------------------------------------------------------------------------- */

static char *digest_of(const json_t *crd)
{
    unsigned char digest[CRYPTO_SHA256_SIZE];
    CLEANUP(str) char *text = obj_format(crd);
    char *hex = xmalloc(17);

    crypto_sha256(text, strlen(text), digest);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

/* Creates the definition, or replaces the spec of one that another build of ours made. */
static int ensure_definition(struct apiserver *server, json_t *crd, struct error **err)
{
    CLEANUP(str) char *digest = digest_of(crd);
    struct store_table *table = store_table(server->store, CRD_TABLE, false);
    CLEANUP(object) struct object *stored = store_get(table, NULL, meta_name(crd));

    meta_set_annotation(crd, ANNOTATION_DIGEST, digest);
    if (stored == NULL)
        return kube_create(server->client, &KIND_CRD, NULL, crd, NULL, err);
    if (strstr(stored->text, digest) != NULL)
        return 0;
    json_auto_t *now = object_parse(stored);
    meta_set_annotation(now, ANNOTATION_DIGEST, digest);
    obj_take(now, "spec", json_incref(json_object_get(crd, "spec")));
    return kube_update(server->client, &KIND_CRD, now, NULL, err);
}

static int load_file(struct apiserver *server, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, MAX_CRD_FILE, &text, &len, err) == -1)
        return -1;
    json_auto_t *crd = write_parse_yaml(text, len, err);
    if (crd == NULL || ensure_definition(server, crd, err) == -1)
        return error_wrap(err, "definition \"%s\"", path);
    return 0;
}

static int load_dir(struct apiserver *server, const char *dir, struct error **err)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, NULL, alphasort), result = 0;

    if (count < 0)
        return error_sys(err, errno, "cannot read folder \"%s\"", dir);
    for (int i = 0; i < count; i++) {
        CLEANUP(str) char *path = path_join(dir, names[i]->d_name);
        if (result == 0 && str_ends_with(names[i]->d_name, ".yaml"))
            result = load_file(server, path, err);
        free(names[i]);
    }
    free(names);
    return result;
}

/* --- Namespaces and roles --------------------------------------------------------------------------------------- */

static int create_unless_there(struct apiserver *server, const struct kube_kind *kind,
                               json_t *object, struct error **err)
{
    CLEANUP(error) struct error *failure = NULL;
    int result = kube_create(server->client, kind, NULL, object, NULL, &failure);

    json_decref(object);
    if (result == 0 || failure->code == ERROR_EXISTS)
        return 0;
    *err = steal(&failure);
    return -1;
}

static bool is_there(struct apiserver *server, const char *table, const char *name)
{
    CLEANUP(object) struct object *found =
        store_get(store_table(server->store, table, false), NULL, name);

    return found != NULL;
}

static int ensure_namespace(struct apiserver *server, const char *name, struct error **err)
{
    if (name == NULL || is_there(server, "namespaces", name) ||
        create_unless_there(server, &KIND_NAMESPACE, meta_new(&KIND_NAMESPACE, NULL, name), err) ==
            0)
        return 0;
    return error_wrap(err, "namespace \"%s\"", name);
}

/* Takes OBJECT, a role or a binding. */
static int ensure_role(struct apiserver *server, json_t *object, struct error **err)
{
    bool is_binding = str_eq(obj_str(object, "kind", ""), "ClusterRoleBinding");
    const char *table = is_binding ? "clusterrolebindings.rbac.authorization.k8s.io"
                                   : "clusterroles.rbac.authorization.k8s.io";

    if (is_there(server, table, meta_name(object))) {
        json_decref(object);
        return 0;
    }
    if (create_unless_there(server, is_binding ? &KIND_CLUSTER_ROLE_BINDING : &KIND_CLUSTER_ROLE,
                            object, err) == 0)
        return 0;
    return error_wrap(err, "default roles");
}

/* --- All of them ------------------------------------------------------------------------------------------ */

/* Made by several threads, in any order: none needs another, and they share commits. */
struct making {
    struct apiserver *server;
    const char *namespaces[8];
    atomic_size_t next; /* definitions first, which take longest, then namespaces, then roles */
    pthread_mutex_t lock;
    struct error *err; /* of the first that failed; guarded by lock */
};

/* Makes the object with the number I, and says in IS_END if there is none. */
static int make(struct making *making, size_t i, bool *is_end, struct error **err)
{
    if (i < builtin_crd_count()) {
        json_auto_t *crd = builtin_crd(i);
        CLEANUP(str) char *name = xstrdup(meta_name(crd));
        if (ensure_definition(making->server, crd, err) == -1)
            return error_wrap(err, "definition \"%s\"", name);
        return 0;
    }
    i -= builtin_crd_count();
    if (i < ARRAY_SIZE(making->namespaces))
        return ensure_namespace(making->server, making->namespaces[i], err);
    json_t *role = bootstrap_role(i - ARRAY_SIZE(making->namespaces));
    *is_end = role == NULL;
    return role == NULL ? 0 : ensure_role(making->server, role, err);
}

static void *make_some(void *arg)
{
    struct making *making = arg;
    bool is_end = false;

    while (!is_end) {
        struct error *err = NULL;
        if (make(making, atomic_fetch_add(&making->next, 1), &is_end, &err) == 0)
            continue;
        LOCK_SCOPE(&making->lock);
        if (making->err == NULL)
            making->err = steal(&err);
        error_free(err);
        break;
    }
    return NULL;
}

int bootstrap_objects(struct apiserver *server, const char *crd_dir, struct error **err)
{
    struct making making = {
        .server = server,
        .namespaces = {"default", "kube-system", "kube-public", "kube-node-lease",
                       "konveyor-forklift", "openshift-mtv", "openshift-migration",
                       server->main_namespace},
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    struct thread threads[MAKING_THREADS] = {0};
    int result = 0;

    for (size_t i = 0; i < MAKING_THREADS && result == 0; i++)
        result = thread_start(&threads[i], "making", make_some, &making, err);
    for (size_t i = 0; i < MAKING_THREADS; i++)
        thread_join(&threads[i]);
    if (result == 0 && making.err != NULL) {
        *err = steal(&making.err);
        result = -1;
    }
    error_free(making.err);
    if (result == -1)
        return -1;
    return crd_dir == NULL ? 0 : load_dir(server, crd_dir, err);
}
