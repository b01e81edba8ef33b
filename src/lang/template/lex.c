#include "lang/template/lex.h"

#include "lang/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 100 };

static bool is_word_char(struct span text, size_t at, size_t *len)
{
    unsigned char c = (unsigned char)text.ptr[at];

    if (c < 0x80) {
        *len = 1;
        return isalnum(c) || c == '_';
    }
    return utf8_is_letter(utf8_decode(text.ptr + at, text.len - at, len));
}

static size_t word_len(struct span text, size_t at)
{
    size_t start = at, len;

    while (at < text.len && is_word_char(text, at, &len))
        at += len;
    return at - start;
}

static struct token cut(struct span *rest, enum token_kind kind, size_t len)
{
    struct token token = {kind, {rest->ptr, len}, NULL};

    *rest = (struct span){rest->ptr + len, rest->len - len};
    return token;
}

static struct token wrong(struct span *rest, const char *problem)
{
    return (struct token){TOKEN_ERROR, {rest->ptr, 0}, problem};
}

/* A quoted thing from QUOTE to QUOTE on one line, with backslash escapes. */
static struct token cut_quoted(struct span *rest, enum token_kind kind, char quote)
{
    for (size_t i = 1; i < rest->len && rest->ptr[i] != '\n'; i++) {
        if (rest->ptr[i] == '\\' && i + 1 < rest->len && rest->ptr[i + 1] != '\n')
            i++;
        else if (rest->ptr[i] == quote)
            return cut(rest, kind, i + 1);
    }
    return wrong(rest, "a quote has no end on its line");
}

static struct token cut_raw(struct span *rest)
{
    const char *end = memchr(rest->ptr + 1, '`', rest->len - 1);

    if (end == NULL)
        return wrong(rest, "a raw quote has no end");
    return cut(rest, TOKEN_STRING, (size_t)(end - rest->ptr) + 1);
}

/* Digits and what may stand among them; template_number_parse says whether it is one. */
static struct token cut_number(struct span *rest)
{
    size_t i = 1;

    for (; i < rest->len; i++) {
        char c = rest->ptr[i], before = (char)(rest->ptr[i - 1] | 0x20);
        bool is_sign = (c == '+' || c == '-') && (before == 'e' || before == 'p');
        if (!isalnum((unsigned char)c) && c != '.' && c != '_' && !is_sign)
            break;
    }
    return cut(rest, TOKEN_NUMBER, i);
}

static struct token cut_dot(struct span *rest)
{
    size_t len = word_len(*rest, 1);

    if (len == 0)
        return cut(rest, TOKEN_DOT, 1);
    if (isdigit((unsigned char)rest->ptr[1]))
        return cut_number(rest);
    struct token token = cut(rest, TOKEN_FIELD, len + 1);
    token.text = (struct span){token.text.ptr + 1, len};
    return token;
}

static size_t space_len(struct span text)
{
    size_t len = 0;

    while (len < text.len && strchr(" \t\r\n", text.ptr[len]) != NULL && text.ptr[len] != '\0')
        len++;
    return len;
}

struct token template_token_next(struct span *rest)
{
    if (rest->len == 0)
        return cut(rest, TOKEN_END, 0);
    char c = rest->ptr[0];
    if (space_len(*rest) > 0)
        return cut(rest, TOKEN_SPACE, space_len(*rest));
    if (isdigit((unsigned char)c) || c == '+' || c == '-')
        return cut_number(rest);
    switch (c) {
    case '"':
        return cut_quoted(rest, TOKEN_STRING, '"');
    case '\'':
        return cut_quoted(rest, TOKEN_CHAR, '\'');
    case '`':
        return cut_raw(rest);
    case '.':
        return cut_dot(rest);
    case '$':
        return cut(rest, TOKEN_VARIABLE, 1 + word_len(*rest, 1));
    case '|':
        return cut(rest, TOKEN_PIPE, 1);
    case '(':
        return cut(rest, TOKEN_OPEN, 1);
    case ')':
        return cut(rest, TOKEN_CLOSE, 1);
    case ',':
        return cut(rest, TOKEN_COMMA, 1);
    case '=':
        return cut(rest, TOKEN_ASSIGN, 1);
    case ':':
        if (span_starts_with(*rest, ":="))
            return cut(rest, TOKEN_DECLARE, 2);
        return wrong(rest, "expected \":=\"");
    default:
        break;
    }
    size_t len = word_len(*rest, 0);
    return len > 0 ? cut(rest, TOKEN_WORD, len) : wrong(rest, "unexpected character");
}

