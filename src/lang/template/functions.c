/* The functions of Forklift's templates (specification "control", 3.9; traps in "rego and
 * templates", section 8), and text/template's own. */
#include "lang/template/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "lang/regex.h"
#include "lang/template/builtins.h"
#include "lang/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARGS                                                                                       \
    struct render *r, const struct command *command, struct value *args, size_t count,             \
        struct value *result

static int give_text(struct value *result, struct span text)
{
    *result = (struct value){.kind = VALUE_TEXT, .text = text};
    return 0;
}

static int give_bool(struct value *result, bool b)
{
    *result = (struct value){.kind = VALUE_BOOL, .b = b};
    return 0;
}

static int give_int64(struct value *result, int64_t i)
{
    *result = (struct value){.kind = VALUE_INT, .int_type = INT_64, .i = i};
    return 0;
}

static int give_float(struct value *result, double f)
{
    *result = (struct value){.kind = VALUE_FLOAT, .f = f};
    return 0;
}

static struct span skip(struct span text, size_t count)
{
    return (struct span){text.ptr + count, text.len - count};
}

/* Text. */

enum letter_case { CASE_LOWER, CASE_UPPER, CASE_TITLE, CASE_UNTITLE };

/* True if a word goes on behind C, by the rule of Go's strings.Title. */
static bool is_in_title_word(uint32_t c)
{
    if (c < 0x80)
        return isalnum((int)c) || c == '_';
    return utf8_is_letter(c) || utf8_is_digit(c) || !utf8_is_space(c);
}

static int change_case(struct render *r, struct span text, enum letter_case to,
                       struct value *result)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    bool first = true;
    size_t size;

    for (size_t at = 0; at < text.len; at += size) {
        uint32_t c = utf8_decode(text.ptr + at, text.len - at, &size);

        if (c == UTF8_WRONG && size == 1) {
            buf_add(&out, "\xef\xbf\xbd");
            first = false;
            continue;
        }
        if (to == CASE_UPPER || (to == CASE_TITLE && first))
            utf8_add(&out, utf8_upper(c));
        else if (to == CASE_LOWER || (to == CASE_UNTITLE && first))
            utf8_add(&out, utf8_lower(c));
        else
            buf_append(&out, text.ptr + at, size);
        first = to == CASE_TITLE ? !is_in_title_word(c) : utf8_is_space(c);
    }
    return value_take_buf(r, &out, result);
}

static int call_lower(ARGS)
{
    return change_case(r, args[0].text, CASE_LOWER, result);
}

static int call_upper(ARGS)
{
    return change_case(r, args[0].text, CASE_UPPER, result);
}

static int call_title(ARGS)
{
    return change_case(r, args[0].text, CASE_TITLE, result);
}

static int call_untitle(ARGS)
{
    return change_case(r, args[0].text, CASE_UNTITLE, result);
}

