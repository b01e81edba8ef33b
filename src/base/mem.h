/* Memory that is there or ends the program.
 *
 * Sizes from outside must have met a named maximum before they get here.  May use: nothing.
 * Threads: safe anywhere.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* PTR, which a library allocated; NULL, its memory is out, ends the program. */
void *mem_must(void *ptr) __attribute__((returns_nonnull));

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));

/* COUNT zeroed elements of SIZE bytes; a product that does not fit ends the program. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Resizes PTR to COUNT elements of SIZE bytes. */
void *xreallocarray(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));

char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

/* The first LEN bytes of TEXT with a NUL behind them. */
char *xstrndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));

void *xmemdup(const void *data, size_t len) __attribute__((malloc, returns_nonnull));

char *xasprintf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
char *xvasprintf(const char *format, va_list args)
    __attribute__((format(printf, 1, 0), malloc, returns_nonnull));
