#include "apiserver/documents.h"

#include "apiserver/call.h"
#include "apiserver/discovery.h"
#include "apiserver/metrics.h"
#include "apiserver/rate.h"
#include "apiserver/server.h"
#include "apiserver/tokens.h"
#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/builtin.h"
#include "kube/openapi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Clients ask for ...v2@v1.0+protobuf, but refuse an answer whose type has an "@" in it. */
#define OPENAPI_V2_TYPE "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

struct documents {
    struct apiserver *server;
    pthread_mutex_t lock;   /* one builds, the others wait for the result */
    uint64_t generation;    /* of the kinds that `texts` was made from; guarded by lock */
    struct map *texts;      /* path -> struct text */
};

/* A document that is kept.  Counted, because the kinds may change while it is sent. */
struct text {
    atomic_uint refs;
    size_t len;
    char *data;
};

static void text_unref(void *arg)
{
    struct text *text = arg;

    if (text == NULL || atomic_fetch_sub(&text->refs, 1) != 1)
        return;
    free(text->data);
    free(text);
}

struct documents *documents_new(struct apiserver *server)
{
    struct documents *documents = xcalloc(1, sizeof(*documents));

    documents->server = server;
    pthread_mutex_init(&documents->lock, NULL);
    documents->texts = map_new();
    return documents;
}

void documents_free(struct documents *documents)
{
    if (documents == NULL)
        return;
    map_free(documents->texts, text_unref);
    pthread_mutex_destroy(&documents->lock);
    free(documents);
}

/* --- OpenAPI ----------------------------------------------------------------------------------------- */

/* The built-in kinds, then the definitions in the store, parsed one at a time: in memory they are
 * many times their text. */
struct definitions {
    struct object_list custom;
    size_t builtin_at, custom_at;
};

static json_t *next_definition(void *arg)
{
    struct definitions *definitions = arg;
    json_t *definition = builtin_definition(definitions->builtin_at);

    if (definition != NULL) {
        definitions->builtin_at++;
        return definition;
    }
    if (definitions->custom_at == definitions->custom.len)
        return NULL;
    return object_parse(definitions->custom.ptr[definitions->custom_at++]);
}

static int open_definitions(struct documents *documents, struct definitions *definitions,
                            struct error **err)
{
    struct store_table *table = store_table(documents->server->store, CRD_TABLE, false);
    uint64_t version = 0;

    return store_list(table, NULL, "", &version, &definitions->custom, err);
}

/* Builds the document of a path below /openapi. */
static int build(struct documents *documents, const char *path, struct buf *out,
                 struct error **err)
{
    struct definitions definitions = {0};
    struct openapi_source source = {.next = next_definition, .arg = &definitions};
    int result = open_definitions(documents, &definitions, err);

    if (result == 0 && str_eq(path, "/openapi/v2")) {
        result = openapi_v2(&source, out, err);
    } else if (result == 0) {
        const char *rest = path + strlen("/openapi/v3/");
        struct span parts = span_of(rest), first, group = {0};
        bool ok = span_split(&parts, '/', &first);
        if (ok && span_eq_str(first, "apis"))
            ok = span_split(&parts, '/', &group);
        CLEANUP(str) char *group_text = span_dup(group);
        CLEANUP(str) char *version = span_dup(parts);
        result = ok ? openapi_v3(&source, group_text, version, out, err)
                    : error_set(err, ERROR_NOT_FOUND, "no such document");
    }
    object_list_free_all(&definitions.custom);
    return result;
}

/* The document, a reference; made once for each set of kinds. */
static struct text *find_text(struct documents *documents, const char *path, struct error **err)
{
    LOCK_SCOPE(&documents->lock);
    uint64_t generation = registry_generation(documents->server->registry);

    if (documents->generation != generation) {
        map_free(documents->texts, text_unref);
        documents->texts = map_new();
        documents->generation = generation;
    }
    struct text *text = map_find(documents->texts, path);
    if (text == NULL) {
        CLEANUP(buf) struct buf out = BUF_INIT(OPENAPI_MAX_BYTES);
        if (build(documents, path, &out, err) == -1)
            return NULL;
        text = xcalloc(1, sizeof(*text));
        atomic_init(&text->refs, 1);
        text->len = out.len;
        text->data = buf_take(&out);
        map_put(documents->texts, path, text);
    }
    atomic_fetch_add(&text->refs, 1);
    return text;
}

