/* Runs all topics, or what the command line asks for: "only=TOPIC", "skip=TOPIC", or
 * "reset=HOW", which does not come back. */
#include "kernel.h"

#include "tables.h"

enum { MULTIBOOT_COMMAND_LINE = 1 << 2, COMMAND_LINE_WORD = 4 };

static const struct {
    const char *name;
    void (*test)(void);
} topics[] = {
    {"segments", test_segments},
    {"limits", test_limits},
    {"transfers", test_transfers},
    {"interrupts", test_interrupts},
    {"tasks", test_tasks},
    {"v86", test_v86},
    {"real", test_real_mode},
    {"paging", test_paging},
    {"pae", test_pae},
    {"debug", test_debug},
    {"shadows", test_shadows},
    {"flags", test_flags},
    {"system", test_system},
    {"fpu", test_fpu},
    {"code", test_code},
    {"devices", test_devices},
    {"hazards", test_hazards},
    {"hazards", test_real_mode_hazards},
};

/* What follows `key` in the command line, or NULL. */
static const char *argument(const char *line, const char *key)
{
    for (; *line; line++) {
        const char *a = line, *b = key;
        while (*b && *a == *b) {
            a++;
            b++;
        }
        if (!*b) {
            return a;
        }
    }
    return NULL;
}

static bool starts_with(const char *text, const char *start)
{
    while (*start && *text == *start) {
        text++;
        start++;
    }
    return !*start;
}

void main(const uint32_t *multiboot);
void main(const uint32_t *multiboot)
{
    const char *line = multiboot[0] & MULTIBOOT_COMMAND_LINE
                           ? (const char *)multiboot[COMMAND_LINE_WORD]
                           : "";
    const char *only = argument(line, "only=");
    const char *skip = argument(line, "skip=");
    const char *reset = argument(line, "reset=");
    tables_init();
    set_cr0((get_cr0() & ~(uint32_t)(CR0_CD | CR0_NW)) | CR0_NE);
    /* The PICs: all lines masked, vectors from 0x20 on. */
    static const uint8_t words[] = {0x11, 0x20, 4, 1};
    for (unsigned i = 0; i < 4; i++) {
        outb(i ? 0x21 : 0x20, words[i]);
        outb(i ? 0xa1 : 0xa0, i == 1 ? 0x28 : i == 2 ? 2 : words[i]);
    }
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    put("\n"); /* the firmware may have left the cursor anywhere */
    if (reset) {
        test_reset(reset);
    }
    for (unsigned i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        const char *name = topics[i].name;
        if ((!only || starts_with(only, name)) && !(skip && starts_with(skip, name))) {
            topic(name);
            topics[i].test();
            end_line();
        }
    }
    topic("kernel");
    begin("end");
    leave(0);
}
