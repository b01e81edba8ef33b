/* Users' own pre-migration hooks: files of a folder, run in the order of their names after the built-in
 * hooks.
 *
 *   NAME.yaml, NAME.json   edits by XPath, gantry-premigration-hook(5):
 *                              edits:
 *                                - xpath: /domain/devices/disk/driver
 *                                  action: set-attribute     # set-text, remove, add
 *                                  attribute: cache
 *                                  value: none               # add: the XML of new children
 *   NAME (executable)      gets the definition on standard input and prints the edited one, or nothing
 *                          for "unchanged"; $GANTRY_CONTEXT names a file with the target's facts.  A
 *                          failure refuses the migration with the first line of its standard error.
 *
 * Programs run in a sandbox (bubblewrap where it is installed: no network, no writable files, no
 * capabilities) with a deadline.
 *
 * May use: base, data.  Threads: frozen once loaded.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct dom;
struct error;
struct facts;
struct user_hooks;

enum {
    USER_HOOKS_MAX = 64,
    USER_HOOK_BYTES_MAX = 256 * 1024, /* of a declarative file */
    USER_HOOK_EDITS_MAX = 256,
    USER_HOOK_MS = 2000,
};

/* Reads the folder (NULL: none, no hooks); files that are neither kind are ERROR_INVALID, names with a dot
 * in front are left out. */
int user_hooks_load(const char *dir, struct user_hooks **out, struct error **err);

/* One declarative hook called NAME, from the LEN bytes of its file (a ConfigMap's value, say). */
int user_hooks_parse(const char *name, const char *text, size_t len, struct user_hooks **out,
                     struct error **err);
/* The same, behind those that HOOKS has. */
int user_hooks_add(struct user_hooks *hooks, const char *name, const char *text, size_t len,
                   struct error **err);
void user_hooks_free(struct user_hooks *hooks);

size_t user_hooks_count(const struct user_hooks *hooks);
/* Whether one of them is a program (HOOKS may be NULL). */
bool user_hooks_have_programs(const struct user_hooks *hooks);
const char *user_hooks_name(const struct user_hooks *hooks, size_t i);

/* Runs hook I on *DOM, which may be replaced by another document. */
int user_hooks_run(const struct user_hooks *hooks, size_t i, const struct facts *facts,
                   struct dom **dom, struct error **err);

DEFINE_CLEANUP(user_hooks, struct user_hooks *, user_hooks_free)
