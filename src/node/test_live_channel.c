#include "node/live/channel.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 3 * 1024 * 1024 + 17, WAIT_MS = 20000 };

/* Two homes, each with a folder. */
struct homes {
    char *a, *b;
    int listen_fd;
    char *url;
    struct live_channel *accepted; /* b's end */
    struct error *error;
};

static void trust(const char *from, const char *to, struct error **err)
{
    CLEANUP(str) char *ca = path_join(from, "ca.crt");
    CLEANUP(str) char *peers = path_join(to, "peers.crt");
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    CHECK_OK(file_read(ca, 65536, &text, &len, err), *err);
    CHECK_OK(file_write(peers, text, len, 0600, err), *err);
}

/* WHERE as for live_listen; WITH_TRUST: each knows the other's authority. */
static void homes_open(struct homes *homes, const char *where, bool with_trust)
{
    CLEANUP(error) struct error *err = NULL;

    *homes = (struct homes){.a = dir_make_temp("/tmp/gantry-live-", &err),
                            .b = dir_make_temp("/tmp/gantry-live-", &err)};
    CHECK_OK(live_identity_make(homes->a, &err), err);
    CHECK_OK(live_identity_make(homes->b, &err), err);
    CHECK_OK(live_identity_make(homes->b, &err), err); /* there already */
    trust(homes->a, with_trust ? homes->b : homes->a, &err);
    trust(homes->b, with_trust ? homes->a : homes->b, &err);
    homes->listen_fd = live_listen(homes->b, where, &homes->url, &err);
    CHECK_OK(homes->listen_fd == -1 ? -1 : 0, err);
}

static void homes_close(struct homes *homes)
{
    CLEANUP(error) struct error *ignored = NULL;

    live_channel_free(homes->accepted);
    error_free(homes->error);
    close(homes->listen_fd);
    dir_remove(homes->a, &ignored);
    dir_remove(homes->b, &ignored);
    free(homes->a);
    free(homes->b);
    free(homes->url);
}

static void *accept_one(void *arg)
{
    struct homes *homes = arg;
    int fd = -1;

    for (int i = 0; i < WAIT_MS / 10 && fd == -1; i++) {
        fd = accept(homes->listen_fd, NULL, NULL);
        if (fd == -1)
            usleep(10000);
    }
    live_accept(homes->b, fd, deadline_after(WAIT_MS), &homes->accepted, &homes->error);
    return NULL;
}

/* a's end of a connection, or NULL and the error. */
static struct live_channel *connect_homes(struct homes *homes, struct error **err)
{
    struct live_channel *channel = NULL;
    struct thread thread = {0};

    CHECK_OK(thread_start(&thread, "accept", accept_one, homes, err), *err);
    live_dial(homes->a, homes->url, deadline_after(WAIT_MS), &channel, err);
    thread_join(&thread);
    return channel;
}

struct end {
    struct live_channel *channel;
    int fd;
};

static void *relay_run(void *arg)
{
    struct end *end = arg;

    live_relay(end->channel, end->fd);
    return NULL;
}

static void *write_run(void *arg)
{
    CLEANUP(error) struct error *err = NULL;
    char *data = xmalloc(BYTES);
    int fd = *(int *)arg;

    for (size_t i = 0; i < BYTES; i++)
        data[i] = (char)(i * 7 + i / 4096);
    CHECK_OK(fd_write_all(fd, data, BYTES, "test", &err), err);
    shutdown(fd, SHUT_WR);
    free(data);
    return NULL;
}

static void read_and_check(int fd)
{
    CLEANUP(error) struct error *err = NULL;
    char *data = xmalloc(BYTES);
    char more;

    CHECK_OK(fd_read_all(fd, data, BYTES, "test", &err), err);
    for (size_t i = 0; i < BYTES; i++)
        if (data[i] != (char)(i * 7 + i / 4096))
            test_fail(__FILE__, __LINE__, "byte %zu is another", i);
    CHECK_U64((uint64_t)read(fd, &more, 1), 0);
    free(data);
}

