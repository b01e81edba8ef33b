#include "lang/tsl/lex.h"

#include "lang/tsl/tree.h"
#include "lang/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tsl_token make(struct span text, size_t *pos, enum tsl_token_kind kind, size_t len)
{
    struct tsl_token token = {.kind = kind, .text = {text.ptr + *pos, len}};

    *pos += len;
    return token;
}

static struct tsl_token wrong(struct span text, size_t pos, const char *problem)
{
    return (struct tsl_token){
        .kind = TSL_TOKEN_WRONG, .text = {text.ptr + pos, 0}, .problem = problem};
}

static struct tsl_token quoted(struct span text, size_t *pos)
{
    char mark = text.ptr[*pos];

    for (size_t i = *pos + 1; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        else if (text.ptr[i] == mark)
            return make(text, pos, TSL_TOKEN_TEXT, i + 1 - *pos);
    }
    return wrong(text, *pos, "the text in quotes has no end");
}

void tsl_token_text(struct span quoted_text, struct buf *out)
{
    static const char from[] = "ntrbf";
    static const char to[] = "\n\t\r\b\f";

    for (size_t i = 1; i + 1 < quoted_text.len; i++) {
        char c = quoted_text.ptr[i];
        if (c == '\\') {
            c = quoted_text.ptr[++i];
            const char *found = c != '\0' ? strchr(from, c) : NULL;
            c = found != NULL ? to[found - from] : c;
        }
        buf_add_char(out, c);
    }
}

/* The length of a bare date or time at POS, or 0. */
static size_t date_len(struct span text, size_t pos)
{
    size_t len = 0;
    int64_t ms;

    while (pos + len < text.len && len < 40 &&
           (isdigit((unsigned char)text.ptr[pos + len]) ||
            strchr("-:.TZ+", text.ptr[pos + len]) != NULL))
        len++;
    for (; len >= 10; len--)
        if (tsl_time((struct span){text.ptr + pos, len}, &ms))
            return len;
    return 0;
}

/* Digits, fraction, exponent, and a suffix: k M G T P, with i for powers of 1024. */
static struct tsl_token number(struct span text, size_t *pos, bool strict)
{
    static const char suffixes[] = "kmgtp";
    char plain[64];
    size_t i = *pos, len;
    char *end;

    while (i < text.len && (isdigit((unsigned char)text.ptr[i]) || text.ptr[i] == '.'))
        i++;
    if (i < text.len && (text.ptr[i] | 0x20) == 'e') {
        i++;
        if (i < text.len && (text.ptr[i] == '+' || text.ptr[i] == '-'))
            i++;
        while (i < text.len && isdigit((unsigned char)text.ptr[i]))
            i++;
    }
    len = i - *pos;
    if (len >= sizeof(plain))
        return wrong(text, *pos, "a number of too many digits");
    memcpy(plain, text.ptr + *pos, len);
    plain[len] = '\0';
    double value = strtod(plain, &end);
    bool malformed = *end != '\0' || !isfinite(value);
    if (malformed && strict)
        value = 0;
    else if (malformed)
        return wrong(text, *pos, "this is not a number");
    const char *suffix = i < text.len && text.ptr[i] != '\0'
                             ? strchr(suffixes, tolower((unsigned char)text.ptr[i]))
                             : NULL;
    if (suffix != NULL) {
        i++;
        bool binary = i < text.len && (text.ptr[i] | 0x20) == 'i';
        value *= pow(binary ? 1024 : 1000, (double)(suffix - suffixes + 1));
        i += binary;
    }
    if (i < text.len && (isalpha((unsigned char)text.ptr[i]) || text.ptr[i] == '_'))
        return wrong(text, i, "letters behind a number; sizes are written as in 5Gi");
    struct tsl_token token = make(text, pos, TSL_TOKEN_NUMBER, i - *pos);
    token.number = value;
    return token;
}

static bool is_name_char(struct span text, size_t pos, bool first, size_t *size)
{
    unsigned char c = (unsigned char)text.ptr[pos];

    *size = 1;
    if (c < 0x80)
        return isalpha(c) || c == '_' || (!first && (isdigit(c) || c == '.' || c == '/'));
    return utf8_is_letter(utf8_decode(text.ptr + pos, text.len - pos, size));
}

/* Letters, digits, '_', '.', '/', and brackets with all that is in them. */
static struct tsl_token name(struct span text, size_t *pos)
{
    size_t i = *pos, size;

    while (i < text.len) {
        if (text.ptr[i] == '[' && i > *pos) {
            const char *close = memchr(text.ptr + i, ']', text.len - i);
            if (close == NULL)
                return wrong(text, i, "']' is missing");
            i = (size_t)(close - text.ptr) + 1;
        } else if (is_name_char(text, i, i == *pos, &size)) {
            i += size;
        } else {
            break;
        }
    }
    return make(text, pos, TSL_TOKEN_NAME, i - *pos);
}

struct tsl_token tsl_token_next(struct span text, size_t *pos, bool strict)
{
    static const char *const signs[] = {"==", "!=", "<>", "<=", ">=", "~=", "~!", "=", "<", ">",
                                        "+",  "-",  "*",  "/",  "%",  "(",  ")",  "[", "]", ","};
    size_t size;

    while (*pos < text.len && strchr(" \t\r\n", text.ptr[*pos]) != NULL && text.ptr[*pos] != '\0')
        ++*pos;
    if (*pos == text.len)
        return make(text, pos, TSL_TOKEN_END, 0);
    char c = text.ptr[*pos];
    if (c == '\'' || c == '"' || c == '`')
        return quoted(text, pos);
    if (isdigit((unsigned char)c) ||
        (c == '.' && *pos + 1 < text.len && isdigit((unsigned char)text.ptr[*pos + 1]))) {
        size_t len = date_len(text, *pos);
        return len > 0 ? make(text, pos, TSL_TOKEN_DATE, len) : number(text, pos, strict);
    }
    if (is_name_char(text, *pos, true, &size))
        return name(text, pos);
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (span_starts_with((struct span){text.ptr + *pos, text.len - *pos}, signs[i]))
            return make(text, pos, TSL_TOKEN_SIGN, strlen(signs[i]));
    return wrong(text, *pos, "unexpected character");
}

bool tsl_name_is_division(struct span name)
{
    const char *slash = memrchr(name.ptr, '/', name.len);
    size_t digits = slash != NULL ? (size_t)(name.ptr + name.len - slash - 1) : 0;

    for (size_t i = 1; i <= digits; i++)
        if (slash[i] < '0' || slash[i] > '9')
            return false;
    return digits > 0;
}
