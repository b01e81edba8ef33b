/* An inventory in memory, for tests: it stands in for inventory/ at link time.
 *
 * May use: base, data, inventory.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

/* Forgets everything. */
void fake_inventory_reset(void);

void fake_inventory_add_provider(const char *name, const char *type, const char *uid);
void fake_inventory_remove_provider(const char *name);

/* Puts or changes an object (which has an id): its revision is raised by one.  Takes OBJECT. */
void fake_inventory_put(const char *provider, const char *kind, json_t *object);
void fake_inventory_remove(const char *provider, const char *kind, const char *id);

/* The object, with a reference, or NULL. */
json_t *fake_inventory_get(const char *provider, const char *kind, const char *id);

/* The next verdicts come too late: their machines change just before. */
void fake_inventory_set_late(bool late);
