/* What /metrics and the log say of requests. */
#include "apiserver/record.h"
#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CM "/api/v1/namespaces/default/configmaps"

static char *metrics_of(struct apiserver *server)
{
    CLEANUP(answer)
    struct answer answer = home_ask(
        server, &(struct ask){
                    .method = "GET", .path = "/metrics", .user = "root", .groups = GROUP_MASTERS});

    CHECK_INT(answer.status, 200);
    return steal(&answer.text);
}

/* A line that begins with START. */
static bool has_line(const char *text, const char *start)
{
    struct span rest = span_of(text), line;

    while (span_split(&rest, '\n', &line))
        if (span_starts_with(line, start))
            return true;
    printf("# no line %s\n", start);
    return false;
}

#define LABELS(scope, subresource, verb)                                                           \
    "component=\"apiserver\",group=\"\",resource=\"configmaps\",scope=\"" scope                    \
    "\",subresource=\"" subresource "\",verb=\"" verb "\",version=\"v1\""

TEST(requests_are_counted_by_verb_and_resource)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("counted");

    home_must(server, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 201);
    home_must(server, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 409);
    home_must(server, "GET", CM, NULL, 200);
    home_must(server, "GET", CM "/a", NULL, 200);
    home_must(server, "GET", CM "?watch=true&timeoutSeconds=1&resourceVersion=1", NULL, 200);
    home_must(server, "DELETE", CM "/a", NULL, 200);
    CLEANUP(str) char *text = metrics_of(server);
    CHECK(has_line(text,
                   "apiserver_request_total{code=\"201\"," LABELS("namespace", "", "POST") "} "));
    CHECK(has_line(text,
                   "apiserver_request_total{code=\"409\"," LABELS("namespace", "", "POST") "} 1"));
    CHECK(has_line(text,
                   "apiserver_request_total{code=\"200\"," LABELS("namespace", "", "LIST") "}"));
    CHECK(has_line(text,
                   "apiserver_request_total{code=\"200\"," LABELS("resource", "", "GET") "} 1"));
    CHECK(has_line(text, "apiserver_request_duration_seconds_bucket{code=\"200\"," LABELS(
                             "resource", "", "DELETE") ",le=\"+Inf\"} 1"));
    CHECK(has_line(text, "apiserver_longrunning_requests{" LABELS("namespace", "", "WATCH") "} 0"));
    CHECK(has_line(text, "apiserver_storage_objects{resource=\"configmaps\"} "));
    CHECK(has_line(text, "etcd_request_duration_seconds_count{operation=\"create\","
                         "type=\"configmaps\"} "));
    CHECK(has_line(text, "etcd_request_duration_seconds_count{operation=\"delete\","
                         "type=\"configmaps\"} 1"));
    CHECK(has_line(text, "etcd_disk_backend_commit_duration_seconds_bucket{le=\"+Inf\"} "));
    CHECK(has_line(text, "etcd_disk_backend_commit_duration_seconds_sum 0."));
    /* the one that asks is in flight itself; the watch of before is over */
    CHECK(has_line(text, "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1"));
    CHECK(has_line(text, "apiserver_current_inflight_requests{request_kind=\"mutating\"} 0"));
    CHECK(has_line(text, "process_resident_memory_bytes "));
}

TEST(paths_that_outsiders_make_up_have_no_series)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("made-up");

    for (int i = 0; i < 20; i++) {
        CLEANUP(str) char *path = xasprintf("/apis/g%d.example.com/v1/things%d", i, i);
        CLEANUP(answer)
        struct answer answer = home_ask(server, &(struct ask){.method = "GET", .path = path});
        CHECK_INT(answer.status, 403);
    }
    CLEANUP(str) char *text = metrics_of(server);
    CHECK(strstr(text, "example.com\",resource=\"things") == NULL);
}

static size_t count_lines(const char *text, const char *part)
{
    struct span rest = span_of(text), line;
    size_t count = 0;

    while (span_split(&rest, '\n', &line))
        count += memmem(line.ptr, line.len, part, strlen(part)) != NULL;
    return count;
}

/* What the log has, with the id that the caller got, and no more lines than one can read. */
TEST(changes_are_in_the_log_with_their_ids)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("logged");
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "log");
    CLEANUP(str) char *text = NULL;
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    log_init("test", LOG_LEVEL_INFO, fd);
    CLEANUP(answer)
    struct answer made = home_ask(server, &(struct ask){.method = "POST",
                                                        .path = CM,
                                                        .user = "root",
                                                        .groups = GROUP_MASTERS,
                                                        .body = "{\"metadata\":{\"name\":\"a\"}}"});
    home_must(server, "GET", CM "/a", NULL, 200);
    for (int i = 0; i < 4 * RECORD_LINES_PER_S; i++)
        home_must(server, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", 409);
    log_init("test", LOG_LEVEL_WARN, STDERR_FILENO);

    const char *id = strstr(made.head, "Audit-Id: ");
    CHECK(id != NULL);
    CLEANUP(str)
    char *line =
        xasprintf("request: id=%.36s user=root peer=test method=POST path=" CM " status=201 us=",
                  id + strlen("Audit-Id: "));
    CHECK_OK(file_read(path, 1024 * 1024, &text, NULL, &err), err);
    CHECK_U64(count_lines(text, line), 1);
    CHECK_U64(count_lines(text, "method=GET"), 0);
    /* the requests may have taken several seconds */
    CHECK(count_lines(text, "status=409") < 4 * RECORD_LINES_PER_S ||
          count_lines(text, "us=") == 4 * RECORD_LINES_PER_S + 1);
}
