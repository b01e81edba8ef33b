/* Text that must not be seen: passwords, tokens, keys.
 *
 * Its memory is locked, kept out of core dumps, and wiped when freed.  Nothing prints it.
 * May use: base.  Threads: frozen after creation.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

struct secret *secret_new(const void *data, size_t len);
void secret_free(struct secret *secret);

/* The bytes, with a NUL behind them.  Borrowed: do not copy, print or pass as an argument. */
const char *secret_get(const struct secret *secret);
size_t secret_len(const struct secret *secret);

/* Compares in a time that depends on the lengths only. */
bool secret_eq(const struct secret *secret, const void *data, size_t len);

/* Keeps the memory of this process out of core dumps, and from other processes of the same user: what
 * libraries copy of a secret cannot be protected otherwise.  Once, in main.  Without effect on what the
 * process starts. */
void secret_protect_process(void);

/* Wipes memory in a way the compiler keeps. */
void secret_wipe(void *data, size_t len);

DEFINE_CLEANUP(secret, struct secret *, secret_free)
