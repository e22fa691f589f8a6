/* What the firmware's tests share: fw_cfg on a bench, and files to hand to loaders. */
#ifndef TESTS_FIRMWARE_BENCH_H
#define TESTS_FIRMWARE_BENCH_H

#include "devices/fw_cfg.h"

struct firmware_bench {
    struct log log;
    struct port_space ports;
    struct memory_map memory;
    struct fw_cfg *fw_cfg;
    char directory[64]; /* of temporary files */
};

/* cmocka's set-up and tear-down; *state is the bench. */
int firmware_bench_set_up(void **state);
int firmware_bench_tear_down(void **state);

/* Writes a file into the bench's directory and returns its path (of a static buffer
 * that the fourth call from now uses again). */
const char *firmware_bench_file(struct firmware_bench *bench, const char *name,
                                const void *bytes, size_t length);

/* A 32-bit item; fails the test if it is missing. */
uint32_t firmware_bench_item32(struct firmware_bench *bench, uint16_t key);

#endif
