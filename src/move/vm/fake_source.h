/* An inventory with an open source in memory, for tests: it stands in for inventory/ at link time.
 *
 * May use: base, data.  Threads: one thread.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

/* Forgets everything: an inventory without objects, a source of type "ova" that converts. */
void fake_source_reset(void);

/* Adds a VM with DISKS disks of 3 MiB and a bit, and one NIC on network "net-1". */
void fake_source_add_vm(const char *id, const char *name, size_t disks);
void fake_source_remove_vm(const char *id);

/* Adds an object of another kind ("Network", "Storage"). */
void fake_source_add(const char *kind, const char *id, const char *name);

/* Takes an object of any form. */
void fake_source_put(const char *kind, json_t *object);

void fake_source_set_complete(bool complete);

/* Makes the source one whose machines are switched on and off. */
void fake_source_set_power(bool on);
bool fake_source_is_on(void);
/* Switching is refused as to somebody with a wrong password. */
void fake_source_lock(bool locked);

/* What the connection test fails with, and what the collector complains of; NULL: nothing. */
void fake_source_set_test(const char *failure);
void fake_source_set_problem(const char *where, const char *what);

/* What validation says is wrong with users' rules; takes TROUBLE, NULL for nothing. */
void fake_source_set_rules_trouble(json_t *trouble);
