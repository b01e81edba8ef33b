/* A call runs on a worker: a libcurl handle with a connection cache of its own.  Workers that are
 * idle wait in a stack, the one used last on top, so that few connections stay warm.  The transfer
 * runs under a multi handle because only that can wait for a cancel as well. */
#include "net/http_client.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "net/pin.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONNECT_TIMEOUT_MS = 15 * 1000,
    IDLE_MAX = 32, /* workers kept */
    CA_FILE_MAX = 4 * 1024 * 1024,
    HEADERS_MAX = 64 * 1024, /* bytes of an answer's headers */
    POLL_MS = 1000,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_EVERY_S = 10,
    PIECE_BYTES = 128 * 1024, /* received at once where much is expected */
    SHOWN_BYTES = 200, /* of a refusal */
};

struct worker {
    CURL *easy;
    CURLM *multi;
    struct pin pin;
    struct worker *next;
};

struct http_client {
    char *ca_pem, *cert_pem, *user, *user_agent, *proxy;
    struct secret *key_pem, *password;
    struct pin pin;
    bool insecure;
    int64_t connect_timeout_ms;

    pthread_mutex_t lock;
    struct worker *idle;      /* guarded by lock */
    size_t idle_count;        /* guarded by lock */
    struct secret *token;     /* guarded by lock */
    char seen[PIN_SHA1_TEXT]; /* guarded by lock */
};

/* One call while it runs. */
struct transfer {
    const struct http_call *call;
    struct http_reply *reply;
    struct worker *worker;
    struct buf body;
    size_t header_count;
    uint64_t received; /* by ON_DATA */
    bool checked_range;
    struct error *failure; /* why we ended it, or NULL */
    char text[CURL_ERROR_SIZE];
};

static struct secret *dup_secret(const struct secret *secret)
{
    return secret != NULL ? secret_new(secret_get(secret), secret_len(secret)) : NULL;
}

static char *dup_or_null(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_client_new(const struct http_client_options *options, struct http_client **out,
                    struct error **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    CLEANUP(http_client) struct http_client *client = xcalloc(1, sizeof(*client));

    pthread_once(&once, init_curl);
    pthread_mutex_init(&client->lock, NULL);
    if (options->thumbprint != NULL && pin_parse(options->thumbprint, &client->pin, err) == -1)
        return -1;
    if (options->ca_pem != NULL)
        client->ca_pem = xstrdup(options->ca_pem);
    else if (options->ca_file != NULL &&
             file_read(options->ca_file, CA_FILE_MAX, &client->ca_pem, NULL, err) == -1)
        return error_wrap(err, "certificates to trust");
    client->cert_pem = dup_or_null(options->cert_pem);
    client->key_pem = dup_secret(options->key_pem);
    client->user = dup_or_null(options->user);
    client->password = dup_secret(options->password);
    client->token = dup_secret(options->token);
    client->user_agent =
        xstrdup(options->user_agent != NULL ? options->user_agent : "gantry/" GANTRY_VERSION);
    client->proxy = dup_or_null(options->proxy);
    client->insecure = options->insecure;
    client->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    *out = steal(&client);
    return 0;
}

static void free_worker(struct worker *worker)
{
    curl_easy_cleanup(worker->easy);
    curl_multi_cleanup(worker->multi);
    free(worker);
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    for (struct worker *next, *worker = client->idle; worker != NULL; worker = next) {
        next = worker->next;
        free_worker(worker);
    }
    secret_free(client->key_pem);
    secret_free(client->password);
    secret_free(client->token);
    free(client->ca_pem);
    free(client->cert_pem);
    free(client->user);
    free(client->user_agent);
    free(client->proxy);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

void http_client_set_token(struct http_client *client, const struct secret *token)
{
    struct secret *copy = dup_secret(token);

    pthread_mutex_lock(&client->lock);
    struct secret *old = client->token;
    client->token = copy;
    pthread_mutex_unlock(&client->lock);
    secret_free(old);
}

char *http_client_thumbprint(struct http_client *client)
{
    LOCK_SCOPE(&client->lock);

    return client->seen[0] != '\0' ? xstrdup(client->seen) : NULL;
}

static struct worker *take_worker(struct http_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct worker *worker = client->idle;
    if (worker != NULL) {
        client->idle = worker->next;
        client->idle_count--;
    }
    pthread_mutex_unlock(&client->lock);
    if (worker != NULL)
        return worker;
    worker = xcalloc(1, sizeof(*worker));
    /* libcurl gives no handle only when memory is out */
    worker->easy = mem_must(curl_easy_init());
    worker->multi = mem_must(curl_multi_init());
    worker->pin = client->pin;
    return worker;
}

static void give_worker_back(struct http_client *client, struct worker *worker)
{
    curl_easy_reset(worker->easy);
    pthread_mutex_lock(&client->lock);
    if (worker->pin.seen[0] != '\0')
        memcpy(client->seen, worker->pin.seen, sizeof(client->seen));
    bool keep = client->idle_count < IDLE_MAX;
    if (keep) {
        worker->next = client->idle;
        client->idle = worker;
        client->idle_count++;
    }
    pthread_mutex_unlock(&client->lock);
    if (!keep)
        free_worker(worker);
}

/* What libcurl calls. */

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct span line = span_trim((struct span){data, size * count});

    if (span_starts_with(line, "HTTP/")) {
        buf_clear(&t->reply->headers);
        t->header_count = 0;
    } else if (line.len > 0 && t->header_count++ < HTTP_REPLY_MAX_HEADERS) {
        buf_add_span(&t->reply->headers, line);
        buf_add_char(&t->reply->headers, '\n');
    }
    if (!t->reply->headers.full)
        return size * count;
    error_set(&t->failure, ERROR_CORRUPT, "more than %d bytes of headers", HEADERS_MAX);
    return 0;
}

/* True if the answer has the range that was asked for, so far; else sets the failure. */
static bool check_range(struct transfer *t)
{
    const struct http_call *call = t->call;
    uint64_t first, last;

    if (call->range_len == 0 || t->checked_range || t->reply->status >= 300)
        return true;
    t->checked_range = true;
    if (t->reply->status != 206) {
        error_set(&t->failure, ERROR_UNSUPPORTED, "the server does not send parts of this file");
        return false;
    }
    struct span rest = http_reply_header(t->reply, "Content-Range"), from, to;
    if (!span_starts_with(rest, "bytes "))
        return true; /* then the count of bytes has to do */
    rest = span_trim((struct span){rest.ptr + 6, rest.len - 6});
    if (span_split(&rest, '-', &from) && span_split(&rest, '/', &to) && span_u64(from, &first) &&
        span_u64(to, &last) && first == call->range_offset &&
        last == call->range_offset + call->range_len - 1)
        return true;
    error_set(&t->failure, ERROR_CORRUPT,
              "the server sent another part than bytes %" PRIu64 " to %" PRIu64, call->range_offset,
              call->range_offset + call->range_len - 1);
    return false;
}

static void note_status(struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->worker->easy, CURLINFO_RESPONSE_CODE, &status);
    t->reply->status = (int)status;
}

