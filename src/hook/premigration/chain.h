/* The chain of pre-migration hooks: every edit that applies, in order, each checked.
 *
 * The first failure ends it; nothing is returned then, and the migration fails before any QEMU is
 * started on the target.
 *
 * May use: base, data.  Threads: a chain is frozen once made and may be run by several threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dom;
struct error;
struct facts;

/* What one hook did, for --explain.  DOCUMENTS are borrowed. */
typedef void (*chain_observer)(void *arg, const char *hook, bool applied, struct dom *before,
                               struct dom *after);

/* Runs the built-in hooks on the LEN bytes of a domain definition.  *OUT belongs to the caller.
 * OBSERVER may be NULL.  An error says which hook, what and where. */
int chain_run(const struct facts *facts, const char *xml, size_t len, char **out,
              chain_observer observer, void *arg, struct error **err);

/* The names of the built-in hooks in their order, NULL at the end. */
const char *const *chain_names(void);

/* The namespace of gantry's own mark in a definition's metadata. */
#define CHAIN_METADATA_URI "urn:gantry:premigration:1"