static void answer_openapi(struct documents *documents, struct call *call, const char *type)
{
    CLEANUP(error) struct error *err = NULL;
    struct text *text = find_text(documents, call->request->path, &err);

    if (text == NULL && err->code == ERROR_NOT_FOUND) {
        call_answer_text(call, 404, "404 page not found\n");
        return;
    }
    if (text == NULL) {
        fail_error(&call->failure, err);
        call_answer_failure(call);
        return;
    }
    http_response_set_status(call->response, 200);
    http_response_add_header(call->response, "Content-Type", type);
    http_response_write(call->response, text->data, text->len);
    text_unref(text);
}

static void answer_v2(struct documents *documents, struct call *call)
{
    /* Only as protobuf, which is what kubectl before 1.29 reads; JSON would be twice 5 MB. */
    const char *accept = http_request_header(call->request, "Accept");

    if (accept == NULL || strstr(accept, "proto-openapi") == NULL)
        call_answer_text(call, 404, "404 page not found\n");
    else
        answer_openapi(documents, call, OPENAPI_V2_TYPE);
}

static void answer_v3_root(struct documents *documents, struct call *call)
{
    CLEANUP(served_list) struct served_list list = {0};
    struct str_list keys = {0};
    CLEANUP(str) char *hash =
        xasprintf("%" PRIX64, registry_generation(documents->server->registry));

    registry_list(documents->server->registry, &list);
    for (size_t i = 0; i < list.len; i++) {
        const struct kube_type *type = list.ptr[i]->type;
        for (size_t j = 0; j < type->version_count; j++) {
            if (!type->versions[j].served)
                continue;
            CLEANUP(str) char *key =
                *type->group == '\0' ? xasprintf("api/%s", type->versions[j].name)
                                     : xasprintf("apis/%s/%s", type->group, type->versions[j].name);
            bool known = false;
            for (size_t k = 0; k < keys.len && !known; k++)
                known = str_eq(keys.ptr[k], key);
            if (!known)
                str_list_push(&keys, steal(&key));
        }
    }
    json_auto_t *root = openapi_v3_root((const char *const *)keys.ptr, keys.len, hash);
    str_list_free_all(&keys);
    call_answer_json(call, 200, root);
}

/* --- Health and version -------------------------------------------------------------------------------- */

static void answer_version(struct documents *documents, struct call *call)
{
    json_auto_t *version = obj_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", "1", "minor", "32",
        "gitVersion", "v1.32.0+gantry-" GANTRY_VERSION, "gitCommit", "", "gitTreeState", "clean",
        "buildDate", "2025-01-01T00:00:00Z", "goVersion", "none", "compiler", "cc", "platform",
        "linux/amd64");

    call_answer_json(call, 200, version);
}

static void answer_health(struct documents *documents, struct call *call)
{
    bool stopping = cancel_is_requested(documents->server->stopping) &&
                    str_starts_with(call->request->path, "/readyz");
    CLEANUP(str) char *verbose = http_request_query(call->request, "verbose");
    const char *name = call->request->path + 1;
    size_t len = strcspn(name, "/");

    if (stopping) {
        call_answer_text(call, 500, "[-]shutdown failed: the server is stopping\n");
    } else if (verbose != NULL) {
        CLEANUP(str) char *text =
            xasprintf("[+]ping ok\n[+]store ok\n%.*s check passed\n", (int)len, name);
        call_answer_text(call, 200, text);
    } else {
        call_answer_text(call, 200, "ok");
    }
}

static void format_objects(struct store *store, struct buf *out)
{
    struct str_list names = {0};

    store_table_names(store, &names);
    buf_add(out, "# TYPE apiserver_storage_objects gauge\n");
    for (size_t i = 0; i < names.len; i++) {
        bool sealed = str_eq(names.ptr[i], STORE_SEALED_TABLE);
        buf_printf(out, "apiserver_storage_objects{resource=\"%s\"} %zu\n", names.ptr[i],
                   store_count(store_table(store, names.ptr[i], sealed)));
    }
    str_list_free_all(&names);
}