static bool ends_with(struct span text, struct span end)
{
    return text.len >= end.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

static bool begins_with(struct span text, struct span start)
{
    return text.len >= start.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

static const char *find_in(struct span text, struct span what)
{
    return what.len == 0 ? text.ptr : memmem(text.ptr, text.len, what.ptr, what.len);
}

static int call_contains(ARGS)
{
    return give_bool(result, find_in(args[1].text, args[0].text) != NULL);
}

static int call_has_prefix(ARGS)
{
    return give_bool(result, begins_with(args[1].text, args[0].text));
}

static int call_has_suffix(ARGS)
{
    return give_bool(result, ends_with(args[1].text, args[0].text));
}

/* An empty OLD matches around each character. */
static int call_replace(ARGS)
{
    struct span old = args[0].text, new = args[1].text, rest = args[2].text;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    size_t size;

    while (rest.len > 0 && !out.full) {
        const char *found = find_in(rest, old);
        size_t before = found != NULL ? (size_t)(found - rest.ptr) : rest.len;

        buf_append(&out, rest.ptr, before);
        rest = skip(rest, before);
        if (found == NULL)
            break;
        buf_add_span(&out, new);
        size = old.len;
        if (size == 0) {
            utf8_decode(rest.ptr, rest.len, &size);
            buf_append(&out, rest.ptr, size);
        }
        rest = skip(rest, size);
    }
    if (old.len == 0)
        buf_add_span(&out, new);
    return value_take_buf(r, &out, result);
}

static int call_trim(ARGS)
{
    struct span text = args[0].text;
    size_t size;

    while (text.len > 0 && utf8_is_space(utf8_decode(text.ptr, text.len, &size)))
        text = skip(text, size);
    while (text.len > 0) {
        size_t last = text.len - 1;

        while (last > 0 && ((unsigned char)text.ptr[last] & 0xc0) == 0x80)
            last--;
        if (!utf8_is_space(utf8_decode(text.ptr + last, text.len - last, &size)))
            break;
        text.len = last;
    }
    return give_text(result, text);
}

static bool is_char_in(struct span set, struct span text, size_t at, size_t *size)
{
    size_t set_size;
    uint32_t c = utf8_decode(text.ptr + at, text.len - at, size);

    for (size_t i = 0; i < set.len; i += set_size)
        if (utf8_decode(set.ptr + i, set.len - i, &set_size) == c)
            return true;
    return false;
}

static int call_trim_all(ARGS)
{
    struct span set = args[0].text, text = args[1].text;
    size_t size;

    while (text.len > 0 && is_char_in(set, text, 0, &size))
        text = skip(text, size);
    while (text.len > 0) {
        size_t last = text.len - 1;

        while (last > 0 && ((unsigned char)text.ptr[last] & 0xc0) == 0x80)
            last--;
        if (!is_char_in(set, text, last, &size))
            break;
        text.len = last;
    }
    return give_text(result, text);
}

static int call_trim_prefix(ARGS)
{
    struct span text = args[1].text;

    return give_text(result, begins_with(text, args[0].text) ? skip(text, args[0].text.len) : text);
}

static int call_trim_suffix(ARGS)
{
    struct span text = args[1].text;

    if (ends_with(text, args[0].text))
        text.len -= args[0].text.len;
    return give_text(result, text);
}

static int call_repeat(ARGS)
{
    struct span text = args[1].text;
    size_t total;

    if (args[0].i < 0)
        return render_fail(r, "repeat cannot do something %lld times", (long long)args[0].i);
    if (__builtin_mul_overflow((size_t)args[0].i, text.len, &total) || total > TEMPLATE_MAX_OUTPUT)
        return render_fail(r, "repeat would make more than %d bytes", TEMPLATE_MAX_OUTPUT);
    char *copy = render_alloc(r, total);
    if (copy == NULL)
        return -1;
    for (size_t at = 0; at < total; at += text.len)
        memcpy(copy + at, text.ptr, text.len);
    return give_text(result, (struct span){copy, total});
}

static int call_substr(ARGS)
{
    struct span text = args[2].text;
    int64_t start = args[0].i < 0 ? 0 : args[0].i;
    int64_t end = args[1].i;
    int64_t len = (int64_t)text.len;

    if (args[0].i >= 0 && (end < 0 || end > len))
        end = len;
    if (start > end || end < 0 || end > len)
        return render_fail(r, "substr from %lld to %lld of a text of %lld bytes",
                           (long long)args[0].i, (long long)args[1].i, (long long)len);
    return give_text(result, (struct span){text.ptr + start, (size_t)(end - start)});
}

static int call_trunc(ARGS)
{
    struct span text = args[1].text;
    int64_t wanted = args[0].i;

    if (wanted >= 0 && (uint64_t)wanted < text.len)
        text.len = (size_t)wanted;
    else if (wanted < 0 && wanted > -(int64_t)text.len)
        text = skip(text, (size_t)((int64_t)text.len + wanted));
    return give_text(result, text);
}

static int call_nospace(ARGS)
{
    struct span text = args[0].text;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    size_t size;

    for (size_t at = 0; at < text.len; at += size)
        if (!utf8_is_space(utf8_decode(text.ptr + at, text.len - at, &size)))
            buf_append(&out, text.ptr + at, size);
    return value_take_buf(r, &out, result);
}

static int call_initials(ARGS)
{
    struct span text = args[0].text;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    bool first = true;
    size_t size;

    for (size_t at = 0; at < text.len; at += size) {
        bool is_space = utf8_is_space(utf8_decode(text.ptr + at, text.len - at, &size));
        if (first && !is_space)
            buf_append(&out, text.ptr + at, size);
        first = is_space;
    }
    return value_take_buf(r, &out, result);
}

/* Regular expressions. */

/* Appends what REPLACEMENT means for a match: $1, ${1}, $name, ${name}, $$. */
static void expand(const struct regex *regex, struct span text, const struct regex_range *groups,
                   size_t group_count, struct span replacement, struct buf *out)
{
    for (size_t i = 0; i < replacement.len; i++) {
        struct span name = skip(replacement, i + 1);
        bool braces = span_starts_with(name, "{");
        uint64_t number;
        size_t len = 0;

        if (replacement.ptr[i] != '$') {
            buf_add_char(out, replacement.ptr[i]);
            continue;
        }
        if (span_starts_with(name, "$")) {
            buf_add_char(out, '$');
            i++;
            continue;
        }
        if (braces)
            name = skip(name, 1);
        while (len < name.len && (isalnum((unsigned char)name.ptr[len]) || name.ptr[len] == '_'))
            len++;
        bool closed = !braces || (len < name.len && name.ptr[len] == '}');
        name.len = len;
        if (len == 0 || !closed) {
            buf_add_char(out, '$');
            continue;
        }
        i += len + (braces ? 2 : 0);
        CLEANUP(str) char *key = span_dup(name);
        bool known = span_u64(name, &number);
        if (!known) {
            number = regex_group_number(regex, key);
            known = number > 0;
        }
        if (known && number < group_count && groups[number].start != REGEX_UNSET)
            buf_append(out, text.ptr + groups[number].start,
                       groups[number].end - groups[number].start);
    }
}

enum { WORK_PER_STEP = 256, COMPILE_STEPS = 1000 };

static int replace_all(struct render *r, const struct regex *regex, struct span text,
                       struct span replacement, struct buf *out, struct error **err)
{
    struct regex_range groups[REGEX_MAX_GROUPS + 1];
    size_t group_count = regex_groups(regex) + 1, at = 0, copied = 0, size;
    bool found;

    while (at <= text.len && !out->full) {
        if (render_spend(r, regex_work(regex, text.len - at) / WORK_PER_STEP) == -1 ||
            regex_search(regex, text, at, &found, groups, group_count, err) == -1)
            return -1;
        if (!found)
            break;
        buf_append(out, text.ptr + copied, groups[0].start - copied);
        if (groups[0].end > copied || groups[0].start == 0 || groups[0].start > copied)
            expand(regex, text, groups, group_count, replacement, out);
        copied = groups[0].end;
        at = groups[0].end;
        if (groups[0].end == groups[0].start) { /* an empty match: go on behind a character */
            size = 1;
            if (at < text.len)
                utf8_decode(text.ptr + at, text.len - at, &size);
            at += size;
        }
    }
    buf_append(out, text.ptr + copied, text.len - copied);
    return 0;
}

static int call_regex_replace(ARGS)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *own = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    const struct regex *regex = command->regex;
    struct span text = args[1].text;

    if (!utf8_is_valid(text.ptr, text.len))
        return render_fail(r, "the text to search is not valid UTF-8");
    if (regex == NULL) {
        if (render_spend(r, COMPILE_STEPS) == -1)
            return -1;
        if (regex_compile(args[0].text, &own, &err) == -1) {
            CLEANUP(str) char *why = error_format(err);
            return render_fail(r, "%s", why);
        }
        regex = own;
    }
    if (replace_all(r, regex, text, args[2].text, &out, &err) == -1) {
        if (err == NULL) /* it has been told */
            return -1;
        CLEANUP(str) char *why = error_format(err);
        return render_fail(r, "%s", why);
    }
    return value_take_buf(r, &out, result);
}

/* Numbers. */

/* What Go's cast library makes of any value: text that is no whole number counts 0. */
static int64_t to_int64(const struct value *value)
{
    char text[40];
    char *end;

    switch (value->kind) {
    case VALUE_BOOL:
        return value->b;
    case VALUE_INT:
        return value->i;
    case VALUE_FLOAT:
        return fabs(value->f) < 9.2e18 ? (int64_t)value->f : INT64_MIN;
    case VALUE_TEXT:
        break;
    case VALUE_NONE:
    case VALUE_NIL:
    case VALUE_LIST:
    case VALUE_MAP:
        return 0;
    }
    if (value->text.len == 0 || value->text.len >= sizeof(text))
        return 0;
    memcpy(text, value->text.ptr, value->text.len);
    text[value->text.len] = '\0';
    char *point = strchr(text, '.');
    if (point != NULL && strspn(point + 1, "0") == strlen(point + 1) && point[1] != '\0')
        *point = '\0'; /* "2.00" is 2 */
    errno = 0;
    int64_t number = strtoll(text, &end, 0);
    return *end == '\0' && errno == 0 && !isspace((unsigned char)text[0]) ? number : 0;
}

static double to_float(const struct value *value)
{
    char text[64];
    char *end;

    if (value->kind == VALUE_FLOAT)
        return value->f;
    if (value->kind != VALUE_TEXT)
        return (double)to_int64(value);
    if (value->text.len == 0 || value->text.len >= sizeof(text))
        return 0;
    memcpy(text, value->text.ptr, value->text.len);
    text[value->text.len] = '\0';
    double number = strtod(text, &end);
    return *end == '\0' ? number : 0;
}

/* Go's integers wrap around. */
static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int call_add(ARGS)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum = wrap_add(sum, to_int64(&args[i]));
    return give_int64(result, sum);
}