static void note_wait(struct transfer *t)
{
    curl_off_t asked = 0, answered = 0;

    curl_easy_getinfo(t->worker->easy, CURLINFO_PRETRANSFER_TIME_T, &asked);
    curl_easy_getinfo(t->worker->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered);
    t->reply->wait_us = answered > asked ? (int64_t)(answered - asked) : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;

    note_status(t);
    if (!check_range(t))
        return 0;
    if (t->call->range_len > 0 && t->reply->status == 206 &&
        t->received + len > t->call->range_len) {
        error_set(&t->failure, ERROR_CORRUPT,
                  "the server sent more than the %" PRIu64 " bytes asked for", t->call->range_len);
        return 0;
    }
    t->received += len;
    if (t->call->on_data != NULL && t->reply->status < 300) {
        t->reply->ended = !t->call->on_data(t->call->arg, data, len);
        return t->reply->ended ? 0 : len;
    }
    buf_append(&t->body, data, len);
    if (!t->body.full)
        return len;
    error_set(&t->failure, ERROR_CORRUPT, "an answer of more than %zu bytes", t->body.max);
    return 0;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    pin_install(ssl_ctx, arg);
    return CURLE_OK;
}

/* Options. */

static void add_header(struct curl_slist **list, const char *text)
{
    *list = curl_slist_append(*list, text);
}

static bool has_header(const struct http_call *call, const char *name)
{
    size_t len = strlen(name);

    for (const char *const *p = call->headers; p != NULL && *p != NULL; p++)
        if (strncasecmp(*p, name, len) == 0 && (*p)[len] == ':')
            return true;
    return false;
}

static struct curl_slist *make_headers(struct http_client *client, const struct http_call *call)
{
    struct curl_slist *list = NULL;
    char text[80];

