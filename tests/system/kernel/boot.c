/* What comes before the topics, and going through them. */
#include "kernel.h"

#include "tables.h"

enum { MULTIBOOT_COMMAND_LINE = 1 << 2, COMMAND_LINE_WORD = 4 };

const char *boot_argument(const char *line, const char *key)
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

const char *boot(const uint32_t *multiboot)
{
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
    return multiboot[0] & MULTIBOOT_COMMAND_LINE
               ? (const char *)multiboot[COMMAND_LINE_WORD]
               : "";
}

void run_topics(const struct topic *topics, unsigned count, const char *line)
{
    const char *only = boot_argument(line, "only=");
    const char *skip = boot_argument(line, "skip=");
    for (unsigned i = 0; i < count; i++) {
        const char *name = topics[i].name;
        if ((!only || starts_with(only, name)) && !(skip && starts_with(skip, name))) {
            topic(name);
            topics[i].test();
            end_line();
        }
    }
    topic("kernel");
    begin("end");
}
