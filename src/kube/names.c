#include "kube/names.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

enum {
    RANDOM_LEN = 4,
    UNIQUE_MAX = NAME_LABEL_MAX - 1 - RANDOM_LEN, /* what is kept in front of "-abcd" */
};

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* One or more of [a-z0-9-] between two of [a-z0-9]; of any length. */
static bool is_label_shaped(const char *text, size_t len)
{
    if (len == 0 || !is_lower_or_digit(text[0]) || !is_lower_or_digit(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_or_digit(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool name_is_label(const char *text, size_t len)
{
    return len <= NAME_LABEL_MAX && is_label_shaped(text, len);
}

bool name_is_label_1035(const char *text, size_t len)
{
    return name_is_label(text, len) && text[0] >= 'a';
}

bool name_is_subdomain(const char *text, size_t len)
{
    struct span rest = {text, len}, part;

    if (len == 0 || len > NAME_SUBDOMAIN_MAX || text[len - 1] == '.')
        return false;
    while (span_split(&rest, '.', &part))
        if (!is_label_shaped(part.ptr, part.len))
            return false;
    return true;
}

bool name_is_label_value(const char *text, size_t len)
{
    if (len == 0)
        return true;
    if (len > NAME_LABEL_MAX || !is_letter_or_digit(text[0]) || !is_letter_or_digit(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_letter_or_digit(text[i]) && strchr("-_.", text[i]) == NULL)
            return false;
    return true;
}

bool name_is_qualified(const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);

    if (slash != NULL) {
        size_t prefix_len = (size_t)(slash - text);
        if (!name_is_subdomain(text, prefix_len))
            return false;
        len -= prefix_len + 1;
        text = slash + 1;
    }
    return len > 0 && name_is_label_value(text, len);
}

int name_check_label(const char *text, struct error **err)
{
    if (name_is_label(text, strlen(text)))
        return 0;
    return error_set(err, ERROR_INVALID,
                     "\"%s\" is not an RFC 1123 label: up to 63 lower-case letters, digits and "
                     "'-', starting and ending with a letter or digit",
                     text);
}

int name_check_subdomain(const char *text, struct error **err)
{
    if (name_is_subdomain(text, strlen(text)))
        return 0;
    return error_set(err, ERROR_INVALID,
                     "\"%s\" is not an RFC 1123 subdomain: up to 253 lower-case letters, digits, "
                     "'-' and '.', each part starting and ending with a letter or digit",
                     text);
}

static struct span trim_any(struct span text, const char *chars)
{
    while (text.len > 0 && strchr(chars, text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(chars, text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static struct span cut(struct span text, size_t max)
{
    if (text.len > max)
        text.len = max;
    return text;
}

/* Adds the acceptable rest of one part of a name, behind a dot unless it is the first. */
static void add_fixed_part(struct buf *out, struct span part)
{
    CLEANUP(buf) struct buf fixed = BUF_INIT(SIZE_MAX / 2);

    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (c != '\0' && strchr("_+* /\\", c) != NULL)
            c = '-';
        bool doubled = c == '-' && (fixed.len == 0 || fixed.ptr[fixed.len - 1] == '-');
        if ((is_lower_or_digit(c) || c == '-') && !doubled)
            buf_add_char(&fixed, c);
    }
    struct span rest = trim_any(cut(trim_any(buf_span(&fixed), "-"), NAME_LABEL_MAX), "-");
    if (rest.len == 0)
        return;
    if (out->len > 0)
        buf_add_char(out, '.');
    buf_add_span(out, rest);
}

char *name_fix(const char *text)
{
    CLEANUP(buf) struct buf out = BUF_INIT(SIZE_MAX / 2);
    struct span rest = span_of(text), part;

    while (span_split(&rest, '.', &part))
        add_fixed_part(&out, part);

    struct span name = trim_any(cut(buf_span(&out), NAME_LABEL_MAX), ".-");
    if (name.len > 0)
        return span_dup(name);

    char letters[RANDOM_LEN + 1];
    random_name(letters, RANDOM_LEN);
    return xasprintf("vm-%s", letters);
}

char *name_make_unique(const char *name, bool (*is_taken)(void *arg, const char *name), void *arg)
{
    char *result = xstrdup(name);

    while (is_taken(arg, result)) {
        char letters[RANDOM_LEN + 1];
        struct span kept = trim_any(cut(span_of(name), UNIQUE_MAX), ".-");

        random_name(letters, RANDOM_LEN);
        cleanup_str(&result);
        result = xasprintf("%.*s-%s", (int)kept.len, kept.ptr, letters);
    }
    return result;
}

char *name_fix_label_value(const char *text)
{
    CLEANUP(buf) struct buf out = BUF_INIT(SIZE_MAX / 2);

    for (; *text != '\0'; text++) {
        if (is_letter_or_digit(*text) || strchr("-_.", *text) != NULL)
            buf_add_char(&out, *text);
        else if (out.len == 0 || out.ptr[out.len - 1] != '_')
            buf_add_char(&out, '_');
    }
    return span_dup(trim_any(cut(trim_any(buf_span(&out), "_.-"), NAME_LABEL_MAX), "_.-"));
}
