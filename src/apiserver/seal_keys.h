/* The file of keys that secrets are sealed with at rest: lines of "NUMBER BASE64", the current one
 * first, mode 0600.
 *
 * May use: base, data, net.  Threads: one owner.
 */
#pragma once

#include <stdint.h>

struct error;
struct seal_keys;

/* Reads PATH, or makes it with one key.  A file that others may read is refused. */
struct seal_keys *seal_keys_open(const char *path, struct error **err);
void seal_keys_free(struct seal_keys *keys); /* wipes them */

/* Writes all of them to another file (mode 0600). */
int seal_keys_copy(const struct seal_keys *keys, const char *path, struct error **err);

/* Keys are 32 bytes, borrowed. */
const unsigned char *seal_keys_current(const struct seal_keys *keys, int64_t *id);
const unsigned char *seal_keys_find(const struct seal_keys *keys, int64_t id); /* or NULL */

/* Makes a new current key and keeps the others; written to the file. */
int seal_keys_add(struct seal_keys *keys, struct error **err);
/* Keeps the current one only. */
int seal_keys_forget_old(struct seal_keys *keys, struct error **err);
