#include "firmware_bench.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int firmware_bench_set_up(void **state)
{
    struct firmware_bench *bench = calloc(1, sizeof(*bench));
    bench->fw_cfg = fw_cfg_create(&bench->log, &bench->ports, &bench->memory);
    strcpy(bench->directory, "/tmp/faumachine-test-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    *state = bench;
    return 0;
}

int firmware_bench_tear_down(void **state)
{
    struct firmware_bench *bench = *state;
    DIR *directory = opendir(bench->directory);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
    rmdir(bench->directory);
    device_destroy((struct device *)bench->fw_cfg);
    free(bench);
    return 0;
}

const char *firmware_bench_file(struct firmware_bench *bench, const char *name,
                                const void *bytes, size_t length)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", bench->directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    return path;
}

uint32_t firmware_bench_item32(struct firmware_bench *bench, uint16_t key)
{
    size_t length;
    const void *bytes = fw_cfg_find_item(bench->fw_cfg, key, &length);
    assert_non_null(bytes);
    assert_int_equal(length, 4);
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}
