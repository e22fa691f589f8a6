/* The VGA: its memory pipeline against a model that works bit by bit, text screen,
 * registers, timing, Bochs VBE, PCI and saved state. */
#include "vga_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_text(struct bench *bench, unsigned cell, const char *text)
{
    for (; *text; text++, cell++) {
        poke(bench, TEXT + 2 * cell, 0x0700 | (uint8_t)*text, 2);
    }
}

static void test_text_screen(void **state)
{
    struct bench *bench = *state;
    char text[8192];
    assert_int_equal(vga_text_screen(bench->vga, text, sizeof(text)), 0);
    set_text_mode(bench);
    put_text(bench, 0, "first line");
    put_text(bench, 80, "  second");
    poke(bench, TEXT + 2 * (2 * 80), 0x07810784, 4); /* two cells: ä, ü */
    poke(bench, TEXT + 2 * (3 * 80), '%', 1);        /* byte writes */
    poke(bench, TEXT + 2 * (3 * 80) + 1, 0x1f, 1);
    size_t length = vga_text_screen(bench->vga, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    static const char expected[] = "first line\n  second\näü\n%\n";
    assert_memory_equal(text, expected, strlen(expected));
    assert_int_equal(length, strlen(expected) + 21);
    assert_int_equal(peek(bench, TEXT + 2, 2), 0x0700 | 'i');
    assert_int_equal(peek(bench, TEXT + 2 * (3 * 80), 2), 0x1f25);
    /* Characters are in plane 0, attributes in plane 1, at even offsets. */
    assert_int_equal(planes_at(bench, 2) & 0xffff, 0x0700 | 'i');

    crtc(bench, 0xd, 80); /* scrolled by a line */
    vga_text_screen(bench->vga, text, sizeof(text));
    assert_memory_equal(text, "  second\n", 9);
    assert_int_equal(vga_text_screen(bench->vga, text, 5), 0);
    assert_int_equal(vga_text_screen(bench->vga, text, 10), 9);
    /* Split screen: from scan line 16 on, address 0 again. */
    crtc(bench, 0x11, 0);
    crtc(bench, 0x18, 15);
    crtc(bench, 0x7, 0x0f);
    crtc(bench, 0x9, 0x0f);
    vga_text_screen(bench->vga, text, sizeof(text));
    assert_memory_equal(text, "  second\nfirst line\n", 20);
    sequencer(bench, 1, 0x20);
    assert_int_equal(vga_text_screen(bench->vga, text, sizeof(text)), 0);
    sequencer(bench, 1, 0);
    graphics(bench, 6, 0x0f);
    assert_int_equal(vga_text_screen(bench->vga, text, sizeof(text)), 0);
}

/* Loading a font: plane 2, sequentially, while text stays where it is. */
static void test_font_load(void **state)
{
    struct bench *bench = *state;
    set_text_mode(bench);
    put_text(bench, 0, "text");
    sequencer(bench, 2, 4);
    sequencer(bench, 4, 7);
    graphics(bench, 4, 2);
    graphics(bench, 5, 0);
    graphics(bench, 6, 4);
    for (unsigned i = 0; i < 32; i++) {
        poke(bench, WINDOW + i, 0x80 + i, 1);
    }
    assert_int_equal(peek(bench, WINDOW + 5, 1), 0x85);
    sequencer(bench, 2, 3);
    sequencer(bench, 4, 3);
    graphics(bench, 4, 0);
    graphics(bench, 5, 0x10);
    graphics(bench, 6, 0xe);
    char text[4096];
    vga_text_screen(bench->vga, text, sizeof(text));
    assert_memory_equal(text, "text\n", 5);
    assert_int_equal(planes_at(bench, 5) >> 16, 0x85);
}

/* -- the pipeline, by the manual, one bit at a time -- */

struct model {
    uint8_t registers[9], map_mask;
    uint32_t latches;
};

static bool model_alu(unsigned function, bool data, bool latch)
{
    switch (function) {
    case 1:
        return data & latch;
    case 2:
        return data | latch;
    case 3:
        return data ^ latch;
    default:
        return data;
    }
}

static bool model_write_bit(const struct model *model, uint8_t value, unsigned plane,
                            unsigned bit)
{
    const uint8_t *registers = model->registers;
    bool latch = model->latches >> (8 * plane + bit) & 1;
    bool set_reset = registers[0] >> plane & 1;
    bool rotated = value >> ((bit + (registers[3] & 7)) & 7) & 1;
    bool masked_in = registers[8] >> bit & 1;
    unsigned function = registers[3] >> 3;
    switch (registers[5] & 3) {
    case 0: {
        bool data = registers[1] >> plane & 1 ? set_reset : rotated;
        return masked_in ? model_alu(function, data, latch) : latch;
    }
    case 1:
        return latch;
    case 2:
        return masked_in ? model_alu(function, value >> plane & 1, latch) : latch;
    default:
        return masked_in && rotated ? model_alu(function, set_reset, latch) : latch;
    }
}

static uint32_t model_write(const struct model *model, uint8_t value, uint32_t old)
{
    uint32_t word = old;
    for (unsigned plane = 0; plane < 4; plane++) {
        if (!(model->map_mask >> plane & 1)) {
            continue;
        }
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t one = 1U << (8 * plane + bit);
            word = model_write_bit(model, value, plane, bit) ? word | one : word & ~one;
        }
    }
    return word;
}

