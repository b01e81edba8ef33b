#include "base/time.h"

#include "base/error.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static _Atomic bool is_fake;
static _Atomic int64_t fake_unix_ms;

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t time_now_ms(void)
{
    return is_fake ? fake_unix_ms : clock_us(CLOCK_REALTIME) / 1000;
}

int64_t time_mono_us(void)
{
    return is_fake ? fake_unix_ms * 1000 : clock_us(CLOCK_MONOTONIC);
}

int64_t time_mono_ms(void)
{
    return time_mono_us() / 1000;
}

void time_set_fake(int64_t unix_ms)
{
    fake_unix_ms = unix_ms;
    is_fake = true;
}

void time_advance_fake(int64_t ms)
{
    fake_unix_ms += ms;
}

void time_clear_fake(void)
{
    is_fake = false;
}

static void split(int64_t unix_ms, struct tm *tm, int *ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);

    *ms = (int)(unix_ms % 1000);
    if (*ms < 0) {
        *ms += 1000;
        seconds--;
    }
    gmtime_r(&seconds, tm);
}

char *time_format(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    struct tm tm;
    int ms;

    split(unix_ms, &tm, &ms);
    strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return text;
}

char *time_format_micro(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    struct tm tm;
    int ms;

    split(unix_ms, &tm, &ms);
    size_t len = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, TIME_TEXT_SIZE - len, ".%03d000Z", ms);
    return text;
}

/* Reads COUNT digits at *P and moves it on; -1 if they are not digits. */
static int digits(const char **p, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        value = value * 10 + (**p - '0');
    }
    return value;
}

static int bad_time(const char *text, struct error **err)
{
    return error_set(err, ERROR_INVALID, "\"%.64s\" is not a time like 2026-01-31T12:00:00Z", text);
}

/* Reads "+hh:mm", "-hh:mm" or "Z"; false if there is none at the end of the text. */
static bool offset_minutes(const char *p, int *minutes)
{
    if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0) {
        *minutes = 0;
        return true;
    }
    if (*p != '+' && *p != '-')
        return false;

    int sign = *p++ == '-' ? -1 : 1;
    int hours = digits(&p, 2);

    if (hours < 0 || hours > 23 || *p++ != ':')
        return false;

    int rest = digits(&p, 2);

    if (rest < 0 || rest > 59 || *p != '\0')
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

int time_parse(const char *text, int64_t *unix_ms, struct error **err)
{
    static const char separators[] = {'-', '-', 'T', ':', ':', '\0'};
    static const int widths[] = {4, 2, 2, 2, 2, 2};
    static const int lowest[] = {0, 1, 1, 0, 0, 0};
    static const int highest[] = {9999, 12, 31, 23, 59, 60};
    int part[6];
    const char *p = text;

    for (int i = 0; i < 6; i++) {
        part[i] = digits(&p, widths[i]);
        if (part[i] < lowest[i] || part[i] > highest[i])
            return bad_time(text, err);
        if (separators[i] != '\0') {
            if (*p != separators[i] && !(separators[i] == 'T' && (*p == 't' || *p == ' ')))
                return bad_time(text, err);
            p++;
        }
    }

    int ms = 0;
    if (*p == '.') {
        int scale = 100;

        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
            ms += (*p - '0') * scale;
    }

    int minutes;
    if (!offset_minutes(p, &minutes))
        return bad_time(text, err);

    struct tm tm = {.tm_year = part[0] - 1900, .tm_mon = part[1] - 1, .tm_mday = part[2],
                    .tm_hour = part[3], .tm_min = part[4], .tm_sec = part[5]};
    int day = tm.tm_mday;
    int64_t seconds = timegm(&tm);
    if (tm.tm_mday != day && part[5] != 60) /* 30 February */
        return bad_time(text, err);
    *unix_ms = (seconds - minutes * 60) * 1000 + ms;
    return 0;
}

struct deadline deadline_after(int64_t ms)
{
    int64_t at;

    if (__builtin_add_overflow(time_mono_ms(), ms, &at))
        at = INT64_MAX;
    return (struct deadline){at};
}

bool deadline_is_over(struct deadline deadline)
{
    return deadline.at_ms != INT64_MAX && time_mono_ms() >= deadline.at_ms;
}

int deadline_left_ms(struct deadline deadline)
{
    if (deadline.at_ms == INT64_MAX)
        return INT_MAX;

    int64_t left = deadline.at_ms - time_mono_ms();

    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
