#include "net/http_client.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/http_server.h"
#include "net/pin.h"
#include "net/tls.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A server that does what the path says. */

static void answer_echo(const struct http_request *request, struct http_response *response)
{
    static const char *const names[] = {"Authorization", "Content-Type", "X-Test", "User-Agent"};
    CLEANUP(buf) struct buf text = BUF_INIT(1 << 20);

    buf_printf(&text, "%s %s\n", request->method, request->path);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = http_request_header(request, names[i]);
        if (value != NULL)
            buf_printf(&text, "%s: %s\n", names[i], value);
    }
    buf_append(&text, request->body, request->body_len);
    http_response_add_header(response, "X-Answer", "yes");
    http_response_write(response, text.ptr, text.len);
}

/* The file is the letters of the alphabet. */
static void answer_range(const struct http_request *request, struct http_response *response)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    const char *range = http_request_header(request, "Range");
    unsigned first = 0, last = 25;
    char text[64];

    if (range != NULL && sscanf(range, "bytes=%u-%u", &first, &last) == 2 && last < 26) {
        bool shifted = strcmp(request->path, "/shifted") == 0;
        http_response_set_status(response, 206);
        snprintf(text, sizeof(text), "bytes %u-%u/26", first + shifted, last + shifted);
        http_response_add_header(response, "Content-Range", text);
    }
    bool is_short = strcmp(request->path, "/short") == 0;
    http_response_write(response, letters + first, last - first + 1 - is_short);
}

static void answer_stream(struct http_response *response)
{
    for (int i = 0; i < 10000; i++) {
        if (!http_response_write(response, "tick\n", 5) || !http_response_flush(response))
            return;
        if (http_response_wait(response, -1, deadline_after(5)) == HTTP_WAIT_GONE)
            return;
    }
}

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    const char *path = request->path;

    if (strcmp(path, "/echo") == 0) {
        answer_echo(request, response);
    } else if (strcmp(path, "/range") == 0 || strcmp(path, "/shifted") == 0 ||
               strcmp(path, "/short") == 0) {
        answer_range(request, response);
    } else if (strcmp(path, "/ignores-ranges") == 0) {
        http_response_write(response, "abcdefghijklmnopqrstuvwxyz", 26);
    } else if (strcmp(path, "/stream") == 0) {
        answer_stream(response);
    } else if (strcmp(path, "/silent") == 0) {
        http_response_wait(response, -1, deadline_after(5000));
    } else if (strcmp(path, "/redirect") == 0) {
        http_response_set_status(response, 302);
        http_response_add_header(response, "Location", "/echo");
    } else {
        http_response_set_status(response, 404);
        http_response_write(response, "no such thing", 13);
    }
}

static void refuse(void *arg, int status, const char *message, struct http_response *response)
{
    http_response_set_status(response, status);
}

struct bench {
    struct http_server *server;
    struct http_client *client;
    char *ca_path;
    char url[64];
    _Atomic int failures; /* of call_often */
};

static void start_server(struct bench *b, bool tls)
{
    static const char *const hosts[] = {"127.0.0.1", NULL};
    static const struct tls_cert_spec spec = {.common_name = "server", .hosts = hosts};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *ca_key = path_join(test_dir(), "ca.key");
    CLEANUP(str) char *cert = path_join(test_dir(), "server.crt");
    CLEANUP(str) char *key = path_join(test_dir(), "server.key");
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .handle = handle, .refuse = refuse};

    b->ca_path = path_join(test_dir(), "ca.crt");
    if (tls) {
        CHECK_OK(tls_ensure_ca(b->ca_path, ca_key, "test", &err), err);
        CHECK_OK(tls_ensure_cert(b->ca_path, ca_key, cert, key, &spec, &err), err);
        options.cert_path = cert;
        options.key_path = key;
    }
    CHECK_OK(http_server_start(&options, &b->server, &err), err);
    snprintf(b->url, sizeof(b->url), "%s://127.0.0.1:%d", tls ? "https" : "http",
             http_server_port(b->server));
}