static uint8_t model_read(const struct model *model, uint32_t word)
{
    if (!(model->registers[5] & 8)) {
        return (uint8_t)(word >> 8 * model->registers[4]);
    }
    uint8_t result = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        bool equal = true;
        for (unsigned plane = 0; plane < 4; plane++) {
            bool care = model->registers[7] >> plane & 1;
            bool color = model->registers[2] >> plane & 1;
            equal = equal && (!care || color == (word >> (8 * plane + bit) & 1));
        }
        result |= (uint8_t)(equal << bit);
    }
    return result;
}

static void randomize_registers(struct bench *bench, struct model *model)
{
    static const uint8_t masks[9] = {0xf, 0xf, 0xf, 0x1f, 3, 0x0b, 0, 0xf, 0xff};
    for (uint8_t i = 0; i < 9; i++) {
        if (i != 6) {
            model->registers[i] = rand() & masks[i];
            graphics(bench, i, model->registers[i]);
        }
    }
    if (rand() % 4 == 0) { /* often enough the case that is done fast */
        static const uint8_t plain[][2] = {{1, 0}, {3, 0}, {5, 0}, {8, 0xff}};
        for (unsigned i = 0; i < 4; i++) {
            model->registers[plain[i][0]] = plain[i][1];
            graphics(bench, plain[i][0], plain[i][1]);
        }
    }
    model->map_mask = rand() & 0xf;
    sequencer(bench, 2, model->map_mask);
}

static void test_pipeline(void **state)
{
    struct bench *bench = *state;
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 4711;
    printf("seed %u (set SEED to change it)\n", seed);
    srand(seed);
    set_planar_mode(bench);
    struct model model = {.registers = {0}};
    for (unsigned i = 0; i < 20000; i++) {
        randomize_registers(bench, &model);
        uint32_t offset = (uint32_t)rand() & 0x3f;
        uint32_t before = planes_at(bench, offset);
        if (rand() % 2) {
            model.latches = before;
            assert_int_equal(peek(bench, WINDOW + offset, 1),
                             model_read(&model, before));
        } else {
            uint8_t value = (uint8_t)rand();
            poke(bench, WINDOW + offset, value, 1);
            assert_int_equal(planes_at(bench, offset),
                             model_write(&model, value, before));
        }
    }
}

