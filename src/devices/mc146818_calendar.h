/* devices/mc146818_calendar.h: dates as an RTC counts them.
 *
 * The Gregorian calendar, proleptic, on seconds since 1970-01-01 00:00:00. Pure
 * functions. */
#ifndef DEVICES_MC146818_CALENDAR_H
#define DEVICES_MC146818_CALENDAR_H

#include "base/types.h"

struct calendar_time {
    int year;                 /* e.g. 2024 */
    int month;                /* 1-12 */
    int day;                  /* 1-31 */
    int hour, minute, second; /* 0-23, 0-59, 0-59 */
    int weekday;              /* 1-7, 1 is Sunday */
};

struct calendar_time calendar_from_seconds(int64_t seconds);

/* Members out of their range carry into the next; `weekday` is not looked at. */
int64_t calendar_to_seconds(const struct calendar_time *time);

#endif
