/* Manifests of OVF packages: a digest for each file (DSP0243, 7.1; "SHA256(disk1.vmdk)= 0f3a...").
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stddef.h>

struct error;

enum {
    MANIFEST_MAX_BYTES = 4 << 20,
    MANIFEST_MAX_ENTRIES = 65536,
};

enum manifest_algorithm { MANIFEST_SHA1, MANIFEST_SHA256, MANIFEST_SHA512 };

struct manifest_entry {
    char *file;
    enum manifest_algorithm algorithm;
    char *hex; /* lower case */
};

DEFINE_VECTOR(manifest, struct manifest_entry)

/* Reads LEN bytes of a .mf file.  Accepts blanks around "=", LF and CRLF, and blank lines.  An
 * error names the line. */
int manifest_parse(const char *text, size_t len, struct manifest *out, struct error **err);

/* The entry of FILE, or NULL.  Borrowed.  Of several, the strongest. */
const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *file);

/* "sha1", "sha256", "sha512". */
const char *manifest_algorithm(const struct manifest_entry *entry);

/* "sha256:0f3a...", owned by the caller. */
char *manifest_format_digest(const struct manifest_entry *entry);

void manifest_free_all(struct manifest *manifest);

DEFINE_CLEANUP_IN_PLACE(manifest, struct manifest, manifest_free_all)
