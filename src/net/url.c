#include "net/url.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *scheme;
    uint16_t port;
} default_ports[] = {{"https", 443}, {"http", 80}, {"wss", 443}, {"ws", 80}, {"nbd", 10809}};

static uint16_t default_port(const char *scheme)
{
    for (size_t i = 0; i < ARRAY_SIZE(default_ports); i++)
        if (strcmp(default_ports[i].scheme, scheme) == 0)
            return default_ports[i].port;
    return 0;
}

void url_free(struct url *url)
{
    if (url == NULL)
        return;
    free(url->scheme);
    free(url->user);
    if (url->password != NULL)
        secret_wipe(url->password, strlen(url->password));
    free(url->password);
    free(url->host);
    free(url->path);
    free(url->query);
    free(url);
}

static char *dup_lower(struct span text)
{
    char *lower = span_dup(text);

    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return lower;
}

/* Cuts up to one of STOPS, or the end, off *REST. */
static struct span cut_before(struct span *rest, const char *stops)
{
    size_t len = 0;

    while (len < rest->len && strchr(stops, rest->ptr[len]) == NULL)
        len++;
    struct span part = {rest->ptr, len};
    *rest = (struct span){rest->ptr + len, rest->len - len};
    return part;
}

static struct span skip(struct span text, size_t count)
{
    return (struct span){text.ptr + count, text.len - count};
}

/* Cuts "scheme://" off *REST; an empty span if there is none. */
static struct span cut_scheme(struct span *rest)
{
    size_t len = 0;

    while (len < rest->len && (isalnum((unsigned char)rest->ptr[len]) ||
                               (len > 0 && strchr("+-.", rest->ptr[len]) != NULL)))
        len++;
    if (len == 0 || !span_starts_with(skip(*rest, len), "://"))
        return (struct span){0};
    struct span scheme = {rest->ptr, len};
    *rest = skip(*rest, len + 3);
    return scheme;
}

static int parse_user(struct span text, struct url *url, struct error **err)
{
    struct span user = cut_before(&text, ":");

    if (url_unescape(user, false, &url->user, err) == -1)
        return -1;
    if (text.len == 0)
        return 0;
    return url_unescape(skip(text, 1), false, &url->password, err);
}

static bool is_host(struct span host, bool in_brackets)
{
    if (host.len == 0 || host.len > 255)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (isalnum((unsigned char)c) || c == '.')
            continue;
        if (strchr(in_brackets ? ":%" : "-_", c) == NULL || c == '\0')
            return false;
    }
    return true;
}

static int parse_host(struct span text, struct url *url, struct error **err)
{
    bool in_brackets = span_starts_with(text, "[");
    struct span host;
    uint64_t port;

    if (in_brackets)
        text = skip(text, 1);
    host = cut_before(&text, in_brackets ? "]" : ":");
    bool is_v6 = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
    if (!is_host(host, in_brackets) || is_v6 != in_brackets || (in_brackets && text.len == 0))
        return error_set(err, ERROR_INVALID, "\"%.*s\" is not a host", (int)host.len, host.ptr);
    url->host = dup_lower(host);
    if (in_brackets)
        text = skip(text, 1);
    if (text.len == 0 || span_eq_str(text, ":"))
        return 0;
    if (text.ptr[0] != ':' || !span_u64(skip(text, 1), &port) || port == 0 || port > 65535)
        return error_set(err, ERROR_INVALID, "\"%.*s\" is not a port", (int)text.len, text.ptr);
    url->port = (uint16_t)port;
    return 0;
}

