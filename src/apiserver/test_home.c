#include "apiserver/test_home.h"

#include "apiserver/user.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "net/http_server.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER = 64 * 1024 * 1024, MAX_HEAD = 64 * 1024, MAX_HEADERS = 8 };

struct apiserver *home_start(const char *name)
{
    CLEANUP(str) char *dir = path_join(test_dir(), name);
    struct apiserver_options options = {.dir = dir, .listen = "127.0.0.1:0"};
    struct apiserver *server = NULL;
    struct error *err = NULL;

    CHECK_OK(apiserver_start(&options, &server, &err), err);
    return server;
}

struct reader {
    struct answer *answer;
    struct buf head, text;
    bool stop_at_head;
};

static bool read_head(void *arg, int status, const struct http_header *headers, size_t count)
{
    struct reader *reader = arg;

    reader->answer->status = status;
    for (size_t i = 0; i < count; i++)
        buf_printf(&reader->head, "%s: %s\n", headers[i].name, headers[i].value);
    return !reader->stop_at_head;
}

static bool read_body(void *arg, const void *data, size_t len)
{
    struct reader *reader = arg;

    buf_append(&reader->text, data, len);
    return !reader->text.full;
}

static struct user *make_user(const struct ask *ask)
{
    if (ask->user == NULL)
        return NULL;
    struct user *user = user_new(ask->user);
    struct span rest = span_of(ask->groups), word;

    while (span_split(&rest, ' ', &word)) {
        CLEANUP(str) char *group = span_dup(word);
        if (*group != '\0')
            user_add_group(user, group);
    }
    user_add_group(user, GROUP_AUTHENTICATED);
    return user;
}

struct answer home_ask(struct apiserver *server, const struct ask *ask)
{
    struct answer answer = {0};
    struct reader reader = {
        .answer = &answer,
        .head = BUF_INIT(MAX_HEAD),
        .text = BUF_INIT(MAX_ANSWER),
        .stop_at_head = ask->stop_at_head,
    };
    const char *question = strchr(ask->path, '?');
    CLEANUP(str) char *path = question == NULL
                                  ? xstrdup(ask->path)
                                  : xstrndup(ask->path, (size_t)(question - ask->path));
    CLEANUP(str) char *bearer = ask->token == NULL ? NULL : xasprintf("Bearer %s", ask->token);
    struct http_header headers[MAX_HEADERS];
    struct http_request request = {
        .method = ask->method,
        .path = path,
        .query = question == NULL ? "" : question + 1,
        .headers = headers,
        .body = ask->body == NULL ? "" : ask->body,
        .body_len = ask->body == NULL ? 0 : strlen(ask->body),
        .peer = "test",
    };
    const struct http_sink sink = {
        .start = read_head,
        .write = read_body,
        .arg = &reader,
        .deadline = ask->timeout_ms > 0 ? deadline_after(ask->timeout_ms) : DEADLINE_NONE,
    };

    headers[request.header_count++] =
        (struct http_header){"Content-Type", ask->type == NULL ? "application/json" : ask->type};
    if (bearer != NULL)
        headers[request.header_count++] = (struct http_header){"Authorization", bearer};
    for (size_t i = 0; i < ARRAY_SIZE(ask->headers) && ask->headers[i][0] != NULL; i++)
        headers[request.header_count++] =
            (struct http_header){ask->headers[i][0], ask->headers[i][1]};

    CLEANUP(http_response) struct http_response *response = http_response_new(&sink);
    server_handle(server, &request, response, make_user(ask));
    http_response_finish(response);
    answer.head = buf_take(&reader.head);
    answer.text = buf_take(&reader.text);
    CLEANUP(error) struct error *err = NULL; /* not all answers are JSON */
    answer.json = obj_parse(answer.text, strlen(answer.text), &err);
    return answer;
}

void answer_reset(struct answer *answer)
{
    free(answer->head);
    free(answer->text);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

int home_do(struct apiserver *server, const char *method, const char *path, const char *body)
{
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = method, .path = path, .body = body,
                                       .user = "root", .groups = GROUP_MASTERS});

    return answer.status;
}

void home_must(struct apiserver *server, const char *method, const char *path, const char *body,
               int want)
{
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = method, .path = path, .body = body,
                                       .user = "root", .groups = GROUP_MASTERS});

    if (answer.status != want)
        test_fail(__FILE__, __LINE__, "%s %s: %d, not %d: %s", method, path, answer.status, want,
                  answer.text);
}

char *home_token(struct apiserver *server, const char *ns, const char *account, const char *pod)
{
    CLEANUP(str) char *path =
        xasprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", ns, account);
    CLEANUP(str) char *body =
        pod == NULL ? xstrdup("{\"spec\":{}}")
                    : xasprintf("{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":"
                                "\"v1\",\"name\":\"%s\"}}}",
                                pod);
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = "POST", .path = path, .body = body,
                                       .user = "root", .groups = GROUP_MASTERS});

    CHECK_INT(answer.status, 201);
    return xstrdup(obj_str(answer.json, "status.token", ""));
}