static int call_add1(ARGS)
{
    return give_int64(result, wrap_add(to_int64(&args[0]), 1));
}

static int call_sub(ARGS)
{
    return give_int64(result,
                      (int64_t)((uint64_t)to_int64(&args[0]) - (uint64_t)to_int64(&args[1])));
}

static int call_mul(ARGS)
{
    uint64_t product = 1;

    for (size_t i = 0; i < count; i++)
        product *= (uint64_t)to_int64(&args[i]);
    return give_int64(result, (int64_t)product);
}

static int divide(struct render *r, struct value *args, bool rest, struct value *result)
{
    int64_t a = to_int64(&args[0]), b = to_int64(&args[1]);

    if (b == 0)
        return render_fail(r, "division by zero");
    if (b == -1) /* the one case that does not fit */
        return give_int64(result, rest ? 0 : (int64_t)(0 - (uint64_t)a));
    return give_int64(result, rest ? a % b : a / b);
}

static int call_div(ARGS)
{
    return divide(r, args, false, result);
}

static int call_mod(ARGS)
{
    return divide(r, args, true, result);
}

static int call_max(ARGS)
{
    int64_t most = to_int64(&args[0]);

    for (size_t i = 1; i < count; i++)
        if (to_int64(&args[i]) > most)
            most = to_int64(&args[i]);
    return give_int64(result, most);
}

