/* A ring that is filled by one clock and read by another, in simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "host/audio/drift.h"

enum {
    RATE = 48000,
    WRITTEN_MS = 10,
    PERIOD_FRAMES = 960, /* of the card: 20 ms */
    AMPLITUDE = 16384,
    MS_PER_SECOND = 1000,
};

#define FREQUENCY 440.0

struct world {
    struct audio_ring *ring;
    struct drift *drift;
    uint64_t written, chunks, periods, random;
    int last, before_last;
    double largest_bend; /* second difference of what is heard */
};

static void write_chunk(struct world *world)
{
    enum { CHUNK = RATE * WRITTEN_MS / MS_PER_SECOND };
    struct audio_frame frames[CHUNK];
    for (unsigned i = 0; i < CHUNK; i++) {
        double phase = 2 * M_PI * FREQUENCY * (double)world->written++ / RATE;
        int16_t value = (int16_t)lrint(AMPLITUDE * sin(phase));
        frames[i] = (struct audio_frame){value, value};
    }
    assert_int_equal(ring_write(world->ring, frames, CHUNK), CHUNK);
    world->chunks++;
}

static void read_period(struct world *world, bool listens)
{
    struct audio_frame frames[PERIOD_FRAMES];
    drift_read(world->drift, frames, PERIOD_FRAMES);
    for (unsigned i = 0; i < PERIOD_FRAMES; i++) {
        double bend =
            fabs((double)frames[i].left - 2 * world->last + world->before_last);
        if (listens && bend > world->largest_bend) {
            world->largest_bend = bend;
        }
        world->before_last = world->last;
        world->last = frames[i].left;
        assert_int_equal(frames[i].left, frames[i].right);
    }
    world->periods++;
}

/* Up to 10 ms late, as on a busy host. */
static double jitter_s(struct world *world)
{
    world->random = world->random * 6364136223846793005U + 1442695040888963407U;
    return (double)(world->random >> 40) / (1 << 24) * 0.01;
}

/* `ppm`: how much faster the card's clock is. */
static void run(struct world *world, double seconds, double ppm, double listen_from_s)
{
    double next_write_s = jitter_s(world), next_read_s = 0, now_s = 0;
    atomic_store(&world->ring->playing, true);
    while (now_s < seconds) {
        now_s = next_write_s < next_read_s ? next_write_s : next_read_s;
        if (next_write_s < next_read_s) {
            write_chunk(world);
            next_write_s =
                (double)world->chunks * WRITTEN_MS / MS_PER_SECOND + jitter_s(world);
        } else {
            read_period(world, now_s > listen_from_s);
            next_read_s =
                (double)world->periods * PERIOD_FRAMES / RATE / (1 + ppm / 1e6);
        }
    }
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->ring = calloc(1, sizeof(*world->ring));
    assert_non_null(world->ring);
    world->drift = drift_create(world->ring, RATE);
    assert_non_null(world->drift);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    drift_destroy(world->drift);
    free(world->ring);
    free(world);
    return 0;
}

/* Nothing is ever missing or too much, the wave has no kink, and after a minute the
 * speed makes up for what the clocks differ by. */
static void follows(struct world *world, double ppm)
{
    const double bend_of_wave = AMPLITUDE * pow(2 * M_PI * FREQUENCY / RATE, 2);
    run(world, 60, ppm, 1);
    assert_int_equal(atomic_load(&world->ring->underruns), 0);
    assert_true(world->largest_bend < bend_of_wave * 1.05 + 4);
    assert_true(fabs(atomic_load(&world->ring->speed_ppm) + ppm) < 300);
    assert_true(ring_filled(world->ring) < RATE / 10);
}

static void test_same_clock(void **state)
{
    follows(*state, 0);
}

static void test_fast_card(void **state)
{
    follows(*state, 500);
}

static void test_slow_card(void **state)
{
    follows(*state, -500);
}

static void test_very_fast_card(void **state)
{
    follows(*state, 3000);
}

/* Silence, then all of what there was; the next sound waits until there is enough. */
static void test_end_and_underrun(void **state)
{
    struct world *world = *state;
    struct audio_frame frames[PERIOD_FRAMES];
    write_chunk(world);
    atomic_store(&world->ring->playing, true);
    drift_read(world->drift, frames, PERIOD_FRAMES);
    assert_int_equal(frames[100].left, 0); /* 10 ms are not enough */
    atomic_store(&world->ring->playing, false);
    drift_read(world->drift, frames, PERIOD_FRAMES);
    assert_int_not_equal(frames[100].left, 0); /* but all that there will be */
    assert_int_equal(ring_filled(world->ring), 0);
    assert_int_equal(atomic_load(&world->ring->underruns), 0);

    atomic_store(&world->ring->playing, true);
    for (int i = 0; i < 8; i++) {
        write_chunk(world);
    }
    uint32_t target = atomic_load(&world->ring->target);
    for (int i = 0; i < 5; i++) {
        drift_read(world->drift, frames, PERIOD_FRAMES);
    }
    assert_int_equal(atomic_load(&world->ring->underruns), 1);
    assert_true(atomic_load(&world->ring->target) > target);
}

/* After half a second in which nothing came, all of it comes at once: it is left out,
 * but for what is to be in hand. */
static void test_stall(void **state)
{
    struct world *world = *state;
    run(world, 5, 0, 5);
    for (int i = 0; i < 25; i++) {
        read_period(world, false);
    }
    for (int i = 0; i < 50; i++) {
        write_chunk(world);
    }
    read_period(world, false);
    assert_int_equal(atomic_load(&world->ring->underruns), 1);
    assert_true(ring_filled(world->ring) < RATE / 10);
    assert_true(abs(atomic_load(&world->ring->speed_ppm)) < 2000);
}

/* Counters that the other side has made up do no harm. */
static void test_nonsense(void **state)
{
    struct world *world = *state;
    struct audio_frame frames[PERIOD_FRAMES];
    atomic_store(&world->ring->playing, true);
    for (uint32_t i = 0; i < 100; i++) {
        atomic_store(&world->ring->written, i * 2654435761U);
        atomic_store(&world->ring->taken, i * 40503U);
        drift_read(world->drift, frames, PERIOD_FRAMES);
        assert_true(ring_filled(world->ring) <= RING_FRAMES);
    }
}

#define DRIFT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIFT_TEST(test_same_clock),       DRIFT_TEST(test_fast_card),
        DRIFT_TEST(test_slow_card),        DRIFT_TEST(test_very_fast_card),
        DRIFT_TEST(test_end_and_underrun), DRIFT_TEST(test_stall),
        DRIFT_TEST(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
