/* The client's way to a server over HTTPS. */
#include "kube/client.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "kube/config.h"
#include "net/http_client.h"
#include "net/url.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_MAX = 64 * 1024,
    TOKEN_AGE_MS = 60 * 1000, /* after this the file is read again */
};

struct transport {
    struct http_client *http;
    char *base; /* "https://host:6443", perhaps with a path, without a slash at the end */
    char *token_file;
    pthread_mutex_t lock;
    int64_t token_read_ms; /* guarded by lock */
};

static int read_token(struct transport *transport, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(transport->token_file, TOKEN_MAX, &text, &len, err) == -1)
        return -1;
    struct span token = span_trim((struct span){text, len});
    CLEANUP(secret) struct secret *secret = secret_new(token.ptr, token.len);
    secret_wipe(text, len);
    http_client_set_token(transport->http, secret);
    return 0;
}

/* Reads the token again if it is old. */
static int refresh_token(struct transport *transport, struct error **err)
{
    int64_t now_ms = time_mono_ms();

    if (transport->token_file == NULL)
        return 0;
    pthread_mutex_lock(&transport->lock);
    bool is_old = now_ms - transport->token_read_ms > TOKEN_AGE_MS;
    if (is_old)
        transport->token_read_ms = now_ms;
    pthread_mutex_unlock(&transport->lock);
    return is_old ? read_token(transport, err) : 0;
}

/* The headers of a request; TEXTS owns what LIST refers to. */
struct headers {
    char *texts[2];
    const char *list[3];
};

static void headers_reset(struct headers *headers)
{
    free(headers->texts[0]);
    free(headers->texts[1]);
}

DEFINE_CLEANUP_IN_PLACE(headers, struct headers, headers_reset)

static void fill_headers(struct headers *headers, const struct kube_request *request)
{
    headers->texts[0] =
        xasprintf("Accept: %s", request->accept != NULL ? request->accept : "application/json");
    headers->list[0] = headers->texts[0];
    if (request->content_type != NULL) {
        headers->texts[1] = xasprintf("Content-Type: %s", request->content_type);
        headers->list[1] = headers->texts[1];
    }
}

/* With ON_DATA the body of a good answer goes there piece by piece. */
static int send_call(struct transport *transport, const struct kube_request *request,
                bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                struct http_reply *reply, struct error **err)
{
    CLEANUP(headers) struct headers headers = {0};
    CLEANUP(str) char *url = xasprintf("%s%s", transport->base, request->path);

    fill_headers(&headers, request);
    struct http_call call = {
        .method = request->method,
        .url = url,
        .headers = headers.list,
        .body = request->body,
        .body_len = request->body_len,
        .timeout_ms = request->timeout_ms,
        .cancel = request->cancel,
        .on_data = on_data,
        .arg = arg,
    };
    if (refresh_token(transport, err) == -1)
        return -1;
    return http_client_send(transport->http, &call, reply, err);
}

static int request(void *self, const struct kube_request *request, int *status, char **body,
                   size_t *body_len, struct error **err)
{
    struct transport *transport = self;
    CLEANUP(http_reply) struct http_reply reply = {0};

    if (send_call(transport, request, NULL, NULL, &reply, err) == -1)
        return -1;
    *status = reply.status;
    *body_len = reply.body_len;
    *body = steal(&reply.body);
    return 0;
}

/* Between the HTTP client's pieces and the caller's. */
struct relay {
    struct http_reply reply;
    int *status;
    bool (*on_data)(void *arg, const char *data, size_t len);
    void *arg;
};

static bool relay_data(void *arg, const char *data, size_t len)
{
    struct relay *relay = arg;

    *relay->status = relay->reply.status;
    return relay->on_data(relay->arg, data, len);
}

static int stream(void *self, const struct kube_request *request, int *status,
                  bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                  struct error **err)
{
    struct transport *transport = self;
    struct relay relay = {.status = status, .on_data = on_data, .arg = arg};

    if (send_call(transport, request, relay_data, &relay, &relay.reply, err) == -1)
        return -1;
    *status = relay.reply.status;
    if (*status >= 300)
        on_data(arg, relay.reply.body, relay.reply.body_len);
    http_reply_reset(&relay.reply);
    return 0;
}

static void free_transport(void *self)
{
    struct transport *transport = self;

    http_client_free(transport->http);
    pthread_mutex_destroy(&transport->lock);
    free(transport->base);
    free(transport->token_file);
    free(transport);
}

DEFINE_CLEANUP(transport, struct transport *, free_transport)

/* The server's URL, checked, without a slash at its end. */
static char *base_of(const char *server, struct error **err)
{
    CLEANUP(url) struct url *url = NULL;

    if (url_parse(server, &url, err) == -1) {
        error_wrap(err, "server \"%s\"", server);
        return NULL;
    }
    char *base = url_format(url);
    size_t len = strlen(base);
    if (len > 0 && base[len - 1] == '/')
        base[len - 1] = '\0';
    return base;
}

struct kube_client *kube_client_open_config(const struct kube_config *config, struct error **err)
{
    static const struct kube_transport_ops ops = {request, stream, free_transport};
    CLEANUP(transport) struct transport *transport = xcalloc(1, sizeof(*transport));
    struct http_client_options options = {
        .ca_pem = config->ca_pem,
        .cert_pem = config->cert_pem,
        .key_pem = config->key_pem,
        .token = config->token,
        .user = config->user,
        .password = config->password,
        .proxy = config->proxy,
        .thumbprint = config->thumbprint,
        .insecure = config->insecure,
    };

    pthread_mutex_init(&transport->lock, NULL);
    transport->base = base_of(config->server, err);
    if (transport->base == NULL || http_client_new(&options, &transport->http, err) == -1)
        return NULL;
    if (config->token_file != NULL) {
        transport->token_file = xstrdup(config->token_file);
        transport->token_read_ms = time_mono_ms();
        if (read_token(transport, err) == -1)
            return NULL;
    }
    return kube_client_new(&ops, steal(&transport));
}

struct kube_client *kube_client_open(const char *path, struct error **err)
{
    CLEANUP(kube_config) struct kube_config *config = NULL;
    int result = path != NULL ? kube_config_load(path, NULL, &config, err)
                              : kube_config_in_pod(NULL, &config, err);

    return result == 0 ? kube_client_open_config(config, err) : NULL;
}