static int call_min(ARGS)
{
    int64_t least = to_int64(&args[0]);

    for (size_t i = 1; i < count; i++)
        if (to_int64(&args[i]) < least)
            least = to_int64(&args[i]);
    return give_int64(result, least);
}

static int call_floor(ARGS)
{
    return give_float(result, floor(to_float(&args[0])));
}

static int call_ceil(ARGS)
{
    return give_float(result, ceil(to_float(&args[0])));
}

static int call_round(ARGS)
{
    double up_from = count > 2 ? args[2].f : 0.5;
    double scale = pow(10, (double)args[1].i);
    double scaled = scale * to_float(&args[0]), whole;

    return give_float(result,
                      (modf(scaled, &whole) >= up_from ? ceil(scaled) : floor(scaled)) / scale);
}

/* clang-format off */
static const struct function functions[] = {
    {"lower", "s", call_lower},
    {"trunc", "is", call_trunc},
    {"replace", "sss", call_replace},
    {"add", "a*", call_add},
    {"add1", "a", call_add1},
    {"ceil", "a", call_ceil},
    {"contains", "ss", call_contains},
    {"div", "aa", call_div},
    {"floor", "a", call_floor},
    {"hasPrefix", "ss", call_has_prefix},
    {"hasSuffix", "ss", call_has_suffix},
    {"initials", "s", call_initials},
    {"max", "aa*", call_max},
    {"min", "aa*", call_min},
    {"mod", "aa", call_mod},
    {"mul", "aa*", call_mul},
    {"mustRegexReplaceAll", "sss", call_regex_replace},
    {"nospace", "s", call_nospace},
    {"repeat", "is", call_repeat},
    {"round", "aif*", call_round},
    {"sub", "aa", call_sub},
    {"substr", "iis", call_substr},
    {"title", "s", call_title},
    {"trim", "s", call_trim},
    {"trimAll", "ss", call_trim_all},
    {"trimPrefix", "ss", call_trim_prefix},
    {"trimSuffix", "ss", call_trim_suffix},
    {"untitle", "s", call_untitle},
    {"upper", "s", call_upper},
};
/* clang-format on */

const struct function *template_function_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        if (span_eq_str(name, functions[i].name))
            return &functions[i];
    return template_builtin_find(name);
}
