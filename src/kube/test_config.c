#include "kube/config.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "net/http_server.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>

static char *write_test_file(const char *name, const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    char *path = path_join(test_dir(), name);

    CHECK_OK(file_write(path, text, strlen(text), 0600, &err), err);
    return path;
}

static struct kube_config *load(const char *text, const char *context)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = write_test_file("config", text);
    struct kube_config *config = NULL;

    CHECK_OK(kube_config_load(path, context, &config, &err), err);
    return config;
}

static const char two_contexts[] = "apiVersion: v1\n"
                                   "kind: Config\n"
                                   "current-context: a\n"
                                   "clusters:\n"
                                   "- name: c1\n"
                                   "  cluster:\n"
                                   "    server: https://one:6443\n"
                                   "    certificate-authority-data: Q0E=\n"
                                   "- name: c2\n"
                                   "  cluster:\n"
                                   "    server: https://two:6443\n"
                                   "    insecure-skip-tls-verify: true\n"
                                   "    certificate-authority: ca.pem\n"
                                   "contexts:\n"
                                   "- name: a\n"
                                   "  context: {cluster: c1, user: u1, namespace: prod}\n"
                                   "- name: b\n"
                                   "  context: {cluster: c2, user: u2}\n"
                                   "- name: c\n"
                                   "  context: {cluster: c2, user: u3}\n"
                                   "- name: d\n"
                                   "  context: {cluster: none}\n"
                                   "users:\n"
                                   "- name: u1\n"
                                   "  user:\n"
                                   "    client-certificate-data: Q1JU\n"
                                   "    client-key-data: S0VZ\n"
                                   "- name: u2\n"
                                   "  user: {token: word, tokenFile: ignored}\n"
                                   "- name: u3\n"
                                   "  user: {exec: {command: aws}}\n";

TEST(reads_the_current_context)
{
    CLEANUP(kube_config) struct kube_config *config = load(two_contexts, NULL);

    CHECK_STR(config->context, "a");
    CHECK_STR(config->server, "https://one:6443");
    CHECK_STR(config->ca_pem, "CA");
    CHECK_STR(config->cert_pem, "CRT");
    CHECK_STR(secret_get(config->key_pem), "KEY");
    CHECK_STR(config->ns, "prod");
    CHECK(!config->insecure);
}

TEST(reads_another_context_and_files_beside_it)
{
    CLEANUP(str) char *ca = write_test_file("ca.pem", "OTHER");
    CLEANUP(kube_config) struct kube_config *config = load(two_contexts, "b");

    CHECK_STR(config->server, "https://two:6443");
    CHECK_STR(config->ca_pem, "OTHER");
    CHECK(config->insecure);
    CHECK_STR(secret_get(config->token), "word");
    CHECK(config->token_file == NULL && config->ns == NULL && config->cert_pem == NULL);
}

TEST(says_what_is_wrong_with_a_file)
{
    static const struct {
        const char *context;
        enum error_code code;
        const char *part;
    } cases[] = {
        {"none", ERROR_INVALID, "\"contexts\" has no entry named \"none\""},
        {"c", ERROR_UNSUPPORTED, "logs in by \"exec\""},
        {"d", ERROR_INVALID, "\"clusters\" has no entry named \"none\""},
    };
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *ca = write_test_file("ca.pem", "OTHER");
    CLEANUP(str) char *path = write_test_file("config", two_contexts);
    struct kube_config *config = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_FAILS(kube_config_load(path, cases[i].context, &config, &err), err, cases[i].code,
                    cases[i].part);
    CLEANUP(str) char *empty = write_test_file("empty", "");
    CHECK_FAILS(kube_config_load(empty, NULL, &config, &err), err, ERROR_INVALID,
                "not a kubeconfig file");
    CLEANUP(str) char *bare = write_test_file("bare", "kind: Config\n");
    CHECK_FAILS(kube_config_load(bare, NULL, &config, &err), err, ERROR_INVALID,
                "no current context");
}