bool template_action_find_end(struct span text, size_t *len)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        struct span rest = {text.ptr + i, text.len - i};
        char c = text.ptr[i];

        if (c == '}' && text.ptr[i + 1] == '}') {
            *len = i;
            return true;
        }
        if (c != '"' && c != '\'' && c != '`')
            continue;
        struct token quoted = template_token_next(&rest);
        if (quoted.kind == TOKEN_ERROR) {
            *len = text.len; /* the parser comes across it and says so */
            return true;
        }
        i += quoted.text.len - 1;
    }
    return false;
}

/* Numbers. */

static bool parse_based(const char *digits, bool negative, struct number *number)
{
    int base = 8;
    char *end;

    switch (digits[1] | 0x20) {
    case 'x':
        base = 16;
        digits += 2;
        break;
    case 'b':
        base = 2;
        digits += 2;
        break;
    case 'o':
        digits += 2;
        break;
    default:
        break;
    }
    if (!isxdigit((unsigned char)*digits))
        return false;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, base);
    if (*end != '\0' || errno != 0 || value > (unsigned long long)INT64_MAX + negative)
        return false;
    number->is_int = number->is_float = true;
    number->i = negative ? (int64_t)(0 - value) : (int64_t)value;
    number->f = (double)number->i;
    return true;
}

static bool parse_decimal(const char *text, struct number *number)
{
    char *end;
    size_t allowed = strspn(text, "+-.0123456789eE");

    if (text[allowed] != '\0' || strpbrk(text, "0123456789") == NULL)
        return false;
    number->prefers_float = strpbrk(text, ".eE") != NULL;
    number->f = strtod(text, &end);
    if (*end != '\0' || !isfinite(number->f))
        return false;
    number->is_float = true;
    if (!number->prefers_float) {
        errno = 0;
        number->i = strtoll(text, &end, 10);
        number->is_int = *end == '\0' && errno == 0;
        return number->is_int;
    }
    number->is_int = number->f == trunc(number->f) && fabs(number->f) < 9.2e18;
    if (number->is_int)
        number->i = (int64_t)number->f;
    return true;
}

bool template_number_parse(struct span text, struct number *number)
{
    char plain[MAX_NUMBER + 1];
    size_t len = 0;

    *number = (struct number){0};
    if (text.len > MAX_NUMBER)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool is_joint = text.ptr[i] == '_' && i > 0 && i + 1 < text.len &&
                        isxdigit((unsigned char)text.ptr[i + 1]);
        if (text.ptr[i] == '_' && !is_joint)
            return false;
        if (text.ptr[i] != '_')
            plain[len++] = text.ptr[i];
    }
    plain[len] = '\0';
    const char *digits = plain + (plain[0] == '-' || plain[0] == '+');
    if (digits[0] == '0' && isalnum((unsigned char)digits[1]) && (digits[1] | 0x20) != 'e')
        return parse_based(digits, plain[0] == '-', number);
    return parse_decimal(plain, number);
}

/* Literals. */

static bool decode_code(struct span *rest, size_t digits, int base, uint32_t *code)
{
    char text[9];
    char *end;

    if (rest->len < digits)
        return false;
    memcpy(text, rest->ptr, digits);
    text[digits] = '\0';
    if (!isxdigit((unsigned char)text[0]))
        return false;
    *code = (uint32_t)strtoul(text, &end, base);
    *rest = (struct span){rest->ptr + digits, rest->len - digits};
    return *end == '\0';
}

/* Behind a backslash. */
static bool decode_escape(struct span *rest, struct buf *out)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = rest->ptr[0];
    uint32_t code;
    const char *found = c != '\0' ? strchr(from, c) : NULL;

    if (found != NULL) {
        buf_add_char(out, to[found - from]);
        *rest = (struct span){rest->ptr + 1, rest->len - 1};
        return true;
    }
    if (c >= '0' && c <= '7') {
        if (!decode_code(rest, 3, 8, &code) || code > 255)
            return false;
        buf_add_char(out, (char)code);
        return true;
    }
    *rest = (struct span){rest->ptr + 1, rest->len - 1};
    if (c == 'x') {
        if (!decode_code(rest, 2, 16, &code))
            return false;
        buf_add_char(out, (char)code);
        return true;
    }
    if ((c != 'u' && c != 'U') || !decode_code(rest, c == 'u' ? 4 : 8, 16, &code) ||
        code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    utf8_add(out, code);
    return true;
}

bool template_literal_decode(struct span text, struct buf *out)
{
    char quote = text.ptr[0];
    struct span rest = {text.ptr + 1, text.len - 2};

    if (quote == '`') {
        buf_add_span(out, rest);
        return true;
    }
    while (rest.len > 0) {
        char c = rest.ptr[0];
        if (c == '\\') {
            rest = (struct span){rest.ptr + 1, rest.len - 1};
            if (rest.len == 0 || !decode_escape(&rest, out))
                return false;
            continue;
        }
        buf_add_char(out, c);
        rest = (struct span){rest.ptr + 1, rest.len - 1};
    }
    return true;
}
