/* Which objects a list, a watch or a collection's deletion means: label and field selectors.
 *
 * May use: base, data, kube.  Threads: frozen after creation.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>

struct call;
struct filter;
struct object;

/* Reads labelSelector and fieldSelector of the call (a watch of one name has that, too); NULL with
 * the call's failure when one is wrong or names a field that the kind cannot be selected by. */
struct filter *filter_new(struct call *call);
void filter_free(struct filter *filter);

bool filter_matches(const struct filter *filter, const struct object *object);
/* The value of LABEL that all objects have which the filter matches, or NULL if it asks for none. */
const char *filter_exact_label(const struct filter *filter, const char *label);

bool filter_is_everything(const struct filter *filter);

DEFINE_CLEANUP(filter, struct filter *, filter_free)
