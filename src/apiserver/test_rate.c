#include "apiserver/rate.h"

#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"

#include <stdlib.h>
#include <string.h>

static struct user *known(const char *name)
{
    struct user *user = user_new(name);

    user_add_group(user, GROUP_AUTHENTICATED);
    return user;
}

/* Requests of USER, one after the other, until one is refused. */
static int allowed(struct rate *rate, const struct user *user)
{
    int count = 0, retry_s = 0;

    while (count < 100000 && rate_begin(rate, user, &retry_s)) {
        rate_end(rate, user);
        count++;
    }
    return count;
}

TEST(a_caller_has_a_burst_and_then_the_rate)
{
    struct rate *rate = rate_new(100);
    CLEANUP(user) struct user *ann = known("ann");
    CLEANUP(user) struct user *bob = known("bob");
    CLEANUP(user) struct user *nobody = user_new(USER_ANONYMOUS);

    time_set_fake(1000000);
    CHECK_INT(allowed(rate, ann), 200);
    CHECK_INT(allowed(rate, ann), 0);
    CHECK_INT(allowed(rate, bob), 200); /* others have their own */
    CHECK_INT(allowed(rate, nobody), 20);
    time_advance_fake(500);
    CHECK_INT(allowed(rate, ann), 50);
    time_advance_fake(3600 * 1000);
    CHECK_INT(allowed(rate, ann), 200);
    CHECK_U64(rate_refused(rate), 6);
    time_clear_fake();
    rate_free(rate);
}

TEST(administrators_are_not_limited)
{
    struct rate *rate = rate_new(1);
    CLEANUP(user) struct user *root = known("root");

    user_add_group(root, GROUP_MASTERS);
    CHECK_INT(allowed(rate, root), 100000);
    rate_free(rate);
}

TEST(only_so_many_are_under_way_at_once)
{
    struct rate *rate = rate_new(100000);
    CLEANUP(user) struct user *ann = known("ann");
    int retry_s = 0;

    for (int i = 0; i < RATE_MAX_AT_ONCE; i++)
        CHECK(rate_begin(rate, ann, &retry_s));
    CHECK(!rate_begin(rate, ann, &retry_s));
    CHECK_INT(retry_s, 1);
    rate_end(rate, ann);
    CHECK(rate_begin(rate, ann, &retry_s));
    for (int i = 0; i < RATE_MAX_AT_ONCE; i++)
        rate_end(rate, ann);
    rate_free(rate);
}

TEST(callers_that_are_seldom_seen_are_forgotten_and_those_at_work_are_not)
{
    struct rate *rate = rate_new(100);
    CLEANUP(user) struct user *busy = known("busy");
    int retry_s = 0;

    time_set_fake(1000000);
    CHECK(rate_begin(rate, busy, &retry_s));
    for (int i = 0; i < 3 * RATE_MAX_CALLERS; i++) {
        CLEANUP(str) char *name = xasprintf("user-%d", i);
        CLEANUP(user) struct user *user = known(name);
        CHECK(rate_begin(rate, user, &retry_s));
        rate_end(rate, user);
    }
    CHECK_INT(allowed(rate, busy), 199);
    rate_end(rate, busy);
    time_clear_fake();
    rate_free(rate);
}

TEST(who_asks_too_much_is_told_when_to_come_back)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("told");
    struct ask ask = {.method = "GET", .path = "/healthz", .token = "wrong"};
    int refused = 0;

    for (int i = 0; i < 400 && refused == 0; i++) {
        CLEANUP(answer) struct answer answer = home_ask(server, &ask);
        if (answer.status == 401)
            continue;
        refused = answer.status;
        CHECK(strstr(answer.head, "Retry-After: 1\n") != NULL);
        CHECK_STR(obj_str(answer.json, "reason", ""), "TooManyRequests");
        CHECK_INT(obj_int(answer.json, "details.retryAfterSeconds", 0), 1);
    }
    CHECK_INT(refused, 429);
    home_must(server, "GET", "/healthz", NULL, 200); /* as root */
}

TEST(probes_are_answered_when_callers_without_a_token_have_asked_too_much)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("probes");
    struct ask version = {.method = "GET", .path = "/version"};
    struct ask probe = {.method = "GET", .path = "/readyz"};
    int status = 200;

    for (int i = 0; i < 400 && status != 429; i++) {
        CLEANUP(answer) struct answer answer = home_ask(server, &version);
        status = answer.status;
    }
    CHECK_INT(status, 429);
    CLEANUP(answer) struct answer answer = home_ask(server, &probe);
    CHECK_INT(answer.status, 200);
}