static void answer_metrics(struct documents *documents, struct call *call)
{
    enum { MAX_METRICS = 8 * 1024 * 1024 };
    CLEANUP(buf) struct buf out = BUF_INIT(MAX_METRICS);
    struct store_stats stats;
    struct http_server_stats http = {0};

    store_get_stats(documents->server->store, &stats);
    if (documents->server->http != NULL)
        http_server_get_stats(documents->server->http, &http);
    metrics_format(documents->server->metrics, &out);
    buf_add(&out, "# TYPE etcd_disk_backend_commit_duration_seconds histogram\n");
    histogram_format(&stats.commit_times, "etcd_disk_backend_commit_duration_seconds", "", &out);
    format_objects(documents->server->store, &out);
    pthread_rwlock_rdlock(&documents->server->lock);
    if (documents->server->format_metrics != NULL)
        documents->server->format_metrics(documents->server->metrics_arg, &out);
    pthread_rwlock_unlock(&documents->server->lock);
    buf_printf(&out,
               "# TYPE gantry_store_writes_total counter\ngantry_store_writes_total %" PRIu64 "\n"
               "# TYPE gantry_store_commits_total counter\ngantry_store_commits_total %" PRIu64 "\n"
               "# TYPE gantry_store_failed_total counter\ngantry_store_failed_total %" PRIu64 "\n"
               "# TYPE gantry_store_objects gauge\ngantry_store_objects %zu\n"
               "# TYPE gantry_store_history_events gauge\ngantry_store_history_events %zu\n"
               "# TYPE gantry_watches gauge\ngantry_watches %zu\n"
               "# TYPE gantry_connections gauge\ngantry_connections %zu\n"
               "# TYPE gantry_connections_accepted_total counter\n"
               "gantry_connections_accepted_total %" PRIu64 "\n"
               "# TYPE gantry_connections_refused_total counter\n"
               "gantry_connections_refused_total %" PRIu64 "\n"
               "# TYPE gantry_connections_evicted_total counter\n"
               "gantry_connections_evicted_total %" PRIu64 "\n"
               "# TYPE gantry_requests_refused_total counter\n"
               "gantry_requests_refused_total %" PRIu64 "\n",
               stats.writes, stats.commits, stats.failed, stats.objects,
               stats.history_events, stats.watches, http.connections,
               http.accepted, http.refused, http.evicted, rate_refused(documents->server->rate));
    call_answer_text(call, 200, out.ptr);
}

static void answer_keys(struct documents *documents, struct call *call)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *keys = tokens_key_set(documents->server->tokens, &err);

    if (keys == NULL) {
        fail_error(&call->failure, err);
        call_answer_failure(call);
        return;
    }
    call_answer_json(call, 200, keys);
}

static void answer_issuer(struct documents *documents, struct call *call)
{
    json_auto_t *configuration =
        obj_pack("{s:s, s:s, s:[s], s:[s], s:[s]}", "issuer", TOKEN_ISSUER, "jwks_uri",
                 TOKEN_ISSUER "/openid/v1/jwks", "response_types_supported", "id_token",
                 "subject_types_supported", "public", "id_token_signing_alg_values_supported",
                 "ES256");

    call_answer_json(call, 200, configuration);
}

bool documents_handle(struct documents *documents, struct call *call)
{
    static const struct {
        const char *path;
        void (*answer)(struct documents *documents, struct call *call);
    } fixed[] = {
        {"/version", answer_version},
        {"/version/", answer_version},
        {"/healthz", answer_health},
        {"/livez", answer_health},
        {"/readyz", answer_health},
        {"/metrics", answer_metrics},
        {"/openapi/v2", answer_v2},
        {"/openapi/v3", answer_v3_root},
        {"/openapi/v3/", answer_v3_root},
        {"/openid/v1/jwks", answer_keys},
        {"/.well-known/openid-configuration", answer_issuer},
    };
    const char *path = call->request->path;

    if (!str_eq(call->request->method, "GET") && !str_eq(call->request->method, "HEAD"))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (!str_eq(path, fixed[i].path))
            continue;
        fixed[i].answer(documents, call);
        return true;
    }
    if (str_starts_with(path, "/openapi/v3/")) {
        answer_openapi(documents, call, "application/json");
        return true;
    }
    if (str_starts_with(path, "/livez/") || str_starts_with(path, "/readyz/") ||
        str_starts_with(path, "/healthz/")) {
        answer_health(documents, call);
        return true;
    }
    return discovery_handle(call);
}
