/* Times as text: Go's layouts, written by example ("2006-01-02"), for formatting and reading. */
#include "lang/rego/builtins_table.h"
#include "lang/rego/builtins_time.h"
#include "lang/rego/civil.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* --- layouts ---------------------------------------------------------------------------------- */

enum piece {
    LITERAL,
    YEAR4,
    YEAR2,
    MONTH2,
    MONTH1,
    MONTH_SHORT,
    MONTH_LONG,
    DAY2,
    DAY1,
    DAY_BLANK,
    HOUR24,
    HOUR12_2,
    HOUR12_1,
    MINUTE2,
    MINUTE1,
    SECOND2,
    SECOND1,
    AMPM,
    AMPM_SMALL,
    WEEKDAY_SHORT,
    WEEKDAY_LONG,
    ZONE_NAME,
    ZONE_HHMM,
    ZONE_COLON,
    ZONE_HH,
    ZONE_Z_HHMM,
    ZONE_Z_COLON,
    FRACTION,
    FRACTION_TRIM,
    YEARDAY3,
};

/* Longest first where one is the start of another. */
static const struct {
    const char *text;
    enum piece piece;
} pieces[] = {
    {"2006", YEAR4},
    {"January", MONTH_LONG},
    {"Jan", MONTH_SHORT},
    {"Monday", WEEKDAY_LONG},
    {"Mon", WEEKDAY_SHORT},
    {"MST", ZONE_NAME},
    {"Z07:00", ZONE_Z_COLON},
    {"Z0700", ZONE_Z_HHMM},
    {"-07:00", ZONE_COLON},
    {"-0700", ZONE_HHMM},
    {"-07", ZONE_HH},
    {"002", YEARDAY3},
    {"01", MONTH2},
    {"02", DAY2},
    {"03", HOUR12_2},
    {"04", MINUTE2},
    {"05", SECOND2},
    {"06", YEAR2},
    {"15", HOUR24},
    {"_2", DAY_BLANK},
    {"PM", AMPM},
    {"pm", AMPM_SMALL},
    {"1", MONTH1},
    {"2", DAY1},
    {"3", HOUR12_1},
    {"4", MINUTE1},
    {"5", SECOND1},
};

/* The piece at the start of LAYOUT; *LEN is its length (1 for a literal character). */
static enum piece next_piece(struct span layout, size_t *len)
{
    char c = layout.ptr[0];
    if ((c == '.' || c == ',') && layout.len > 1 &&
        (layout.ptr[1] == '0' || layout.ptr[1] == '9')) {
        size_t n = 1;
        while (n < layout.len && layout.ptr[n] == layout.ptr[1])
            n++;
        if (n >= layout.len || !isdigit((unsigned char)layout.ptr[n])) {
            *len = n;
            return layout.ptr[1] == '0' ? FRACTION : FRACTION_TRIM;
        }
    }
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t n = strlen(pieces[i].text);
        if (n <= layout.len && memcmp(pieces[i].text, layout.ptr, n) == 0) {
            *len = n;
            return pieces[i].piece;
        }
    }
    *len = 1;
    return LITERAL;
}

