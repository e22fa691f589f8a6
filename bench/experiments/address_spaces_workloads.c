/* Guests that switch between address spaces, and how long the switches take. */
#include "address_spaces.h"
#include <string.h>

enum { USER_US_MAXIMUM = 500000 }; /* of a measurement */

static void watch_start(void)
{
    world->since_ns = now_ns();
}

static void watch_stop(void)
{
    world->spent_ns += now_ns() - world->since_ns;
}

/* A sample is complete. False: it was the last. */
static bool take_sample(void)
{
    watch_stop();
    world->sample_us[world->samples++] = (double)world->spent_ns / 1e3;
    world->spent_ns = 0;
    return world->samples < world->wanted;
}

/* The turns of address spaces that take turns, from a switch on. The same code runs in
 * one process, or in each one its own space's turns. */
static void take_turns(void)
{
    const struct workload *workload = world->workload;
    bool more;
    do {
        touch_supervisor(workload->supervisor);
        touch(workload->touched);
        more = take_sample();
        if (more) {
            compute(workload->touched, workload->user_us);
            watch_start();
            more = world->method->switch_to((world->current + 1) % workload->spaces);
        }
    } while (more);
}

/* Space 0 starts space 1 again and again; a sample is a life of that. */
static void live_and_die(void)
{
    const struct workload *workload = world->workload;
    bool more = true;
    while (more) {
        touch_supervisor(workload->supervisor);
        if (world->current == 1) {
            touch(workload->touched);
            watch_stop();
            compute(workload->touched, workload->user_us);
            watch_start();
            window_empty(world->base);
            more = world->method->switch_to(0);
        } else {
            touch(workload->parent_turn);
            more = take_sample();
            if (more) {
                watch_start();
                more = world->method->switch_to(1);
            }
        }
    }
}

static void work(void)
{
    (world->workload->forks ? live_and_die : take_turns)();
    if (!world->over && world->method->processes) {
        all_over();
    }
}

/* Touches all pages of a space, so that they are mapped (and stay so, with the
 * JIT's windows, (b) and (c)). */
static void warm_up(unsigned space)
{
    if (world->method->high) {
        world->method->switch_to(space);
    }
    world->current = space;
    touch(world->spaces[space].pages);
}

static void warm_process(void)
{
    unsigned self = world->current;
    if (!world->workload->forks) {
        warm_up(self);
    }
    world->current = 0;
    world->handover->pass(0);
    world->handover->await(self);
    if (!world->over) {
        work();
    }
}

static void prepare(void)
{
    const struct workload *workload = world->workload;
    const struct method *method = world->method;
    for (unsigned i = 0; i < workload->spaces; i++) {
        space_fill(i, workload->forks && i == 0 ? workload->parent : workload->pages);
    }
    world->base = 0;
    world->over = false;
    memset(world->turn, 0, sizeof(world->turn));
    for (unsigned i = 1; i < workload->spaces && method->processes; i++) {
        process_create(i, world->cpu, warm_process);
        world->current = i;
        world->handover->pass(i);
        world->handover->await(0);
    }
    for (unsigned i = method->processes || workload->forks ? 0 : workload->spaces - 1;
         i > 0; i--) {
        warm_up(i);
        method->switch_to(i - 1);
    }
    warm_up(0);
}

double measure(unsigned switches)
{
    unsigned fit = USER_US_MAXIMUM / world->workload->user_us;
    world->wanted = fit < switches ? fit : switches;
    world->samples = 0;
    world->spent_ns = 0;
    prepare();
    watch_start();
    work();
    if (world->method->processes) {
        children_await();
    }
    windows_empty();
    return median(world->sample_us, world->samples);
}
