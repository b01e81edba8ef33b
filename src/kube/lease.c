#define LOG_COMPONENT "lease"
#include "kube/lease.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <unistd.h>

enum { DURATION_MS = 15 * 1000, RENEW_MS = 2 * 1000, SUFFIX_LEN = 8 };

struct lease {
    struct kube_client *client;
    char *ns, *name, *identity;
    int64_t duration_ms, renew_ms;
    struct thread thread; /* renews */
    struct cancel *stop, *lost;

    /* of one thread at a time: who acquires, then the one that renews */
    char *seen_version;    /* of the lease held by somebody else */
    int64_t seen_since_ms; /* when we first saw that version */
    int64_t renewed_ms;    /* before our last good write was sent */
};

static char *make_identity(void)
{
    char host[256] = "", letters[SUFFIX_LEN + 1];

    if (gethostname(host, sizeof(host) - 1) == -1)
        host[0] = '\0';
    random_name(letters, SUFFIX_LEN);
    return xasprintf("%s_%s", host, letters);
}

struct lease *lease_new(struct kube_client *client, const struct lease_options *options)
{
    struct lease *lease = xcalloc(1, sizeof(*lease));

    lease->client = client;
    lease->ns = xstrdup(options->ns);
    lease->name = xstrdup(options->name);
    lease->identity = options->identity != NULL ? xstrdup(options->identity) : make_identity();
    lease->duration_ms = options->duration_ms > 0 ? options->duration_ms : DURATION_MS;
    lease->renew_ms = options->renew_ms > 0 ? options->renew_ms : RENEW_MS;
    lease->stop = cancel_new();
    lease->lost = cancel_new();
    return lease;
}

struct cancel *lease_lost(struct lease *lease)
{
    return lease->lost;
}

/* Puts our claim into OBJECT's spec; HOLDER "" gives it up. */
static void put_claim(const struct lease *lease, json_t *object, const char *holder)
{
    char now[TIME_TEXT_SIZE];
    const char *before = obj_str(object, "spec.holderIdentity", "");

    time_format_micro(time_now_ms(), now);
    if (!str_eq(before, holder) && *holder != '\0') {
        obj_put_str(object, "spec.acquireTime", now);
        obj_put_int(object, "spec.leaseTransitions",
                    obj_int(object, "spec.leaseTransitions", 0) + (*before != '\0'));
    }
    obj_put_str(object, "spec.holderIdentity", holder);
    obj_put_str(object, "spec.renewTime", now);
    obj_put_int(object, "spec.leaseDurationSeconds", (lease->duration_ms + 999) / 1000);
}

/* True if somebody else holds OBJECT and has renewed it lately, by our clock. */
static bool is_held_by_other(struct lease *lease, const json_t *object)
{
    const char *holder = obj_str(object, "spec.holderIdentity", "");
    const char *version = meta_resource_version(object);

    if (*holder == '\0' || str_eq(holder, lease->identity))
        return false;
    if (!str_eq(version, lease->seen_version)) {
        free(lease->seen_version);
        lease->seen_version = xstrdup(version);
        lease->seen_since_ms = time_mono_ms();
    }
    int64_t duration_ms = obj_int(object, "spec.leaseDurationSeconds", 0) * 1000;
    if (duration_ms <= 0)
        duration_ms = lease->duration_ms;
    return time_mono_ms() - lease->seen_since_ms < duration_ms;
}

/* Takes or renews the lease if it is free or ours.  *HELD tells. */
static int try_claim(struct lease *lease, bool *held, struct error **err)
{
    json_auto_t *object = NULL;
    int64_t asked_ms = time_mono_ms();

    *held = false;
    if (kube_get(lease->client, &KIND_LEASE, lease->ns, lease->name, &object, err) == -1)
        return -1;
    if (object == NULL) {
        object = meta_new(&KIND_LEASE, lease->ns, lease->name);
        put_claim(lease, object, lease->identity);
        if (kube_create(lease->client, &KIND_LEASE, lease->ns, object, NULL, err) == -1)
            return -1;
    } else {
        if (is_held_by_other(lease, object))
            return 0;
        put_claim(lease, object, lease->identity);
        if (kube_update(lease->client, &KIND_LEASE, object, NULL, err) == -1)
            return -1;
    }
    lease->renewed_ms = asked_ms;
    *held = true;
    return 0;
}

/* True if another candidate was faster, which is no failure. */
static bool was_beaten(const struct error *err)
{
    return err->code == ERROR_CONFLICT || err->code == ERROR_EXISTS;
}

static void *keep_renewed(void *arg)
{
    struct lease *lease = arg;
    int64_t patience_ms = lease->duration_ms * 2 / 3;

    while (!cancel_wait(lease->stop, lease->renew_ms)) {
        CLEANUP(error) struct error *err = NULL;
        bool held = false;

        if (try_claim(lease, &held, &err) == 0 && held)
            continue;
        bool taken = err == NULL;
        if (!taken && time_mono_ms() - lease->renewed_ms < patience_ms)
            continue;
        if (taken)
            log_error("lease taken by another: lease=%s/%s", lease->ns, lease->name);
        else
            log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, err, "lease not renewed in time");
        cancel_request(lease->lost);
        return NULL;
    }
    return NULL;
}

int lease_acquire(struct lease *lease, struct cancel *cancel, struct error **err)
{
    bool failed_before = false;

    for (;;) {
        struct error *why = NULL;
        bool held = false;

        if (try_claim(lease, &held, &why) == 0 && held)
            break;
        if (why != NULL && !was_beaten(why) && !failed_before) {
            log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, why, "cannot ask for the lease");
            failed_before = true;
        }
        error_free(why);
        if (cancel_wait(cancel, lease->renew_ms))
            return error_set(err, ERROR_CANCELED, "lease \"%s/%s\" not acquired: canceled",
                             lease->ns, lease->name);
    }
    log_info("lease acquired: lease=%s/%s identity=%s", lease->ns, lease->name, lease->identity);
    return thread_start(&lease->thread, "lease", keep_renewed, lease, err);
}

/* Gives up what is ours; that another candidate has to wait otherwise is all that can go wrong. */
static void release(struct lease *lease)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *object = NULL;

    if (kube_get(lease->client, &KIND_LEASE, lease->ns, lease->name, &object, &err) == -1 ||
        !str_eq(obj_str(object, "spec.holderIdentity", ""), lease->identity))
        return;
    put_claim(lease, object, "");
    if (kube_update(lease->client, &KIND_LEASE, object, NULL, &err) == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "lease not given up");
}

void lease_free(struct lease *lease)
{
    if (lease == NULL)
        return;
    cancel_request(lease->stop);
    bool was_leader = lease->thread.started;
    thread_join(&lease->thread);
    if (was_leader && !cancel_is_requested(lease->lost))
        release(lease);
    cancel_free(lease->stop);
    cancel_free(lease->lost);
    free(lease->seen_version);
    free(lease->identity);
    free(lease->name);
    free(lease->ns);
    free(lease);
}