static struct span layout_of(const struct rval *v)
{
    static const struct {
        const char *name, *layout;
    } known[] = {
        {"ANSIC", "Mon Jan _2 15:04:05 2006"},
        {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
        {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"},
        {"RFC822", "02 Jan 06 15:04 MST"},
        {"RFC822Z", "02 Jan 06 15:04 -0700"},
        {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
        {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
        {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
        {"RFC3339", "2006-01-02T15:04:05Z07:00"},
        {"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (rval_str_is(v, known[i].name))
            return span_of(known[i].layout);
    return (struct span){v->string, v->len};
}

static void add_zone(struct buf *out, enum piece piece, int offset)
{
    int minutes = abs(offset) / 60;
    if (piece == ZONE_NAME)
        buf_add(out, "UTC");
    else if ((piece == ZONE_Z_HHMM || piece == ZONE_Z_COLON) && offset == 0)
        buf_add_char(out, 'Z');
    else if (piece == ZONE_HH)
        buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', minutes / 60);
    else
        buf_printf(out, piece == ZONE_COLON || piece == ZONE_Z_COLON ? "%c%02d:%02d" : "%c%02d%02d",
                   offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static void add_fraction(struct buf *out, struct span text, int nano, bool trim)
{
    char digits[16];
    size_t count = text.len - 1 > 9 ? 9 : text.len - 1;
    snprintf(digits, sizeof(digits), "%09d", nano);
    digits[count] = '\0';
    while (trim && count > 0 && digits[count - 1] == '0')
        digits[--count] = '\0';
    if (count > 0) {
        buf_add_char(out, text.ptr[0]);
        buf_add(out, digits);
    }
}

static void add_piece(struct buf *out, enum piece piece, struct span text, const struct civil *c)
{
    int hour12 = c->hour % 12 == 0 ? 12 : c->hour % 12;
    switch (piece) {
    case LITERAL:
        buf_add_span(out, text);
        break;
    case YEAR4:
        buf_printf(out, "%04lld", (long long)c->year);
        break;
    case YEAR2:
        buf_printf(out, "%02d", (int)(c->year % 100));
        break;
    case MONTH2:
        buf_printf(out, "%02d", c->month);
        break;
    case MONTH1:
        buf_printf(out, "%d", c->month);
        break;
    case MONTH_SHORT:
        buf_printf(out, "%.3s", civil_month_names[c->month - 1]);
        break;
    case MONTH_LONG:
        buf_add(out, civil_month_names[c->month - 1]);
        break;
    case DAY2:
        buf_printf(out, "%02d", c->day);
        break;
    case DAY1:
        buf_printf(out, "%d", c->day);
        break;
    case DAY_BLANK:
        buf_printf(out, "%2d", c->day);
        break;
    case HOUR24:
        buf_printf(out, "%02d", c->hour);
        break;
    case HOUR12_2:
        buf_printf(out, "%02d", hour12);
        break;
    case HOUR12_1:
        buf_printf(out, "%d", hour12);
        break;
    case MINUTE2:
        buf_printf(out, "%02d", c->minute);
        break;
    case MINUTE1:
        buf_printf(out, "%d", c->minute);
        break;
    case SECOND2:
        buf_printf(out, "%02d", c->second);
        break;
    case SECOND1:
        buf_printf(out, "%d", c->second);
        break;
    case AMPM:
        buf_add(out, c->hour < 12 ? "AM" : "PM");
        break;
    case AMPM_SMALL:
        buf_add(out, c->hour < 12 ? "am" : "pm");
        break;
    case WEEKDAY_SHORT:
        buf_printf(out, "%.3s", civil_day_names[civil_weekday(c)]);
        break;
    case WEEKDAY_LONG:
        buf_add(out, civil_day_names[civil_weekday(c)]);
        break;
    case YEARDAY3:
        buf_printf(
            out, "%03lld",
            (long long)(civil_days(c->year, c->month, c->day) - civil_days(c->year, 1, 1) + 1));
        break;
    case FRACTION:
    case FRACTION_TRIM:
        add_fraction(out, text, c->nano, piece == FRACTION_TRIM);
        break;
    case ZONE_NAME:
    case ZONE_HHMM:
    case ZONE_COLON:
    case ZONE_HH:
    case ZONE_Z_HHMM:
    case ZONE_Z_COLON:
        add_zone(out, piece, c->offset);
        break;
    }
}

BUILTIN(time_format_value)
{
    CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024);
    const struct rval *layout_value = NULL;
    int64_t ns;
    if (!builtin_take_time(call, args[0], 1, &ns, &layout_value))
        return NULL;
    if (layout_value != NULL && layout_value->type != RVAL_STRING)
        return builtin_type_fail(call, "operand 1 must hold a string as layout");
    struct span layout = layout_value != NULL ? layout_of(layout_value)
                                              : SPAN("2006-01-02T15:04:05.999999999Z07:00");
    struct civil c = civil_from_ns(ns);
    while (layout.len > 0) {
        size_t len;
        enum piece piece = next_piece(layout, &len);
        add_piece(&out, piece, (struct span){layout.ptr, len}, &c);
        layout.ptr += len;
        layout.len -= len;
    }
    return rval_string(call->arena, out.ptr, out.len);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void drop(struct span *text, size_t len)
{
    text->ptr += len;
    text->len -= len;
}

/* Takes one character that is in SET. */
static bool take_one(struct span *text, const char *set)
{
    if (text->len == 0 || memchr(set, text->ptr[0], strlen(set)) == NULL)
        return false;
    drop(text, 1);
    return true;
}

static bool take_digits(struct span *text, size_t least, size_t most, int *value)
{
    size_t n = 0;
    *value = 0;
    while (n < most && n < text->len && isdigit((unsigned char)text->ptr[n]))
        *value = *value * 10 + (text->ptr[n++] - '0');
    drop(text, n);
    return n >= least;
}

static bool take_name(struct span *text, const char *const *names, int count, size_t cut,
                      int *value)
{
    for (int i = 0; i < count; i++) {
        size_t n = cut > 0 ? cut : strlen(names[i]);
        if (n <= text->len && strncasecmp(text->ptr, names[i], n) == 0) {
            drop(text, n);
            *value = i;
            return true;
        }
    }
    return false;
}

static bool take_zone(struct span *text, enum piece piece, int *offset)
{
    int hours = 0, minutes = 0;
    if (piece == ZONE_NAME) {
        size_t n = 0;
        while (n < text->len && isupper((unsigned char)text->ptr[n]))
            n++;
        drop(text, n);
        return n >= 3;
    }
    if ((piece == ZONE_Z_COLON || piece == ZONE_Z_HHMM) && take_one(text, "Z"))
        return true;
    int sign = text->len > 0 && text->ptr[0] == '-' ? -1 : 1;
    if (!take_one(text, "+-") || !take_digits(text, 2, 2, &hours))
        return false;
    if ((piece == ZONE_COLON || piece == ZONE_Z_COLON) && !take_one(text, ":"))
        return false;
    if (piece != ZONE_HH && !take_digits(text, 2, 2, &minutes))
        return false;
    *offset = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

/* ".123" behind the seconds, which a layout need not mention. */
static void take_fraction(struct span *text, int *nano)
{
    if (text->len < 2 || (text->ptr[0] != '.' && text->ptr[0] != ',') ||
        !isdigit((unsigned char)text->ptr[1]))
        return;
    int unit = CIVIL_NS_PER_SECOND / 10;
    *nano = 0;
    for (drop(text, 1); text->len > 0 && isdigit((unsigned char)text->ptr[0]); drop(text, 1)) {
        *nano += (text->ptr[0] - '0') * unit;
        unit /= 10;
    }
}

struct reading {
    struct civil c;
    bool pm, has_pm;
    int year_day; /* 0 if there was none */
};

static bool read_piece(struct span *text, enum piece piece, struct span literal, struct reading *r)
{
    int value = 0;
    bool ok = true;
    switch (piece) {
    case LITERAL:
        ok = text->len > 0 && text->ptr[0] == literal.ptr[0];
        if (ok)
            drop(text, 1);
        return ok;
    case YEAR4:
        ok = take_digits(text, 4, 4, &value);
        r->c.year = value;
        return ok;
    case YEAR2:
        ok = take_digits(text, 2, 2, &value);
        r->c.year = value >= 69 ? 1900 + value : 2000 + value;
        return ok;
    case MONTH2:
        return take_digits(text, 2, 2, &r->c.month);
    case MONTH1:
        return take_digits(text, 1, 2, &r->c.month);
    case MONTH_SHORT:
    case MONTH_LONG:
        ok = take_name(text, civil_month_names, 12, piece == MONTH_SHORT ? 3 : 0, &value);
        r->c.month = value + 1;
        return ok;
    case DAY_BLANK:
        take_one(text, " ");
        return take_digits(text, 1, 2, &r->c.day);
    case DAY2:
        return take_digits(text, 2, 2, &r->c.day);
    case DAY1:
        return take_digits(text, 1, 2, &r->c.day);
    case HOUR24:
    case HOUR12_2:
        return take_digits(text, 2, 2, &r->c.hour);
    case HOUR12_1:
        return take_digits(text, 1, 2, &r->c.hour);
    case MINUTE2:
        return take_digits(text, 2, 2, &r->c.minute);
    case MINUTE1:
        return take_digits(text, 1, 2, &r->c.minute);
    case SECOND2:
    case SECOND1:
        ok = take_digits(text, piece == SECOND2 ? 2 : 1, 2, &r->c.second);
        if (ok)
            take_fraction(text, &r->c.nano);
        return ok;
    case AMPM:
    case AMPM_SMALL:
        r->has_pm = true;
        r->pm = text->len > 0 && tolower((unsigned char)text->ptr[0]) == 'p';
        return take_one(text, "aApP") && take_one(text, "mM");
    case WEEKDAY_SHORT:
        return take_name(text, civil_day_names, 7, 3, &value);
    case WEEKDAY_LONG:
        return take_name(text, civil_day_names, 7, 0, &value);
    case YEARDAY3:
        return take_digits(text, 3, 3, &r->year_day) && r->year_day > 0;
    case FRACTION:
    case FRACTION_TRIM:
        take_fraction(text, &r->c.nano);
        return true;
    case ZONE_NAME:
    case ZONE_HHMM:
    case ZONE_COLON:
    case ZONE_HH:
    case ZONE_Z_HHMM:
    case ZONE_Z_COLON:
        return take_zone(text, piece, &r->c.offset);
    }
    return false;
}

static int64_t days_in_month(const struct civil *c)
{
    return civil_days(c->year, c->month + 1, 1) - civil_days(c->year, c->month, 1);
}

/* The day of the year as a month and its day. */
static void put_year_day(struct civil *c, int year_day)
{
    c->day = year_day;
    for (c->month = 1; c->month < 12 && c->day > days_in_month(c); c->month++)
        c->day -= (int)days_in_month(c);
}

static bool is_real(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c) &&
           c->hour < 24 && c->minute < 60 && c->second < 60;
}

static const struct rval *read_time(struct builtin_call *call, struct span layout, struct span text)
{
    struct reading r = {.c = {.year = 0, .month = 1, .day = 1}};
    struct span whole = text;
    bool ok = true;
    while (layout.len > 0 && ok) {
        size_t len;
        enum piece piece = next_piece(layout, &len);
        ok = read_piece(&text, piece, layout, &r);
        drop(&layout, len);
    }
    if (r.year_day > 0)
        put_year_day(&r.c, r.year_day);
    if (r.has_pm)
        r.c.hour = r.c.hour % 12 + (r.pm ? 12 : 0);
    if (!ok || text.len > 0 || !is_real(&r.c))
        return builtin_fail(call, "parsing time \"%.*s\": it does not have the layout",
                            (int)(whole.len < 80 ? whole.len : 80), whole.ptr);
    int64_t ns;
    if (!civil_to_ns(&r.c, &ns))
        return builtin_fail(call, "time outside of valid range");
    return rval_int(call->arena, ns);
}

BUILTIN(time_parse_ns)
{
    return read_time(call, layout_of(args[0]), (struct span){args[1]->string, args[1]->len});
}

BUILTIN(time_parse_rfc3339_ns)
{
    return read_time(call, SPAN("2006-01-02T15:04:05Z07:00"),
                     (struct span){args[0]->string, args[0]->len});
}