/* Megabytes go both ways at once, and both ends see where they end. */
static void relay_both_ways(struct homes *homes, struct live_channel *channel)
{
    int a[2], b[2];
    struct thread threads[4] = {{0}};
    CLEANUP(error) struct error *err = NULL;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
    struct end end_a = {channel, a[1]}, end_b = {homes->accepted, b[1]};
    CHECK_OK(thread_start(&threads[0], "relay", relay_run, &end_a, &err), err);
    CHECK_OK(thread_start(&threads[1], "relay", relay_run, &end_b, &err), err);
    CHECK_OK(thread_start(&threads[2], "write", write_run, &a[0], &err), err);
    CHECK_OK(thread_start(&threads[3], "write", write_run, &b[0], &err), err);
    read_and_check(b[0]);
    read_and_check(a[0]);
    for (size_t i = 0; i < 4; i++)
        thread_join(&threads[i]);
    for (size_t i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void speak_and_relay(const char *where)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *question = obj_pack("{s:s}", "ask", "prepare");
    json_t *heard = NULL;
    struct homes homes;

    homes_open(&homes, where, true);
    CLEANUP(live_channel) struct live_channel *channel = connect_homes(&homes, &err);
    CHECK_OK(channel == NULL ? -1 : 0, err);
    CHECK_OK(homes.accepted == NULL ? -1 : 0, homes.error);
    CHECK_OK(live_send(channel, question, deadline_after(WAIT_MS), &err), err);
    CHECK_OK(live_receive(homes.accepted, &heard, deadline_after(WAIT_MS), &err), err);
    CHECK(obj_eq(heard, question));
    json_decref(heard);
    relay_both_ways(&homes, channel);
    homes_close(&homes);
}

TEST(speaks_and_relays_over_a_unix_socket)
{
    speak_and_relay(NULL);
}

TEST(speaks_and_relays_over_tls)
{
    speak_and_relay("127.0.0.1:0");
}

TEST(refuses_a_home_that_is_not_trusted)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *heard = NULL;
    struct homes homes;

    homes_open(&homes, "127.0.0.1:0", false);
    CLEANUP(live_channel) struct live_channel *channel = connect_homes(&homes, &err);
    CHECK(homes.accepted == NULL && homes.error != NULL);
    /* with TLS 1.3 who dialled may hear of it only when it reads */
    if (channel != NULL)
        CHECK(live_receive(channel, &heard, deadline_after(WAIT_MS), &err) == -1);
    homes_close(&homes);
}

TEST(says_what_is_missing_where_nobody_is_trusted)
{
    CLEANUP(error) struct error *err = NULL;
    struct live_channel *channel = NULL;
    struct homes homes;

    homes_open(&homes, "127.0.0.1:0", true);
    CLEANUP(str) char *peers = path_join(homes.a, "peers.crt");
    CHECK(unlink(peers) == 0);
    CHECK(live_dial(homes.a, homes.url, deadline_after(WAIT_MS), &channel, &err) == -1);
    CLEANUP(str) char *text = error_format(err);
    CHECK(strstr(text, "no other home is trusted") != NULL);
    CHECK(error_get_hint(err) != NULL);
    homes_close(&homes);
}

TEST(refuses_addresses_that_are_none)
{
    static const char *const urls[] = {"", "host", ":1", "host:", "unix:/nowhere/at/all"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct live_channel *channel = NULL;

        CHECK(live_dial("/tmp", urls[i], deadline_after(1000), &channel, &err) == -1 && err != NULL);
    }
}

TEST(a_line_without_an_end_is_refused)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *heard = NULL;
    struct homes homes;

    homes_open(&homes, NULL, true);
    CLEANUP(live_channel) struct live_channel *channel = connect_homes(&homes, &err);
    CHECK_OK(channel == NULL ? -1 : 0, err);
    CHECK(send(live_channel_fd(channel), "{\"a\":", 5, 0) == 5);
    CHECK_FAILS(live_receive(homes.accepted, &heard, deadline_after(50), &err), err, ERROR_TIMEOUT,
                "the other home does not answer in time");
    homes_close(&homes);
}
