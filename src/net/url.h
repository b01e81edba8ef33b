/* URLs (RFC 3986) as servers and providers have them: taken apart, put together, escaped.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

enum { URL_MAX = 8192 }; /* bytes of a URL */

struct url {
    char *scheme;   /* lower case: "https" */
    char *user;     /* decoded, or NULL */
    char *password; /* decoded, or NULL; wiped when freed */
    char *host;     /* lower case; an IPv6 address without its brackets */
    uint16_t port;  /* the scheme's own if none was given, 0 if we know none */
    char *path;     /* as written, at least "/" */
    char *query;    /* as written behind '?', or NULL */
};

/* Reads "SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY][#...]".  The fragment is dropped. */
int url_parse(const char *text, struct url **out, struct error **err);
void url_free(struct url *url);

/* Without user and password, so that it may be shown; the port only if it is not the scheme's own.
 * Owned by the caller. */
char *url_format(const struct url *url);

/* What REFERENCE means where BASE was read: a URL, "//host/path", "/path", "path" or "?query".
 * Parts "." and ".." are resolved.  Owned by the caller. */
char *url_join(const char *base, const char *reference, struct error **err);

/* Appends TEXT with everything but letters, digits and "-._~" as %XX: fits a part of a path as well
 * as a key or value of a query. */
void url_add_escaped(struct buf *buf, struct span text);

/* Appends "KEY=VALUE", escaped, behind '?' if *FIRST, else '&'; clears *FIRST.  VALUE NULL appends
 * nothing. */
void url_add_param(struct buf *buf, bool *first, const char *key, const char *value);

/* Decodes %XX, and '+' as a space if IN_QUERY.  NUL and half escapes are ERROR_INVALID.  Owned by
 * the caller. */
int url_unescape(struct span text, bool in_query, char **out, struct error **err);

/* Takes the next "key=value" off a raw query; *KEY and *VALUE are decoded and owned by the caller.
 * 1: there was one, 0: none is left, -1: wrong escapes. */
int url_next_param(struct span *query, char **key, char **value, struct error **err);

DEFINE_CLEANUP(url, struct url *, url_free)