/* Printable ASCII without spaces, so that nothing can be smuggled into a request. */
static bool is_clean(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static int parse_into(struct span rest, struct url *url, struct error **err)
{
    struct span scheme = cut_scheme(&rest);

    if (scheme.len == 0)
        return error_set(err, ERROR_INVALID, "a URL starts with a scheme, as in https://host/");
    url->scheme = dup_lower(scheme);
    url->port = default_port(url->scheme);

    struct span authority = cut_before(&rest, "/?#");
    const char *at = memrchr(authority.ptr, '@', authority.len);
    if (at != NULL) {
        size_t len = (size_t)(at - authority.ptr);
        if (parse_user((struct span){authority.ptr, len}, url, err) == -1)
            return -1;
        authority = skip(authority, len + 1);
    }
    if (parse_host(authority, url, err) == -1)
        return -1;

    struct span path = cut_before(&rest, "?#");
    if (span_starts_with(rest, "?")) {
        rest = skip(rest, 1);
        url->query = span_dup(cut_before(&rest, "#"));
    }
    url->path = path.len > 0 ? span_dup(path) : xstrdup("/");
    return 0;
}

int url_parse(const char *text, struct url **out, struct error **err)
{
    CLEANUP(url) struct url *url = xcalloc(1, sizeof(*url));
    struct span all = span_of(text);

    if (all.len > URL_MAX)
        return error_set(err, ERROR_INVALID, "a URL of more than %d bytes", URL_MAX);
    if (!is_clean(all))
        return error_set(err, ERROR_INVALID,
                         "a URL has printable ASCII characters only; write others as %%XX");
    if (parse_into(all, url, err) == -1)
        return -1;
    *out = steal(&url);
    return 0;
}

static void add_origin(const struct url *url, struct buf *out)
{
    bool is_v6 = strchr(url->host, ':') != NULL;

    buf_printf(out, "%s://%s%s%s", url->scheme, is_v6 ? "[" : "", url->host, is_v6 ? "]" : "");
    if (url->port != default_port(url->scheme))
        buf_printf(out, ":%u", url->port);
}

char *url_format(const struct url *url)
{
    struct buf out = BUF_INIT(SIZE_MAX / 2);

    add_origin(url, &out);
    buf_add(&out, url->path);
    if (url->query != NULL)
        buf_printf(&out, "?%s", url->query);
    return buf_take(&out);
}

/* Appends PATH, absolute, with "." and ".." resolved. */
static void add_resolved(struct buf *out, struct span path)
{
    size_t root = out->len;
    struct span rest = path, part;

    span_split(&rest, '/', &part); /* in front of the first slash: nothing */
    while (span_split(&rest, '/', &part)) {
        bool is_up = span_eq_str(part, "..");
        while (is_up && out->len > root && out->ptr[--out->len] != '/')
            ;
        if (!is_up && !span_eq_str(part, ".")) {
            buf_add_char(out, '/');
            buf_add_span(out, part);
        } else if (rest.ptr == NULL) {
            buf_add_char(out, '/');
        }
    }
    if (out->len == root)
        buf_add_char(out, '/');
}

char *url_join(const char *base, const char *reference, struct error **err)
{
    CLEANUP(url) struct url *url = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(2 * URL_MAX);
    CLEANUP(buf) struct buf path = BUF_INIT(2 * URL_MAX);
    struct span rest = span_of(reference);

    if (url_parse(base, &url, err) == -1)
        return NULL;
    if (rest.len > URL_MAX || !is_clean(rest)) {
        error_set(err, ERROR_INVALID, "a reference that is no part of a URL");
        return NULL;
    }
    if (cut_scheme(&rest).len > 0)
        return xstrdup(reference);
    if (span_starts_with(rest, "//"))
        return xasprintf("%s:%s", url->scheme, reference);

    struct span ref_path = cut_before(&rest, "?#");
    struct span ref_query = cut_before(&rest, "#");
    if (!span_starts_with(ref_path, "/")) {
        size_t keep = ref_path.len > 0 ? (size_t)(strrchr(url->path, '/') - url->path) + 1
                                       : strlen(url->path);
        buf_append(&path, url->path, keep);
    }
    buf_add_span(&path, ref_path);
    add_origin(url, &out);
    add_resolved(&out, buf_span(&path));
    if (ref_query.len > 0)
        buf_add_span(&out, ref_query);
    else if (ref_path.len == 0 && url->query != NULL)
        buf_printf(&out, "?%s", url->query);
    return buf_take(&out);
}

void url_add_escaped(struct buf *buf, struct span text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x80 && isalnum(c)) || (c != '\0' && strchr("-._~", c) != NULL)) {
            buf_add_char(buf, (char)c);
        } else {
            char escape[] = {'%', hex[c >> 4], hex[c & 15]};
            buf_append(buf, escape, sizeof(escape));
        }
    }
}

void url_add_param(struct buf *buf, bool *first, const char *key, const char *value)
{
    if (value == NULL)
        return;
    buf_add_char(buf, *first ? '?' : '&');
    *first = false;
    url_add_escaped(buf, span_of(key));
    buf_add_char(buf, '=');
    url_add_escaped(buf, span_of(value));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int url_unescape(struct span text, bool in_query, char **out, struct error **err)
{
    CLEANUP(str) char *result = xmalloc(text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
            if (high == -1 || low == -1)
                return error_set(err, ERROR_INVALID,
                                 "'%%' without two hexadecimal digits behind it");
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && in_query) {
            c = ' ';
        }
        if (c == '\0')
            return error_set(err, ERROR_INVALID, "a NUL in a URL");
        result[len++] = c;
    }
    result[len] = '\0';
    *out = steal(&result);
    return 0;
}

int url_next_param(struct span *query, char **key, char **value, struct error **err)
{
    struct span part;
    CLEANUP(str) char *new_key = NULL;

    do {
        if (!span_split(query, '&', &part))
            return 0;
    } while (part.len == 0);

    struct span name = cut_before(&part, "=");
    if (url_unescape(name, true, &new_key, err) == -1)
        return -1;
    if (url_unescape(part.len > 0 ? skip(part, 1) : part, true, value, err) == -1)
        return -1;
    *key = steal(&new_key);
    return 1;
}