static void test_chain4(void **state)
{
    struct bench *bench = *state;
    set_planar_mode(bench);
    sequencer(bench, 4, 0xe);
    poke(bench, WINDOW + 4, 0x44332211, 4);
    poke(bench, WINDOW + 0xffff, 0x99, 1);
    assert_int_equal(planes_at(bench, 4), 0x44332211);
    assert_int_equal(peek(bench, WINDOW + 5, 2), 0x3322);
    assert_int_equal(planes_at(bench, 0xfffc) >> 24, 0x99);
    sequencer(bench, 2, 0x2); /* only plane 1 */
    poke(bench, WINDOW + 4, 0, 4);
    assert_int_equal(planes_at(bench, 4), 0x44330011);
}

static void test_window_selection(void **state)
{
    struct bench *bench = *state;
    set_planar_mode(bench);
    poke(bench, WINDOW, 0x5a, 1);
    assert_int_equal(peek(bench, 0xb0000, 1), 0xff);
    graphics(bench, 6, 0x09); /* 0xb0000, 32 KiB */
    assert_int_equal(peek(bench, 0xb0000, 1), 0x5a);
    assert_int_equal(peek(bench, WINDOW, 1), 0xff);
    assert_int_equal(peek(bench, TEXT, 1), 0xff);
    graphics(bench, 6, 0x0d); /* 0xb8000, 32 KiB */
    assert_int_equal(peek(bench, TEXT, 1), 0x5a);
    graphics(bench, 6, 0x01); /* 128 KiB, the planes twice */
    assert_int_equal(peek(bench, 0xb0000, 1), 0x5a);
    out(bench, 0x3c2, 0xe1); /* memory off */
    assert_int_equal(peek(bench, WINDOW, 1), 0xff);
}

static void test_registers(void **state)
{
    struct bench *bench = *state;
    out(bench, 0x3c2, 0x67);
    assert_int_equal(in(bench, 0x3cc), 0x67);
    attribute(bench, 0x10, 0x0c);
    attribute(bench, 0x05, 0xff);
    in(bench, 0x3da);
    out(bench, 0x3c0, 0x05);
    assert_int_equal(in(bench, 0x3c1), 0x3f);
    in(bench, 0x3da);
    out(bench, 0x3c0, 0x1f); /* no such register */
    out(bench, 0x3c0, 0xff);

    out(bench, 0x3c8, 10);
    for (uint8_t i = 0; i < 6; i++) {
        out(bench, 0x3c9, 0xc0 | i);
    }
    assert_int_equal(in(bench, 0x3c8), 12);
    assert_int_equal(in(bench, 0x3c7), 0);
    out(bench, 0x3c7, 11);
    assert_int_equal(in(bench, 0x3c7), 3);
    assert_int_equal(in(bench, 0x3c9), 3);
    assert_int_equal(in(bench, 0x3c9), 4);
    assert_int_equal(in(bench, 0x3c9), 5);

    crtc(bench, 0x00, 0x12);
    crtc(bench, 0x07, 0xef);
    crtc(bench, 0x11, 0x80);
    crtc(bench, 0x00, 0x34); /* protected */
    crtc(bench, 0x07, 0x10); /* all but bit 4 is */
    out(bench, 0x3d4, 0);
    assert_int_equal(in(bench, 0x3d5), 0x12);
    out(bench, 0x3d4, 7);
    assert_int_equal(in(bench, 0x3d5), 0xff);
    assert_int_equal(in(bench, 0x3b5), 0xff); /* not monochrome */
    out(bench, 0x3c2, 0x66);
    assert_int_equal(in(bench, 0x3b5), 0xff);
    out(bench, 0x3b4, 0);
    assert_int_equal(in(bench, 0x3b5), 0x12);
    assert_int_equal(in(bench, 0x3d5), 0xff);
}

/* What input status 1 says in 100 ms, looked at each microsecond. */
struct beam {
    unsigned frames, retraces, hidden;
};

