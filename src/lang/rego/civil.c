#include "lang/rego/civil.h"

const char *const civil_day_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
const char *const civil_month_names[12] = {"January",   "February", "March",    "April",
                                           "May",       "June",     "July",     "August",
                                           "September", "October",  "November", "December"};

int64_t civil_days(int64_t year, int64_t month, int64_t day)
{
    year += (month - 1) / 12;
    month = (month - 1) % 12;
    if (month < 0) {
        month += 12;
        year--;
    }
    month++;
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468 + day - 1;
}

struct civil civil_from_ns(int64_t ns)
{
    int64_t seconds = ns / CIVIL_NS_PER_SECOND;
    int64_t nano = ns % CIVIL_NS_PER_SECOND;
    if (nano < 0) {
        nano += CIVIL_NS_PER_SECOND;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){.year = yoe + era * 400 + (month <= 2),
                          .month = month,
                          .day = (int)(doy - (153 * mp + 2) / 5 + 1),
                          .hour = (int)(rest / 3600),
                          .minute = (int)(rest / 60 % 60),
                          .second = (int)(rest % 60),
                          .nano = (int)nano};
}

bool civil_to_ns(const struct civil *c, int64_t *ns)
{
    int64_t seconds = civil_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 +
                      c->minute * 60 + c->second - c->offset;
    __int128 exact = (__int128)seconds * CIVIL_NS_PER_SECOND + c->nano;
    *ns = (int64_t)exact;
    return exact == *ns;
}

int civil_weekday(const struct civil *c)
{
    int64_t day = (civil_days(c->year, c->month, c->day) + 4) % 7;
    return (int)(day < 0 ? day + 7 : day);
}
