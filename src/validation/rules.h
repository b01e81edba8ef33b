/* The rules in force: the default policies, a folder's and a ConfigMap's, replaced as a whole.
 *
 * A new set is compiled aside and takes the place of the old one only if it is sound; who still
 * evaluates the old one keeps it until done.  Each change of the content raises the revision, which
 * the default policies add to their rules_version.
 *
 * May use: base, data, lang.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "lang/rego/rego.h"

struct error;
struct rules;

/* FOLDER (of users' rules) may be NULL.  Starts with the default policies, which must be sound, as
 * revision 0. */
struct rules *rules_new(const char *folder, struct error **err);
void rules_free(struct rules *rules);

/* Reads the folder again and takes TEXTS, an object of file names and texts (names that do not end
 * ".rego" are left out; NULL for none), which come from SOURCE ("ConfigMap ns/name").  1 if the
 * rules changed, 0 if the content is the same, -1 if the new content is not sound: the old rules
 * stay, and rules_get_trouble tells why. */
int rules_update(struct rules *rules, const json_t *texts, const char *source);

/* What is in force, to begin with it at the next start: {digest, revision, files: [{name, text}]},
 * with a reference for the caller and frozen. */
json_t *rules_get_kept(struct rules *rules);

/* Puts in force what rules_get_kept gave in an earlier run.  Fails if it is no such thing or is not
 * sound beside this program's default policies; these are in force then.  Before the first
 * rules_update. */
int rules_restore(struct rules *rules, const json_t *kept, struct error **err);

/* The set in force, with a reference for the caller, and its revision. */
struct rego *rules_get(struct rules *rules, int64_t *revision);

/* Why the last update was refused, {source, file, line, code, message} and owned by the caller, or
 * NULL. */
json_t *rules_get_trouble(struct rules *rules);

/* The files in force that are written in version 0 of the language, as a new array of names. */
json_t *rules_list_old(struct rules *rules);

DEFINE_CLEANUP(rules, struct rules *, rules_free)