static struct bench start(void)
{
    CLEANUP(error) struct error *err = NULL;
    struct bench b = {0};

    start_server(&b, false);
    CHECK_OK(http_client_new(&(struct http_client_options){0}, &b.client, &err), err);
    return b;
}

static void finish(struct bench *b)
{
    http_client_free(b->client);
    http_server_stop(b->server);
    free(b->ca_path);
}

/* Sends CALL to PATH. */
static int send_to(const struct bench *b, const char *path, struct http_call call,
                   struct http_reply *reply, struct error **err)
{
    CLEANUP(str) char *url = xasprintf("%s%s", b->url, path);

    call.url = url;
    if (call.timeout_ms == 0)
        call.timeout_ms = 20000;
    return http_client_send(b->client, &call, reply, err);
}

TEST(sends_methods_headers_and_bodies)
{
    static const char *const headers[] = {"X-Test: 1", "Content-Type: text/plain", NULL};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(http_reply) struct http_reply reply = {0};
    struct bench b = start();

    CHECK_OK(send_to(&b, "/echo",
                     (struct http_call){
                         .method = "PATCH", .headers = headers, .body = "hello", .body_len = 5},
                     &reply, &err),
             err);
    CHECK_INT(reply.status, 200);
    CHECK_STR(reply.body, "PATCH /echo\nContent-Type: text/plain\nX-Test: 1\nUser-Agent: "
                          "gantry/" GANTRY_VERSION "\nhello");
    CHECK(span_eq_str(http_reply_header(&reply, "x-answer"), "yes"));
    CHECK_U64(http_reply_header(&reply, "absent").len, 0);
    finish(&b);
}

TEST(sends_credentials)
{
    CLEANUP(error) struct error *err = NULL;
    struct http_reply reply;
    CLEANUP(secret) struct secret *word = secret_new("s3cret", 6);
    struct bench b = start();

    http_client_set_token(b.client, word);
    CHECK_OK(send_to(&b, "/echo", (struct http_call){0}, &reply, &err), err);
    CHECK(strstr(reply.body, "Authorization: Bearer s3cret\n") != NULL);
    http_reply_reset(&reply);
    http_client_free(b.client);

    struct http_client_options options = {.user = "admin", .password = word};
    CHECK_OK(http_client_new(&options, &b.client, &err), err);
    CHECK_OK(send_to(&b, "/echo", (struct http_call){.method = "POST"}, &reply, &err), err);
    CHECK(strstr(reply.body, "Authorization: Basic YWRtaW46czNjcmV0\n") != NULL);
    CHECK(strstr(reply.body, "Content-Type") == NULL);
    http_reply_reset(&reply);
    finish(&b);
}

TEST(a_refusal_is_an_answer_that_can_be_made_an_error)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(http_reply) struct http_reply reply = {0};
    struct bench b = start();

    CHECK_OK(send_to(&b, "/none", (struct http_call){0}, &reply, &err), err);
    CHECK_INT(reply.status, 404);
    CHECK_FAILS(http_reply_check(&reply, &err), err, ERROR_NOT_FOUND,
                "HTTP status 404: no such thing");
    finish(&b);
}

TEST(redirects_are_followed_only_on_request)
{
    CLEANUP(error) struct error *err = NULL;
    struct http_reply reply;
    struct bench b = start();

    CHECK_OK(send_to(&b, "/redirect", (struct http_call){0}, &reply, &err), err);
    CHECK_INT(reply.status, 302);
    http_reply_reset(&reply);
    CHECK_OK(send_to(&b, "/redirect", (struct http_call){.max_redirects = 3}, &reply, &err), err);
    CHECK_INT(reply.status, 200);
    CHECK(span_eq_str(http_reply_header(&reply, "X-Answer"), "yes"));
    http_reply_reset(&reply);
    finish(&b);
}

