/* tests/devices/bench.h: what a device under test is plugged into: ports, a clock that
 * the test moves, and lines whose levels and edges it can look at. */
#ifndef TESTS_DEVICES_BENCH_H
#define TESTS_DEVICES_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "bus/device.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "clock/clock.h"

enum { BENCH_LINES = 16 };

struct bench {
    struct log log;
    struct clock clock;
    struct port_space ports;
    bool levels[BENCH_LINES];
    unsigned rises[BENCH_LINES];
    uint64_t rise_ns[BENCH_LINES]; /* of the last one */
};

static inline struct bench *bench_create(int64_t epoch_s)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    clock_init(&bench->clock, CLOCK_KIND_MANUAL, epoch_s);
    return bench;
}

static inline void bench_sink(void *opaque, unsigned number, bool level)
{
    struct bench *bench = opaque;
    bench->levels[number] = level;
    bench->rises[number] += level;
    if (level) {
        bench->rise_ns[number] = clock_now_ns(&bench->clock);
    }
}

static inline struct irq_line bench_line(struct bench *bench, unsigned number)
{
    return irq_line_to(bench_sink, bench, number);
}

static inline uint8_t in8(struct bench *bench, uint16_t port)
{
    return (uint8_t)port_read(&bench->ports, port, 1);
}

static inline void out8(struct bench *bench, uint16_t port, uint8_t value)
{
    port_write(&bench->ports, port, value, 1);
}

static inline void step_ns(struct bench *bench, uint64_t ns)
{
    clock_step_ns(&bench->clock, ns);
}

/* Resets as the machine does. */
static inline void bench_reset(void *opaque)
{
    struct device *device = opaque;
    if (device->class->reset) {
        device->class->reset(device);
    }
    if (device->class->reset_lines) {
        device->class->reset_lines(device);
    }
}

/* Saves one device and loads the other, of the same class, from that. */
static inline void bench_copy_state(void *from, void *to)
{
    struct state_buffer buffer = {0};
    struct error error;
    device_save(from, &buffer);
    assert_true(device_load(to, &buffer, &error));
    assert_int_equal(buffer.position, buffer.length);
    state_buffer_free(&buffer);
}

#endif