static struct beam watch_beam(struct bench *bench)
{
    struct beam beam = {0, 0, 0};
    bool last = true;
    for (unsigned us = 0; us < 100000; us++) {
        uint8_t status = in(bench, 0x3da);
        bool retrace = status & 8;
        beam.frames += retrace && !last;
        last = retrace;
        beam.retraces += retrace;
        beam.hidden += status & 1;
        clock_step_ns(&bench->clock, 1000);
    }
    return beam;
}

/* Mode 3: 28.322 MHz, 900 dots by 449 lines: 70.09 Hz, two lines of retrace. */
static void test_retrace(void **state)
{
    struct bench *bench = *state;
    set_text_mode(bench);
    struct beam beam = watch_beam(bench);
    assert_int_equal(beam.frames, 7);
    assert_in_range(beam.retraces, 400, 480); /* 7 times 63.6 us */
    /* Displayed: 720 of 900 dots in 400 of 449 lines, 71 %. */
    assert_in_range(beam.hidden, 28000, 29500);
}

/* VBE: 60 Hz whatever the size, with 4/5 by 20/21 displayed, 76 %. */
static void test_retrace_of_vbe(void **state)
{
    static const uint16_t sizes[][2] = {{640, 480}, {1024, 768}, {2560, 1600}};
    struct bench *bench = *state;
    set_text_mode(bench);
    for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
        dispi(bench, 4, 0);
        dispi(bench, 1, sizes[i][0]);
        dispi(bench, 2, sizes[i][1]);
        dispi(bench, 4, 1);
        struct beam beam = watch_beam(bench);
        assert_int_equal(beam.frames, 6);
        assert_in_range(beam.retraces, 100, 700);
        assert_in_range(beam.hidden, 23000, 26000);
    }
}

static void test_dispi(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(dispi_value(bench, 0), 0xb0c5);
    dispi(bench, 0, 0xb0c0);
    assert_int_equal(dispi_value(bench, 0), 0xb0c0);
    dispi(bench, 0, 0x1234);
    assert_int_equal(dispi_value(bench, 0), 0xb0c0);
    assert_int_equal(dispi_value(bench, 0xa), 256);
    dispi(bench, 4, 2);
    assert_int_equal(dispi_value(bench, 1), 16000);
    dispi(bench, 4, 0);

    poke(bench, FRAME_BUFFER, 0x12345678, 4);
    dispi(bench, 1, 1024);
    dispi(bench, 2, 768);
    dispi(bench, 3, 32);
    dispi(bench, 4, 0x41);
    assert_int_equal(peek(bench, FRAME_BUFFER, 4), 0); /* cleared */
    assert_int_equal(dispi_value(bench, 6), 1024);
    assert_int_equal(dispi_value(bench, 7), (16 << 20) / 4096);
    dispi(bench, 9, 5000); /* as far down as there is memory */
    assert_int_equal(dispi_value(bench, 9), 4096 - 768);
    dispi(bench, 5, 3); /* the window shows linear memory */
    poke(bench, WINDOW + 0x10, 0xcafe, 2);
    assert_int_equal(peek(bench, FRAME_BUFFER + 0x30010, 2), 0xcafe);
    assert_int_equal(peek(bench, WINDOW + 0x10, 4), 0xcafe);
    dispi(bench, 3, 7); /* no such depth */
    assert_int_equal(dispi_value(bench, 3), 32);
    /* Register BAR: the same registers. */
    assert_int_equal(peek(bench, REGISTERS + 0x502, 2), 1024);
    poke(bench, REGISTERS + 0x50a, 1, 2);
    assert_int_equal(dispi_value(bench, 5), 1);
    poke(bench, REGISTERS + 0x404, 0x0f02, 2);
    out(bench, 0x3c4, 2);
    assert_int_equal(in(bench, 0x3c5), 0xf);
    assert_int_equal(peek(bench, REGISTERS + 0x405, 1), 0xf);
    assert_int_equal(peek(bench, REGISTERS, 4), 0); /* no EDID */
}