    add_header(&list, "Expect:");
    if (!has_header(call, "Content-Type"))
        add_header(&list, "Content-Type:");
    for (const char *const *p = call->headers; p != NULL && *p != NULL; p++)
        add_header(&list, *p);
    if (call->range_len > 0) {
        snprintf(text, sizeof(text), "Range: bytes=%" PRIu64 "-%" PRIu64, call->range_offset,
                 call->range_offset + call->range_len - 1);
        add_header(&list, text);
    }
    LOCK_SCOPE(&client->lock);
    if (client->token != NULL && !has_header(call, "Authorization")) {
        char *line = xasprintf("Authorization: Bearer %s", secret_get(client->token));
        add_header(&list, line);
        secret_wipe(line, strlen(line));
        free(line);
    }
    return list;
}

/* The list has credentials in it. */
static void free_headers(struct curl_slist *list)
{
    for (struct curl_slist *p = list; p != NULL; p = p->next)
        secret_wipe(p->data, strlen(p->data));
    curl_slist_free_all(list);
}

static void set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob blob = {(void *)(uintptr_t)text, strlen(text), CURL_BLOB_NOCOPY};

    curl_easy_setopt(easy, option, &blob);
}

static void set_trust(CURL *easy, struct http_client *client, struct worker *worker)
{
    bool pinned = client->pin.want_len > 0;

    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &worker->pin);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, pinned || !client->insecure ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, pinned || client->insecure ? 0L : 2L);
    if (client->ca_pem != NULL)
        set_blob(easy, CURLOPT_CAINFO_BLOB, client->ca_pem);
    /* Reading the system's authorities takes longer than a handshake: only where they decide. */
    if (client->ca_pem != NULL || pinned || client->insecure) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (client->cert_pem != NULL)
        set_blob(easy, CURLOPT_SSLCERT_BLOB, client->cert_pem);
    if (client->key_pem != NULL)
        set_blob(easy, CURLOPT_SSLKEY_BLOB, secret_get(client->key_pem));
}

static void set_method(CURL *easy, const struct http_call *call)
{
    const char *method = call->method != NULL ? call->method : "GET";

    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (call->body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body != NULL ? call->body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(CURL *easy, const struct http_client *client, const struct http_call *call)
{
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    if (call->stall_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((call->stall_ms + 999) / 1000));
    }
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_S);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call->max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->max_redirects);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

static void set_options(struct http_client *client, struct transfer *t, struct curl_slist *headers)
{
    CURL *easy = t->worker->easy;

    curl_easy_setopt(easy, CURLOPT_URL, t->call->url);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    if (client->proxy != NULL)
        curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy);
    if (client->user != NULL) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, client->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD,
                         client->password != NULL ? secret_get(client->password) : "");
    }
    if (t->call->on_data != NULL)
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    set_method(easy, t->call);
    set_limits(easy, client, t->call);
    set_trust(easy, client, t->worker);
}

/* Running. */

static CURLcode run(struct transfer *t, bool *canceled)
{
    struct cancel *cancel = t->call->cancel;
    struct curl_waitfd wait = {.fd = cancel != NULL ? cancel_fd(cancel) : -1,
                               .events = CURL_WAIT_POLLIN};
    CURLcode result = CURLE_FAILED_INIT; /* if libcurl gives no verdict */
    CURLMsg *msg;
    int running = 1, left;

    curl_multi_add_handle(t->worker->multi, t->worker->easy);
    while (curl_multi_perform(t->worker->multi, &running) == CURLM_OK && running > 0) {
        *canceled = cancel_is_requested(cancel);
        if (*canceled)
            break;
        curl_multi_poll(t->worker->multi, &wait, cancel != NULL ? 1 : 0, POLL_MS, NULL);
    }
    while ((msg = curl_multi_info_read(t->worker->multi, &left)) != NULL)
        if (msg->msg == CURLMSG_DONE)
            result = msg->data.result;
    note_status(t);
    note_wait(t);
    return result;
}

static int explain_trust(const struct http_client *client, const struct transfer *t,
                         struct error **err)
{
    if (client->pin.want_len > 0 && t->worker->pin.seen[0] != '\0')
        error_set(err, ERROR_DENIED, "its certificate has another thumbprint: SHA-1 %s",
                  t->worker->pin.seen);
    else
        error_set(err, ERROR_DENIED, "its certificate is not trusted: %s", t->text);
    return error_hint(err, "check that this is the right server, then give its CA certificate or "
                           "thumbprint");
}

static int explain(const struct http_client *client, const struct transfer *t, CURLcode result,
                   struct error **err)
{
    const char *text = t->text[0] != '\0' ? t->text : curl_easy_strerror(result);
    long sys = 0;

