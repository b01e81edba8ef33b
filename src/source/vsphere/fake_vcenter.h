/* A small vCenter in memory, for tests: sessions, the property collector with updates, power.  It
 * speaks SOAP over plain HTTP and misbehaves on request.
 *
 * May use: base, data, net.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct fake_vcenter;

#define FAKE_VCENTER_USER     "administrator@vsphere.local"
#define FAKE_VCENTER_PASSWORD "a<b&c\"d"

/* With COUNT machines vm-1..., called "machine 1"..., in a datacenter with a host, a port group and
 * a datastore. */
int fake_vcenter_start(const char *listen, size_t count, struct fake_vcenter **out,
                       struct error **err);
void fake_vcenter_stop(struct fake_vcenter *fake);

/* http://127.0.0.1:PORT/sdk; borrowed. */
const char *fake_vcenter_url(const struct fake_vcenter *fake);

/* Changes machine NUMBER (from 1 on) behind the back of all clients. */
void fake_vcenter_rename(struct fake_vcenter *fake, size_t number, const char *name);
void fake_vcenter_remove(struct fake_vcenter *fake, size_t number);
bool fake_vcenter_is_on(struct fake_vcenter *fake, size_t number);

/* Forgets all sessions, or sessions and property collectors as a restart does. */
void fake_vcenter_expire(struct fake_vcenter *fake);
void fake_vcenter_restart(struct fake_vcenter *fake);

/* The next power task ends with the fault NAME. */
void fake_vcenter_fail_task(struct fake_vcenter *fake, const char *name);
/* Guests ignore ShutdownGuest as if they had no tools. */
void fake_vcenter_set_tools(struct fake_vcenter *fake, bool running);

int fake_vcenter_logins(struct fake_vcenter *fake);
/* Answers of the property collector that had updates. */
int fake_vcenter_batches(struct fake_vcenter *fake);

DEFINE_CLEANUP(fake_vcenter, struct fake_vcenter *, fake_vcenter_stop)
