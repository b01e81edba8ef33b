/* Times are nanoseconds since 1970.  Zones: UTC alone; named zones are an error. */
#include "lang/rego/builtins_time.h"

#include "lang/rego/builtins_table.h"
#include "lang/rego/civil.h"
#include "lang/rego/number.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

bool builtin_take_time(struct builtin_call *call, const struct rval *v, int n, int64_t *ns,
                       const struct rval **layout)
{
    const struct rval *number = v;
    if (v->type == RVAL_ARRAY) {
        if (v->len < 1 || v->len > 3) {
            builtin_type_fail(call, "operand %d must be a number or [number, zone]", n);
            return false;
        }
        number = v->items[0];
        const struct rval *zone = v->len > 1 ? v->items[1] : &rval_empty_string;
        if (zone->type != RVAL_STRING) {
            builtin_type_fail(call, "operand %d must hold a string as time zone", n);
            return false;
        }
        if (zone->len > 0 && !rval_str_is(zone, "UTC") && !rval_str_is(zone, "Local")) {
            builtin_fail(call, "unknown time zone %.60s", zone->string);
            return false;
        }
        if (layout != NULL && v->len == 3)
            *layout = v->items[2];
    }
    if (number->type != RVAL_NUMBER) {
        builtin_operand_fail(call, n, "number", number);
        return false;
    }
    if (!rnum_int64(number, ns)) {
        builtin_fail(call, "timestamp too big");
        return false;
    }
    return true;
}

static const struct rval *three(struct builtin_call *call, int64_t a, int64_t b, int64_t c)
{
    struct rval_list list = {0};
    rval_list_push(call->arena, &list, rval_int(call->arena, a));
    rval_list_push(call->arena, &list, rval_int(call->arena, b));
    rval_list_push(call->arena, &list, rval_int(call->arena, c));
    return rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(time_now_ns_value)
{
    return rval_int(call->arena, call->now_ns);
}

BUILTIN(time_clock)
{
    int64_t ns;
    if (!builtin_take_time(call, args[0], 1, &ns, NULL))
        return NULL;
    struct civil c = civil_from_ns(ns);
    return three(call, c.hour, c.minute, c.second);
}

BUILTIN(time_date)
{
    int64_t ns;
    if (!builtin_take_time(call, args[0], 1, &ns, NULL))
        return NULL;
    struct civil c = civil_from_ns(ns);
    return three(call, c.year, c.month, c.day);
}

BUILTIN(time_weekday)
{
    int64_t ns;
    if (!builtin_take_time(call, args[0], 1, &ns, NULL))
        return NULL;
    struct civil c = civil_from_ns(ns);
    return rval_text(call->arena, civil_day_names[civil_weekday(&c)]);
}

BUILTIN(time_add_date)
{
    int64_t ns, years, months, days, result;
    if (!builtin_take_time(call, args[0], 1, &ns, NULL) || !builtin_int(call, 2, args[1], &years) ||
        !builtin_int(call, 3, args[2], &months) || !builtin_int(call, 4, args[3], &days))
        return NULL;
    struct civil c = civil_from_ns(ns);
    enum { FAR = 1000000000 };
    if (llabs(years) > FAR || llabs(months) > FAR || llabs(days) > FAR)
        return builtin_fail(call, "time outside of valid range");
    int64_t seconds = (civil_days(c.year + years, c.month + months, c.day) + days) * 86400 +
                      c.hour * 3600 + c.minute * 60 + c.second;
    if (__builtin_mul_overflow(seconds, (int64_t)CIVIL_NS_PER_SECOND, &result) ||
        __builtin_add_overflow(result, (int64_t)c.nano, &result))
        return builtin_fail(call, "time outside of valid range");
    return rval_int(call->arena, result);
}

BUILTIN(time_diff)
{
    int64_t x, y;
    if (!builtin_take_time(call, args[0], 1, &x, NULL) ||
        !builtin_take_time(call, args[1], 2, &y, NULL))
        return NULL;
    struct civil a = civil_from_ns(x < y ? x : y), b = civil_from_ns(x < y ? y : x);
    int64_t parts[6] = {b.year - a.year, b.month - a.month,   b.day - a.day,
                        b.hour - a.hour, b.minute - a.minute, b.second - a.second};
    if (parts[5] < 0) {
        parts[5] += 60;
        parts[4]--;
    }
    if (parts[4] < 0) {
        parts[4] += 60;
        parts[3]--;
    }
    if (parts[3] < 0) {
        parts[3] += 24;
        parts[2]--;
    }
    if (parts[2] < 0) {
        parts[2] += civil_days(a.year, a.month + 1, 1) - civil_days(a.year, a.month, 1);
        parts[1]--;
    }
    if (parts[1] < 0) {
        parts[1] += 12;
        parts[0]--;
    }
    struct rval_list list = {0};
    for (int i = 0; i < 6; i++)
        rval_list_push(call->arena, &list, rval_int(call->arena, parts[i]));
    return rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(time_parse_duration_ns)
{
    static const struct {
        const char *name;
        long double ns;
    } units[] = {{"ns", 1},    {"us", 1e3L}, {"\xc2\xb5s", 1e3L}, {"\xce\xbcs", 1e3L},
                 {"ms", 1e6L}, {"s", 1e9L},  {"m", 60e9L},        {"h", 3600e9L}};
    struct span text = {args[0]->string, args[0]->len};
    long double total = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        text.ptr++;
        text.len--;
    }
    if (text.len == 1 && text.ptr[0] == '0')
        return rval_int(call->arena, 0);
    if (text.len == 0)
        return builtin_fail(call, "time: invalid duration \"%.60s\"", args[0]->string);
    while (text.len > 0) {
        char number[64];
        size_t n = 0, unit = 0;
        while (n < text.len && (isdigit((unsigned char)text.ptr[n]) || text.ptr[n] == '.'))
            n++;
        while (n + unit < text.len && !isdigit((unsigned char)text.ptr[n + unit]) &&
               text.ptr[n + unit] != '.')
            unit++;
        if (n == 0 || n >= sizeof(number) || strspn(text.ptr, ".") >= n)
            return builtin_fail(call, "time: invalid duration \"%.60s\"", args[0]->string);
        if (unit == 0)
            return builtin_fail(call, "time: missing unit in duration \"%.60s\"", args[0]->string);
        memcpy(number, text.ptr, n);
        number[n] = '\0';
        size_t i = 0, count = sizeof(units) / sizeof(units[0]);
        while (i < count &&
               !(strlen(units[i].name) == unit && memcmp(units[i].name, text.ptr + n, unit) == 0))
            i++;
        if (i == count)
            return builtin_fail(call, "time: unknown unit \"%.*s\" in duration \"%.60s\"",
                                (int)(unit < 20 ? unit : 20), text.ptr + n, args[0]->string);
        total += strtold(number, NULL) * units[i].ns;
        text.ptr += n + unit;
        text.len -= n + unit;
    }
    if (total >= 0x1p63L)
        return builtin_fail(call, "time: invalid duration \"%.60s\"", args[0]->string);
    return rval_int(call->arena, negative ? -(int64_t)total : (int64_t)total);
}
