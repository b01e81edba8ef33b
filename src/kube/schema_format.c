#include "kube/schema_node.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_date_time(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    int64_t ms = 0;

    return time_parse(text, &ms, &err) == 0; /* why it is none does not matter here */
}

static bool is_date(const char *text)
{
    CLEANUP(str) char *whole = NULL;

    if (strlen(text) != 10)
        return false;
    whole = xasprintf("%sT00:00:00Z", text);
    return is_date_time(whole);
}

/* RFC 4648 with padding. */
static bool is_byte(const char *text)
{
    size_t len = strlen(text), padding = 0;

    if (len % 4 != 0)
        return false;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < len - padding; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    return true;
}

static bool is_ipv4(const char *text)
{
    unsigned char address[16];

    return inet_pton(AF_INET, text, address) == 1;
}

static bool is_ipv6(const char *text)
{
    unsigned char address[16];

    return inet_pton(AF_INET6, text, address) == 1;
}

static bool is_cidr(const char *text)
{
    const char *slash = strchr(text, '/');
    uint64_t bits = 0;

    if (slash == NULL || !span_u64(span_of(slash + 1), &bits))
        return false;

    CLEANUP(str) char *address = xstrndup(text, (size_t)(slash - text));

    return (is_ipv4(address) && bits <= 32) || (is_ipv6(address) && bits <= 128);
}

/* Hexadecimal digits, with SEP wherever the MODEL has a '-'. */
static bool is_hex_like(const char *text, const char *model, const char *seps)
{
    if (strlen(text) != strlen(model))
        return false;
    for (size_t i = 0; model[i] != '\0'; i++)
        if (model[i] == '-' ? strchr(seps, text[i]) == NULL : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static bool is_uuid(const char *text)
{
    return is_hex_like(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "-");
}

static bool is_mac(const char *text)
{
    return is_hex_like(text, "xx-xx-xx-xx-xx-xx", ":-");
}

/* Go's durations: "1h30m", "-1.5s", "0". */
static bool is_duration(const char *text)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "ms", "s", "m", "h"};

    if (*text == '+' || *text == '-')
        text++;
    if (strcmp(text, "0") == 0)
        return true;
    if (*text == '\0')
        return false;
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789."), unit = 0;

        if (digits == 0 || strcmp(text, ".") == 0)
            return false;
        text += digits;
        for (size_t i = 0; i < ARRAY_SIZE(units) && unit == 0; i++)
            if (str_starts_with(text, units[i]))
                unit = strlen(units[i]);
        if (unit == 0)
            return false;
        text += unit;
    }
    return true;
}

/* clang-format off */
static const struct {
    const char *name;
    bool (*accepts)(const char *text);
} formats[] = {
    {"date-time", is_date_time}, {"datetime", is_date_time}, {"date", is_date},
    {"byte", is_byte},           {"duration", is_duration},  {"ipv4", is_ipv4},
    {"ipv6", is_ipv6},           {"cidr", is_cidr},          {"mac", is_mac},
    {"uuid", is_uuid},
};
/* clang-format on */

bool schema_format_accepts(const char *format, const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (strcmp(format, formats[i].name) == 0)
            return formats[i].accepts(text);
    return true;
}
