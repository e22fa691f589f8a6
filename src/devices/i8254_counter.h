/* devices/i8254_counter.h: one counter of an 8254, as a function of time.
 *
 * Time is a number of ticks of the counter's clock input. Nothing happens in between
 * calls: counts and outputs are computed from the tick at which the count was loaded.
 * Ticks given to the functions of one counter never go back. Source: Intel 82C54 data
 * sheet. Saved by: the 8254 (the structure holds no pointers). */
#ifndef DEVICES_I8254_COUNTER_H
#define DEVICES_I8254_COUNTER_H

#include "base/types.h"

/* Not at any tick. */
#define I8254_NEVER UINT64_MAX

enum { I8254_MAXIMUM_COUNT = 0x10000 };

struct i8254_counter {
    uint64_t start_tick;    /* when `count` was loaded; may lie one tick ahead */
    uint64_t reload_tick;   /* modes 2, 3: when `written` replaces `count` */
    uint64_t not_null_tick; /* from when on the last written count counts */
    uint64_t held_elapsed;  /* ticks counted since the start, while the gate is low */
    uint32_t count;         /* loaded last: 1 to 0x10000 (BCD: 10000) */
    uint32_t written;       /* the count register: likewise; 0: none since programmed */
    uint16_t held_value;    /* what is read before the first load */
    uint8_t control;        /* bits 5-0 of the control word */
    uint8_t mode;           /* 0-5 */
    bool gate;
    bool loaded;      /* a count has been loaded (or will be at the next tick) */
    bool held;        /* counting is suspended, by the gate or by half a count */
    bool start_level; /* mode 3: output of the half cycle begun at start_tick */
    bool idle_level;  /* output before start_tick */
};

/* A control word: `control` is its bits 5-0 (access, mode, BCD). */
void i8254_counter_program(struct i8254_counter *counter, uint8_t control,
                           uint64_t tick);

/* Mode 0: the first byte of two has been written, which stops the counter. */
void i8254_counter_suspend(struct i8254_counter *counter, uint64_t tick);

/* A whole count (0-0xffff as written) is there; it is loaded at the next tick, at the
 * next trigger, or at the end of the cycle, as the mode wants. */
void i8254_counter_write(struct i8254_counter *counter, uint16_t value, uint64_t tick);

void i8254_counter_set_gate(struct i8254_counter *counter, bool level, uint64_t tick);

/* The OUT pin. */
bool i8254_counter_output(struct i8254_counter *counter, uint64_t tick);

/* The counting element as it is read: binary or BCD. */
uint16_t i8254_counter_value(struct i8254_counter *counter, uint64_t tick);

/* The status bit NULL COUNT: what was written last is not counting yet. */
bool i8254_counter_null(const struct i8254_counter *counter, uint64_t tick);

/* First tick after `tick` at which OUT rises (or falls) if nobody touches the counter;
 * I8254_NEVER if it does not. */
uint64_t i8254_counter_next_rise(struct i8254_counter *counter, uint64_t tick);
uint64_t i8254_counter_next_fall(struct i8254_counter *counter, uint64_t tick);

#endif