TEST(reads_ranges_and_checks_them)
{
    static const struct {
        const char *path;
        enum error_code code;
        const char *part;
    } cases[] = {
        {"/ignores-ranges", ERROR_UNSUPPORTED, "does not send parts"},
        {"/shifted", ERROR_CORRUPT, "another part than bytes 3 to 6"},
        {"/short", ERROR_CORRUPT, "3 of 4 bytes"},
    };
    CLEANUP(error) struct error *err = NULL;
    struct http_reply reply;
    struct bench b = start();
    struct http_call call = {.range_offset = 3, .range_len = 4};

    CHECK_OK(send_to(&b, "/range", call, &reply, &err), err);
    CHECK_STR(reply.body, "defg");
    http_reply_reset(&reply);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_FAILS(send_to(&b, cases[i].path, call, &reply, &err), err, cases[i].code,
                    cases[i].part);
    finish(&b);
}

static bool take_some(void *arg, const char *data, size_t len)
{
    struct buf *buf = arg;

    buf_append(buf, data, len);
    return buf->len < 20;
}

TEST(a_stream_ends_when_its_reader_has_enough)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(1000);
    CLEANUP(http_reply) struct http_reply reply = {0};
    struct bench b = start();

    CHECK_OK(send_to(&b, "/stream", (struct http_call){.on_data = take_some, .arg = &text}, &reply,
                     &err),
             err);
    CHECK(reply.ended);
    CHECK_INT(reply.status, 200);
    CHECK(strncmp(text.ptr, "tick\ntick\ntick\ntick\n", 20) == 0);
    finish(&b);
}

static void *cancel_soon(void *arg)
{
    cancel_wait(NULL, 50);
    cancel_request(arg);
    return NULL;
}

TEST(waiting_ends_by_cancel_and_by_deadline)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    struct http_reply reply;
    struct thread thread = {0};
    struct bench b = start();
    int64_t started_ms = time_mono_ms();

    CHECK_OK(thread_start(&thread, "cancel", cancel_soon, cancel, &err), err);
    CHECK_FAILS(send_to(&b, "/silent", (struct http_call){.cancel = cancel}, &reply, &err), err,
                ERROR_CANCELED, "GET \"http://127.0.0.1");
    thread_join(&thread);
    CHECK_FAILS(send_to(&b, "/silent", (struct http_call){.timeout_ms = 100}, &reply, &err), err,
                ERROR_TIMEOUT, "no answer in time");
    CHECK(time_mono_ms() - started_ms < 4000);
    finish(&b);
}

TEST(an_answer_that_is_too_large_is_refused)
{
    CLEANUP(error) struct error *err = NULL;
    struct http_reply reply;
    struct bench b = start();

    CHECK_FAILS(send_to(&b, "/range", (struct http_call){.max_body = 25}, &reply, &err), err,
                ERROR_CORRUPT, "more than 25 bytes");
    finish(&b);
}

TEST(names_a_server_that_is_not_there)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(http_client) struct http_client *client = NULL;
    struct http_reply reply;
    struct http_call call = {.url = "http://user:word@127.0.0.1:1/sdk?token=x",
                             .timeout_ms = 20000};
    struct http_call wrong = {.url = "ftp://127.0.0.1/", .timeout_ms = 20000};

    CHECK_OK(http_client_new(&(struct http_client_options){0}, &client, &err), err);
    CHECK_FAILS(http_client_send(client, &call, &reply, &err), err, ERROR_UNAVAILABLE,
                "GET \"http://127.0.0.1:1/sdk\": Connection refused");
    CHECK_FAILS(http_client_send(client, &wrong, &reply, &err), err, ERROR_INVALID, "not a URL");
}

