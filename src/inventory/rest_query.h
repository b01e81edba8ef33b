/* The parameter q of the REST service's collections: a query in the language of lang/tsl.
 *
 * May use: base, data, lang.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

struct error;
struct route_collection;
struct route_type;

struct rest_query {
    const char *text;     /* of q */
    const char *provider; /* its name */
    const struct route_type *type;
    const struct route_collection *collection;
    int detail;
};

/* Those of OBJECTS that match, in the order the query asks for, as answers at its detail; with a
 * select clause its columns only.  ERROR_INVALID says what is wrong with the query, or which
 * object it cannot judge. */
int rest_query_run(const struct rest_query *query, const json_t *objects, json_t **out,
                   struct error **err);
