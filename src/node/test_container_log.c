#include "node/container_log.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdio.h>
#include <stdlib.h>

static bool gather(void *to, const char *data, size_t len)
{
    buf_append(to, data, len);
    return true;
}

static bool always(void *arg)
{
    return true;
}

static char *make_log(const char *name, const char *const *pieces)
{
    CLEANUP(error) struct error *err = NULL;
    char *path = path_join(test_dir(), name);
    struct container_log *log = container_log_open(path, &err);

    CHECK_OK(log == NULL ? -1 : 0, err);
    for (size_t i = 0; pieces[i] != NULL; i++)
        CHECK_OK(container_log_add(log, LOG_STDOUT, pieces[i], strlen(pieces[i]), &err), err);
    container_log_close(log);
    return path;
}

static char *read_with(const char *path, const char *options)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(64 << 20);
    json_auto_t *parsed = obj_parse(options, strlen(options), &err);

    CHECK_OK(parsed == NULL ? -1 : 0, err);
    CHECK_OK(container_log_read(path, parsed, always, NULL, NULL, gather, &text, &err), err);
    return buf_take(&text);
}

TEST(joins_pieces_into_lines_and_keeps_a_last_one_without_end)
{
    CLEANUP(str) char *path =
        make_log("joins", (const char *const[]){"on", "e\ntw", "o\n\nthree", NULL});
    CLEANUP(str) char *all = read_with(path, "{}");

    CHECK_STR(all, "one\ntwo\n\nthree");
}

TEST(reads_what_the_options_ask_for)
{
    CLEANUP(str) char *path = make_log("options", (const char *const[]){"one\ntwo\nthree\n", NULL});
    static const struct {
        const char *options, *want;
    } cases[] = {{"{\"tailLines\":0}", ""},
                 {"{\"tailLines\":1}", "three\n"},
                 {"{\"tailLines\":2}", "two\nthree\n"},
                 {"{\"tailLines\":9}", "one\ntwo\nthree\n"},
                 {"{\"limitBytes\":5}", "one\nt"},
                 {"{\"follow\":true,\"tailLines\":1}", "three\n"},
                 {"{\"sinceTime\":\"2200-01-01T00:00:00Z\"}", ""},
                 {"{\"sinceTime\":\"2020-01-01T00:00:00Z\"}", "one\ntwo\nthree\n"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = read_with(path, cases[i].options);

        CHECK_STR(got, cases[i].want);
    }
    CLEANUP(str) char *stamped = read_with(path, "{\"tailLines\":1,\"timestamps\":true}");
    CHECK(strstr(stamped, "Z three\n") != NULL);
}

TEST(takes_a_log_that_is_not_there_as_empty)
{
    CLEANUP(str) char *path = path_join(test_dir(), "absent");
    CLEANUP(str) char *got = read_with(path, "{}");

    CHECK_STR(got, "");
}

TEST(keeps_a_log_small_and_still_reads_across_the_cut)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "rotated");
    CLEANUP(str) char *old = xasprintf("%s.1", path);
    struct container_log *log = container_log_open(path, &err);
    char line[1024];

    CHECK_OK(log == NULL ? -1 : 0, err);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < LOG_ROTATE_BYTES / 1024 + 8; i++)
        CHECK_OK(container_log_add(log, LOG_STDOUT, line, sizeof(line), &err), err);
    CHECK_OK(container_log_add(log, LOG_STDOUT, "last\n", 5, &err), err);
    container_log_close(log);
    CHECK(file_exists(old));
    CLEANUP(str) char *tail = read_with(path, "{\"tailLines\":1}");
    CHECK_STR(tail, "last\n");
    CLEANUP(str) char *all = read_with(path, "{}");
    CHECK(strlen(all) > LOG_ROTATE_BYTES);
}

TEST(cuts_a_line_that_never_ends)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "endless");
    struct container_log *log = container_log_open(path, &err);
    char piece[4096];

    memset(piece, 'y', sizeof(piece));
    for (int i = 0; i < 16; i++)
        CHECK_OK(container_log_add(log, LOG_STDOUT, piece, sizeof(piece), &err), err);
    container_log_close(log);
    CLEANUP(str) char *all = read_with(path, "{}");
    CHECK_U64(strlen(all), 16 * sizeof(piece));
}