TEST(connections_are_used_again)
{
    CLEANUP(error) struct error *err = NULL;
    struct http_server_stats stats;
    struct bench b = start();

    for (int i = 0; i < 5; i++) {
        CLEANUP(http_reply) struct http_reply reply = {0};
        CHECK_OK(send_to(&b, "/echo", (struct http_call){0}, &reply, &err), err);
    }
    http_server_get_stats(b.server, &stats);
    CHECK_U64(stats.accepted, 1);
    finish(&b);
}

static int try_trust(const struct bench *b, const struct http_client_options *options,
                     char **thumbprint, struct error **err)
{
    struct bench own = *b;
    CLEANUP(http_reply) struct http_reply reply = {0};

    if (http_client_new(options, &own.client, err) == -1)
        return -1;
    int result = send_to(&own, "/echo", (struct http_call){0}, &reply, err);
    if (thumbprint != NULL)
        *thumbprint = http_client_thumbprint(own.client);
    http_client_free(own.client);
    return result;
}

TEST(trusts_by_authority_by_thumbprint_or_not_at_all)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *ca_pem = NULL;
    CLEANUP(str) char *thumbprint = NULL;
    struct bench b = {0};

    start_server(&b, true);
    CHECK_OK(file_read(b.ca_path, 1 << 20, &ca_pem, NULL, &err), err);
    CHECK_FAILS(try_trust(&b, &(struct http_client_options){0}, NULL, &err), err, ERROR_DENIED,
                "not trusted");
    CHECK_OK(try_trust(&b, &(struct http_client_options){.ca_pem = ca_pem}, NULL, &err), err);
    CHECK_OK(try_trust(&b, &(struct http_client_options){.ca_file = b.ca_path}, NULL, &err), err);
    CHECK_OK(try_trust(&b, &(struct http_client_options){.insecure = true}, &thumbprint, &err),
             err);
    CHECK_U64(strlen(thumbprint), 59);
    CHECK_OK(try_trust(&b, &(struct http_client_options){.thumbprint = thumbprint}, NULL, &err),
             err);
    thumbprint[0] = thumbprint[0] == '0' ? '1' : '0';
    CHECK_FAILS(try_trust(&b, &(struct http_client_options){.thumbprint = thumbprint}, NULL, &err),
                err, ERROR_DENIED, "another thumbprint: SHA-1 ");
    CHECK_FAILS(try_trust(&b, &(struct http_client_options){.thumbprint = "AA:BB"}, NULL, &err),
                err, ERROR_INVALID, "a thumbprint of 2 bytes");
    finish(&b);
}

TEST(reads_thumbprints)
{
    static const char *const wrong[] = {"", "x", "AAA", "AA:B", ":AA", "AA::BB"};
    CLEANUP(error) struct error *err = NULL;
    struct pin pin = {0};

    CHECK_OK(pin_parse("00112233445566778899aabbccddeeff00112233", &pin, &err), err);
    CHECK_U64(pin.want_len, 20);
    CHECK_INT(pin.want[10], 0xaa);
    CHECK_OK(
        pin_parse("00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF", &pin, &err),
        err);
    CHECK_U64(pin.want_len, 32);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        CHECK_FAILS(pin_parse(wrong[i], &pin, &err), err, ERROR_INVALID, "thumbprint");
}

static void *call_often(void *arg)
{
    struct bench *b = arg;

    for (int i = 0; i < 30; i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(http_reply) struct http_reply reply = {0};

        if (send_to(b, "/echo", (struct http_call){0}, &reply, &err) == -1 || reply.status != 200)
            b->failures++;
    }
    return NULL;
}

TEST(many_threads_share_a_client)
{
    CLEANUP(error) struct error *err = NULL;
    struct http_server_stats stats;
    struct thread threads[4] = {0};
    struct bench b = start();

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        CHECK_OK(thread_start(&threads[i], "caller", call_often, &b, &err), err);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(&threads[i]);
    CHECK_INT(b.failures, 0);
    http_server_get_stats(b.server, &stats);
    CHECK(stats.accepted <= ARRAY_SIZE(threads));
    finish(&b);
}
