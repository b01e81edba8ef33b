/* Garbage collection, the emptying of namespaces, and the end of definitions: what the
 * housekeeping thread does about its notes.
 *
 * May use: base, data, kube.  Threads: the housekeeping thread's.
 */
#pragma once

#include "base/vector.h"
#include "data/obj.h"

#include <stdbool.h>

struct apiserver;

/* An object to look at. */
struct note {
    char *group, *plural, *ns, *name, *uid;
    json_t *owners; /* its ownerReferences, or NULL */
    bool is_removed;
    bool is_deleting; /* when it was noted; who deletes it later makes another note */
};

DEFINE_VECTOR(note_list, struct note)
void note_list_free_all(struct note_list *list);

/* Does what NOTES ask for.  What cannot be finished yet is moved to LATER. */
void collect(struct apiserver *server, struct note_list *notes, struct note_list *later);