static void test_pci(void **state)
{
    struct bench *bench = *state;
    uint8_t devfn = SLOT << 3;
    assert_int_equal(pci_config_read(&bench->bus, devfn, 0, 4), 0x11111234);
    assert_int_equal(pci_config_read(&bench->bus, devfn, 10, 2), 0x0300);
    assert_int_equal(pci_config_read(&bench->bus, devfn, PCI_BAR0, 4),
                     FRAME_BUFFER | 8U);
    assert_int_equal(peek(bench, ROM, 4), 0x0001aa55);
    assert_int_equal(peek(bench, ROM + 0xfffc, 4), 0);
    poke(bench, FRAME_BUFFER + (16 << 20) - 4, 0xabcd, 4);
    assert_int_equal(peek(bench, FRAME_BUFFER + (16 << 20) - 4, 4), 0xabcd);
}

static void test_state(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->vga;
    set_text_mode(bench);
    put_text(bench, 0, "saved");
    poke(bench, FRAME_BUFFER + 0x800000, 0x1234, 4);
    struct state_buffer buffer = {0}, again = {0};
    device_save(device, &buffer);
    assert_in_range(buffer.length, 2 * PAGE_BYTES, 4 * PAGE_BYTES);
    device->class->reset(device);
    char text[4096];
    assert_int_equal(vga_text_screen(bench->vga, text, sizeof(text)), 0);
    assert_int_equal(peek(bench, FRAME_BUFFER, 4), UINT32_MAX);
    struct error error;
    assert_true(device_load(device, &buffer, &error));
    vga_text_screen(bench->vga, text, sizeof(text));
    assert_memory_equal(text, "saved\n", 6);
    assert_int_equal(peek(bench, FRAME_BUFFER + 0x800000, 4), 0x1234);
    device_save(device, &again);
    assert_int_equal(again.length, buffer.length);
    assert_memory_equal(again.bytes, buffer.bytes, again.length);
    state_buffer_free(&buffer);
    state_buffer_free(&again);
}

/* A damaged image is refused or leads to a state that can be used. */
static void test_hostile_state(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->vga;
    set_text_mode(bench);
    put_text(bench, 0, "text");
    struct state_buffer good = {0};
    device_save(device, &good);
    unsigned seed = 815;
    printf("seed %u\n", seed);
    srand(seed);
    char text[16384];
    for (unsigned round = 0; round < 3000; round++) {
        struct state_buffer bad = {.bytes = malloc(good.length), .length = good.length};
        memcpy(bad.bytes, good.bytes, good.length);
        /* Mostly in the registers, which come first. */
        size_t where = (size_t)rand() % (rand() % 2 ? 1300 : good.length);
        bad.bytes[where] = (uint8_t)rand();
        if (rand() % 4 == 0) {
            bad.length = (size_t)rand() % good.length;
        }
        struct error error;
        if (device_load(device, &bad, &error)) {
            vga_text_screen(bench->vga, text, sizeof(text));
            in(bench, 0x3da);
            for (uint16_t port = 0x3b0; port < 0x3e0; port++) {
                out(bench, port, in(bench, port));
            }
            dispi(bench, 1, 800);
            dispi(bench, 4, 1);
            poke(bench, WINDOW + 0xfff0, 1, 4);
        }
        state_buffer_free(&bad);
    }
    state_buffer_free(&good);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, vga_bench_set_up, vga_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_text_screen),    TEST(test_font_load),
        TEST(test_pipeline),       TEST(test_chain4),
        TEST(test_registers),      TEST(test_retrace),
        TEST(test_retrace_of_vbe), TEST(test_window_selection),
        TEST(test_dispi),          TEST(test_pci),
        TEST(test_state),          TEST(test_hostile_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
