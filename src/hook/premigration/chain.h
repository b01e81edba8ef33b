/* The chain of pre-migration hooks: every edit that applies, in order, each checked.
 *
 * The first failure ends it; nothing is returned then, and the migration fails before any QEMU is
 * started on the target.
 *
 * May use: base, data.  Threads: a chain is frozen once made and may be run by several threads.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dom;
struct error;
struct facts;
struct user_hooks;

/* What one hook did, for --explain.  DOCUMENTS are borrowed. */
typedef void (*chain_observer)(void *arg, const char *hook, bool applied, struct dom *before,
                               struct dom *after);

struct chain {
    const struct facts *facts;
    const struct user_hooks *user_hooks; /* run after the built-in ones, or NULL */
    chain_observer observer;             /* or NULL */
    void *arg;                           /* the observer's */
};

/* Runs the hooks on the LEN bytes of a domain definition.  *OUT belongs to the caller.  An error says
 * which hook, what and where. */
int chain_run(const struct chain *chain, const char *xml, size_t len, char **out,
              struct error **err);

/* The same on a document, which it takes, that was parsed from TEXT. */
int chain_run_take(const struct chain *chain, struct span text, struct dom *taken, char **out,
                   struct error **err);

/* The names of the built-in hooks in their order, NULL at the end. */
const char *const *chain_names(void);

struct chain_why {
    const char *because; /* why the hook edits: a clause */
    const char *needs;   /* what a context must have for it */
};

/* Of a built-in hook; NULL for users'. */
const struct chain_why *chain_why(const char *hook);

/* The namespace of gantry's own mark in a definition's metadata. */
#define CHAIN_METADATA_URI "urn:gantry:premigration:1"
