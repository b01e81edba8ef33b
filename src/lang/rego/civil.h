/* The proleptic Gregorian calendar, for times in nanoseconds since 1970.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CIVIL_NS_PER_SECOND = 1000000000 };

struct civil {
    int64_t year;
    int month, day, hour, minute, second, nano;
    int offset; /* seconds east of UTC */
};

/* Days since 1970 of a date; months may be out of 1 to 12. */
int64_t civil_days(int64_t year, int64_t month, int64_t day);

/* In UTC. */
struct civil civil_from_ns(int64_t ns);
/* False if it does not fit. */
bool civil_to_ns(const struct civil *c, int64_t *ns);

/* 0 is Sunday. */
int civil_weekday(const struct civil *c);
extern const char *const civil_day_names[7], *const civil_month_names[12];
