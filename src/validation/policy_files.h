/* Policies from folders, files and texts, ready to be compiled.
 *
 * Files ending ".rego" are policies, "data.json" and other ".json" files are base documents, merged
 * at the root.  May use: base, data, lang.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "lang/rego/rego.h"

struct error;
struct policy_files;

enum { POLICY_FILE_MAX = 4 * 1024 * 1024, POLICY_FILES_MAX = 20000 };

struct policy_files *policy_files_new(void);
void policy_files_free(struct policy_files *files);

/* Adds a file, or all files of a folder and the folders inside in order of their names.  Symbolic
 * links are followed for files, not for folders. */
int policy_files_add_path(struct policy_files *files, const char *path, enum rego_version version,
                          struct error **err);
/* Adds a policy's text; copies both. */
int policy_files_add_text(struct policy_files *files, const char *name, struct span text,
                          enum rego_version version, struct error **err);
/* Adds the default policies, which are part of the program, without their tests. */
void policy_files_add_defaults(struct policy_files *files);

/* All but the default policies as an array of {"name", "text"}; NULL if a text cannot be written
 * as JSON: it is not UTF-8 or has a NUL. */
json_t *policy_files_pack(const struct policy_files *files);
/* Adds what policy_files_pack gave. */
int policy_files_add_packed(struct policy_files *files, const json_t *packed, struct error **err);

size_t policy_files_count(const struct policy_files *files); /* policies, without data */
/* Policy INDEX, borrowed. */
const struct rego_source *policy_files_get(const struct policy_files *files, size_t index);

/* Makes REVISION the base document data.gantry.revision, which the default policies add to their
 * rules_version. */
void policy_files_set_revision(struct policy_files *files, int64_t revision);

/* A number that follows from all names and texts, data included. */
uint64_t policy_files_digest(const struct policy_files *files);

/* Compiles everything together; NULL with diagnostics. */
struct rego *policy_files_compile(const struct policy_files *files, bool no_index,
                                  struct lang_diags *diags);

/* The last part of the package with the rules for a Provider's type ("vmware" for "vsphere"), or
 * NULL: its machines are not judged. */
const char *policy_package_of(const char *type);

DEFINE_CLEANUP(policy_files, struct policy_files *, policy_files_free)
