#include "kube/lease.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/fake_api.h"
#include "kube/kinds.h"

static struct lease *candidate(struct kube_client *client, const char *identity,
                               int64_t duration_ms)
{
    struct lease_options options = {"main", "leader", identity, duration_ms, 20};

    return lease_new(client, &options);
}

static json_t *read_lease(struct kube_client *client)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *object = NULL;

    CHECK_OK(kube_get(client, &KIND_LEASE, "main", "leader", &object, &err), err);
    return object;
}

TEST(the_first_leads_and_renews)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct lease *lease = candidate(client, "one", 1000);

    CHECK_OK(lease_acquire(lease, NULL, &err), err);
    json_auto_t *first = read_lease(client);
    CHECK_STR(obj_str(first, "spec.holderIdentity", NULL), "one");
    CHECK_INT(obj_int(first, "spec.leaseDurationSeconds", 0), 1);

    struct deadline deadline = deadline_after(20000);
    for (;;) {
        json_auto_t *later = read_lease(client);
        if (!obj_eq(obj_at(first, "spec.renewTime"), obj_at(later, "spec.renewTime")))
            break;
        CHECK(!deadline_is_over(deadline));
        cancel_wait(NULL, 5);
    }
    CHECK(!cancel_is_requested(lease_lost(lease)));
    lease_free(lease);

    json_auto_t *given_up = read_lease(client);
    CHECK_STR(obj_str(given_up, "spec.holderIdentity", NULL), "");
    kube_client_free(client);
    fake_api_free(api);
}

struct waiter {
    struct lease *lease;
    struct cancel *cancel;
    bool acquired;
    struct error *err;
};

static void *wait_for_lease(void *arg)
{
    struct waiter *waiter = arg;

    waiter->acquired = lease_acquire(waiter->lease, waiter->cancel, &waiter->err) == 0;
    return NULL;
}

TEST(the_second_waits_until_the_first_gives_up)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct lease *first = candidate(client, "one", 60000);
    struct waiter waiter = {candidate(client, "two", 60000), cancel_new(), false, NULL};
    struct thread thread = {0};

    CHECK_OK(lease_acquire(first, NULL, &err), err);
    CHECK_OK(thread_start(&thread, "two", wait_for_lease, &waiter, &err), err);
    cancel_wait(NULL, 100);
    json_auto_t *held = read_lease(client);
    CHECK_STR(obj_str(held, "spec.holderIdentity", NULL), "one");

    lease_free(first);
    thread_join(&thread);
    CHECK(waiter.acquired);
    lease_free(waiter.lease);
    cancel_free(waiter.cancel);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_lease_that_is_not_renewed_is_taken)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    json_auto_t *dead = obj_pack("{s:{s:s},s:{s:s,s:i}}", "metadata", "name", "leader", "spec",
                                 "holderIdentity", "dead", "leaseDurationSeconds", 1);
    struct lease *lease = candidate(client, "two", 1000);
    int64_t started_ms = time_mono_ms();

    CHECK_OK(kube_create(client, &KIND_LEASE, "main", dead, NULL, &err), err);
    CHECK_OK(lease_acquire(lease, NULL, &err), err);
    CHECK(time_mono_ms() - started_ms >= 1000);
    json_auto_t *taken = read_lease(client);
    CHECK_INT(obj_int(taken, "spec.leaseTransitions", 0), 1);
    lease_free(lease);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_leader_that_cannot_renew_learns_that_it_lost)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct lease *lease = candidate(client, "one", 300);

    CHECK_OK(lease_acquire(lease, NULL, &err), err);
    fake_api_fail(api, "GET", 1000000, 503);
    CHECK(cancel_wait(lease_lost(lease), 20000));
    lease_free(lease);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(waiting_can_be_cancelled)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    struct lease *lease = candidate(client, NULL, 300);

    fake_api_fail(api, "GET", 1000000, 503);
    cancel_request(cancel);
    CHECK_FAILS(lease_acquire(lease, cancel, &err), err, ERROR_CANCELED, "main/leader");
    lease_free(lease);
    kube_client_free(client);
    fake_api_free(api);
}