    switch ((int)result) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return explain_trust(client, t, err);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(err, ERROR_UNAVAILABLE, "the name of the host is not known");
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(t->worker->easy, CURLINFO_OS_ERRNO, &sys);
        return error_set(err, ERROR_UNAVAILABLE, "%s", sys != 0 ? strerror((int)sys) : text);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERROR_TIMEOUT, "no answer in time: %s", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return error_set(err, ERROR_INVALID, "not a URL of HTTP: %s", text);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return error_set(err, ERROR_INVALID, "certificate or key cannot be used: %s", text);
    case CURLE_TOO_MANY_REDIRECTS:
        return error_set(err, ERROR_CORRUPT, "more than %d redirects", t->call->max_redirects);
    default:
        return error_set(err, ERROR_UNAVAILABLE, "the connection failed: %s", text);
    }
}

/* The part of the URL that may be shown: no user, no query. */
static char *shown_url(const char *url)
{
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end != NULL ? scheme_end + 3 : url;
    size_t host_len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', host_len);
    const char *start = at != NULL ? at + 1 : host;

    return xasprintf("%.*s%.*s", (int)(host - url), url, (int)strcspn(start, "?#"), start);
}

/* What the end of the transfer means. */
static int conclude(const struct http_client *client, struct transfer *t, CURLcode result,
                    bool canceled, struct error **err)
{
    if (t->failure == NULL && canceled)
        return error_set(err, ERROR_CANCELED, "canceled");
    if (t->failure == NULL && !t->reply->ended) {
        if (result != CURLE_OK)
            return explain(client, t, result, err);
        if (check_range(t) && t->call->range_len > 0 && t->reply->status == 206 &&
            t->received != t->call->range_len)
            error_set(&t->failure, ERROR_CORRUPT,
                      "the server sent %" PRIu64 " of %" PRIu64 " bytes", t->received,
                      t->call->range_len);
    }
    if (t->failure == NULL)
        return 0;
    *err = steal(&t->failure);
    return -1;
}

int http_client_send(struct http_client *client, const struct http_call *call,
                     struct http_reply *reply, struct error **err)
{
    struct transfer t = {.call = call, .reply = reply, .worker = take_worker(client)};
    bool canceled = false;

    *reply = (struct http_reply){.headers = BUF_INIT(HEADERS_MAX)};
    t.body = BUF_INIT(call->max_body > 0 ? call->max_body : HTTP_REPLY_MAX_BYTES);
    struct curl_slist *headers = make_headers(client, call);
    set_options(client, &t, headers);

    CURLcode code = run(&t, &canceled);
    int result = conclude(client, &t, code, canceled, err);

    curl_multi_remove_handle(t.worker->multi, t.worker->easy);
    give_worker_back(client, t.worker);
    free_headers(headers);
    reply->body_len = t.body.len;
    reply->body = buf_take(&t.body);
    if (result == 0)
        return 0;
    http_reply_reset(reply);
    CLEANUP(str) char *shown = shown_url(call->url);
    return error_wrap(err, "%s \"%s\"", call->method != NULL ? call->method : "GET", shown);
}

struct span http_reply_header(const struct http_reply *reply, const char *name)
{
    struct span rest = buf_span(&reply->headers), line, key;

    while (span_split(&rest, '\n', &line))
        if (span_split(&line, ':', &key) && key.len == strlen(name) &&
            strncasecmp(key.ptr, name, key.len) == 0)
            return span_trim(line);
    return (struct span){0};
}

void http_reply_reset(struct http_reply *reply)
{
    free(reply->body);
    buf_reset(&reply->headers);
    *reply = (struct http_reply){0};
}

int http_reply_check(const struct http_reply *reply, struct error **err)
{
    int status = reply->status;
    enum error_code code = status >= 500                    ? ERROR_UNAVAILABLE
                           : status == 401 || status == 403 ? ERROR_DENIED
                           : status == 404                  ? ERROR_NOT_FOUND
                           : status == 409                  ? ERROR_CONFLICT
                           : status == 410                  ? ERROR_EXPIRED
                           : status == 429                  ? ERROR_BUSY
                                                            : ERROR_INVALID;

    if (status < 400)
        return 0;
    struct span text = span_trim((struct span){reply->body, reply->body_len});
    if (text.len > SHOWN_BYTES)
        text.len = SHOWN_BYTES;
    while (text.len > 0 && !utf8_is_valid(text.ptr, text.len))
        text.len--;
    const char *line_end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    if (line_end != NULL)
        text = span_trim((struct span){text.ptr, (size_t)(line_end - text.ptr)});
    if (text.len == 0 || text.ptr[0] == '<') /* a page for browsers says no more than the status */
        return error_set(err, code, "HTTP status %d", status);
    return error_set(err, code, "HTTP status %d: %.*s", status, (int)text.len, text.ptr);
}
