/* Text as pointer and length for input, and a growing buffer for output.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Borrowed bytes; not terminated. */
struct span {
    const char *ptr;
    size_t len;
};

#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})

struct span span_of(const char *text); /* NULL gives an empty span */
bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *text);
bool span_starts_with(struct span a, const char *prefix);
struct span span_trim(struct span a); /* ASCII white space off both ends */
char *span_dup(struct span a);        /* owned, terminated */

/* Cuts the first part of *rest up to SEP off into *part.  False when *rest was used up. */
bool span_split(struct span *rest, char sep, struct span *part);

/* Reads a whole unsigned decimal number that fills A; false if it is none or does not fit. */
bool span_u64(struct span a, uint64_t *value);

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts_with(const char *text, const char *prefix);
bool str_ends_with(const char *text, const char *suffix);
bool str_is_empty(const char *text); /* also true for NULL */

/* True if the bytes are well-formed UTF-8 (RFC 3629). */
bool utf8_is_valid(const char *text, size_t len);

/* Output under construction.  Appending past MAX sets `full` and drops the rest; who builds may
 * ignore that until buf_check or buf_finish tells. */
struct buf {
    char *ptr; /* terminated whenever it is not NULL */
    size_t len;
    size_t cap;
    size_t max; /* most bytes it may hold */
    bool full;
};

#define BUF_INIT(maximum) ((struct buf){.max = (maximum)})

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_add(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_span(struct buf *buf, struct span text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for LEN more bytes and returns where to put them; NULL if that passes the maximum.
 * buf_extend then counts what was written. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_extend(struct buf *buf, size_t len);

struct span buf_span(const struct buf *buf);
void buf_clear(struct buf *buf); /* empties it, keeps the memory */
void buf_reset(struct buf *buf); /* frees the memory */

/* Fails with ERROR_INVALID if something did not fit. */
int buf_check(const struct buf *buf, struct error **err);

/* The text, never NULL, now owned by the caller; the buffer is empty again.  Ignores `full`. */
char *buf_take(struct buf *buf);

DEFINE_CLEANUP_IN_PLACE(buf, struct buf, buf_reset)
