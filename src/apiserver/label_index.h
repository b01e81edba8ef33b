/* The objects of one kind by the value of one label.
 *
 * A machine that is moved has a handful of objects among tens of thousands of others; who moves it
 * looks for them by this label again and again.
 *
 * May use: base, data.  Threads: one owner, or a lock of the owner's.
 */
#pragma once

#include "apiserver/object.h"

/* The label: the id of the machine that something was made for. */
#define LABEL_INDEXED "vmID"

struct map;

struct label_index {
    struct map *by_value; /* NULL: empty */
};

void label_index_reset(struct label_index *index);

/* Borrows objects that the owner keeps as long as they are in here.  Those without the label are
 * left out. */
void label_index_add(struct label_index *index, struct object *object);
void label_index_remove(struct label_index *index, const struct object *object);

/* Appends a reference to every object with the label's VALUE whose key starts with PREFIX, in the
 * order of their keys. */
void label_index_collect(const struct label_index *index, const char *value, const char *prefix,
                         struct object_list *out);