TEST(finds_the_service_account_of_a_pod)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(kube_config) struct kube_config *config = NULL;

    unsetenv("KUBERNETES_SERVICE_HOST");
    CHECK_FAILS(kube_config_in_pod(test_dir(), &config, &err), err, ERROR_NOT_FOUND, "not a pod");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    CLEANUP(str) char *token = write_test_file("token", "word\n");
    CLEANUP(str) char *ca = write_test_file("ca.crt", "CA");
    CLEANUP(str) char *ns = write_test_file("namespace", "main");
    CHECK_OK(kube_config_in_pod(test_dir(), &config, &err), err);
    CHECK_STR(config->server, "https://[fd00::1]:443");
    CHECK_STR(config->token_file, token);
    CHECK_STR(config->ns, "main");
}

/* A server that shows what it was asked, over TLS. */

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    static const char event[] = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n";
    const char *auth = http_request_header(request, "Authorization");

    if (auth == NULL || strcmp(auth, "Bearer word") != 0) {
        http_response_set_status(response, 401);
        http_response_write(response, "{\"kind\":\"Status\",\"message\":\"who are you\"}", 41);
    } else if (strstr(request->query, "watch=true") != NULL) {
        http_response_write(response, event, strlen(event));
        http_response_flush(response);
        http_response_wait(response, -1, deadline_after(5000));
    } else {
        CLEANUP(buf) struct buf text = BUF_INIT(10000);
        buf_printf(&text, "{\"metadata\":{\"name\":\"%s\"}}", request->path);
        http_response_write(response, text.ptr, text.len);
    }
}

static void refuse(void *arg, int status, const char *message, struct http_response *response)
{
    http_response_set_status(response, status);
}

static struct http_server *start_server(char **ca_pem, char url[64])
{
    static const char *const hosts[] = {"127.0.0.1", NULL};
    static const struct tls_cert_spec spec = {.common_name = "server", .hosts = hosts};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *ca = path_join(test_dir(), "tls-ca.crt");
    CLEANUP(str) char *ca_key = path_join(test_dir(), "tls-ca.key");
    CLEANUP(str) char *cert = path_join(test_dir(), "tls.crt");
    CLEANUP(str) char *key = path_join(test_dir(), "tls.key");
    struct http_server_options options = {.listen = "127.0.0.1:0",
                                          .handle = handle,
                                          .refuse = refuse,
                                          .cert_path = cert,
                                          .key_path = key};
    struct http_server *server = NULL;

    CHECK_OK(tls_ensure_ca(ca, ca_key, "test", &err), err);
    CHECK_OK(tls_ensure_cert(ca, ca_key, cert, key, &spec, &err), err);
    CHECK_OK(file_read(ca, 1 << 20, ca_pem, NULL, &err), err);
    CHECK_OK(http_server_start(&options, &server, &err), err);
    snprintf(url, 64, "https://127.0.0.1:%d/", http_server_port(server));
    return server;
}

static bool stop_after_first(void *arg, const json_t *event)
{
    CHECK_STR(obj_str(event, "object.metadata.name", NULL), "x");
    ++*(int *)arg;
    return false;
}

TEST(reaches_a_server_over_https)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *ca_pem = NULL;
    CLEANUP(str) char *token_file = write_test_file("token", " word\n");
    char url[64];
    struct http_server *server = start_server(&ca_pem, url);
    struct kube_config config = {.server = url, .ca_pem = ca_pem, .token_file = token_file};
    struct kube_client *client = kube_client_open_config(&config, &err);
    json_auto_t *object = NULL;
    int events = 0;

    CHECK_OK(client == NULL ? -1 : 0, err);
    CHECK_OK(kube_get(client, &KIND_POD, "a", "b", &object, &err), err);
    CHECK_STR(obj_str(object, "metadata.name", NULL), "/api/v1/namespaces/a/pods/b");
    CHECK_OK(kube_watch(client, &KIND_POD, "a", NULL, "1", NULL, stop_after_first, &events, &err),
             err);
    CHECK_INT(events, 1);
    kube_client_free(client);

    config.token_file = NULL;
    client = kube_client_open_config(&config, &err);
    CHECK_FAILS(kube_get(client, &KIND_POD, "a", "b", &object, &err), err, ERROR_DENIED,
                "cannot read pods \"a/b\": who are you");
    CHECK_FAILS(
        kube_watch(client, &KIND_POD, "a", NULL, "1", NULL, stop_after_first, &events, &err), err,
        ERROR_DENIED, "cannot watch pods: who are you");
    kube_client_free(client);
    http_server_stop(server);
}
