#include "devices/mc146818_calendar.h"

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years */
    YEARS_PER_ERA = 400,
    EPOCH_DAYS = 719468, /* from 0000-03-01 to 1970-01-01 */
    EPOCH_WEEKDAY = 4,   /* a Thursday, counting Sunday as 0 */
};

static int64_t floor_divide(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;
    return value % divisor < 0 ? quotient - 1 : quotient;
}

/* Years are counted from March here, so that the leap day is the last one. */
static int64_t days_before_month(int64_t month_from_march)
{
    return (153 * month_from_march + 2) / 5;
}

static int64_t days_before_year(int64_t year)
{
    return 365 * year + floor_divide(year, 4) - floor_divide(year, 100) +
           floor_divide(year, 400);
}

int64_t calendar_to_seconds(const struct calendar_time *time)
{
    int64_t months = (int64_t)time->year * 12 + time->month - 3; /* since 0000-03 */
    int64_t year = floor_divide(months, 12);
    int64_t days = days_before_year(year) + days_before_month(months - year * 12) +
                   time->day - 1 - EPOCH_DAYS;
    return ((days * 24 + time->hour) * 60 + time->minute) * 60 + time->second;
}

struct calendar_time calendar_from_seconds(int64_t seconds)
{
    int64_t epoch_days = floor_divide(seconds, SECONDS_PER_DAY);
    int second_of_day = (int)(seconds - epoch_days * SECONDS_PER_DAY);
    int64_t days = epoch_days + EPOCH_DAYS;
    /* A guess that is right or one too large, then one that is right. */
    int64_t year = floor_divide(days * YEARS_PER_ERA, DAYS_PER_ERA) + 1;
    while (days_before_year(year) > days) {
        year--;
    }
    int64_t day_of_year = days - days_before_year(year);
    int64_t month = (5 * day_of_year + 2) / 153;
    return (struct calendar_time){
        .year = (int)(month < 10 ? year : year + 1),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - days_before_month(month)) + 1,
        .hour = second_of_day / 3600,
        .minute = second_of_day / 60 % 60,
        .second = second_of_day % 60,
        .weekday = (int)(epoch_days + EPOCH_WEEKDAY -
                         7 * floor_divide(epoch_days + EPOCH_WEEKDAY, 7)) +
                   1,
    };
}
