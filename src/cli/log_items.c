#include "cli/log_items.h"

#include <stdio.h>
#include <string.h>

#include "base/trace.h"

static const struct log_item {
    const char *name;
    uint32_t traced; /* enum trace_item; 0: guest errors */
    const char *help;
} items[] = {
    {"in_asm", TRACE_IN_ASM, "guest code, when it is decoded"},
    {"out_asm", TRACE_OUT_ASM, "host code that the JIT makes of it"},
    {"int", TRACE_INT, "exceptions and interrupts, with the registers"},
    {"mmu", TRACE_MMU, "translations of addresses, flushes, control registers"},
    {"exec", TRACE_EXEC, "blocks, whenever they are executed (a lot)"},
    {"guest_errors", 0, "what the guest does that no hardware would allow"},
};

static const struct log_item *find_item(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(items); i++) {
        if (strlen(items[i].name) == length &&
            strncmp(items[i].name, name, length) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

static bool refuse(const char *name, size_t length, struct error *error)
{
    char known[128] = "";
    for (size_t i = 0; i < ARRAY_LENGTH(items); i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "", items[i].name);
    }
    return error_set(error, "-d: there is no item '%.*s'; the items are %s",
                     (int)length, name, known);
}

bool log_items_add(const char *list, struct machine_config *machine,
                   struct error *error)
{
    for (bool more = true; more;) {
        size_t length = strcspn(list, ",");
        const struct log_item *item = find_item(list, length);
        if (!item) {
            return refuse(list, length, error);
        }
        machine->trace_items |= item->traced;
        machine->show_guest_errors |= !item->traced;
        more = list[length] == ',';
        list += length + 1;
    }
    return true;
}

void log_items_describe(void (*print)(void *opaque, const char *line), void *opaque)
{
    for (size_t i = 0; i < ARRAY_LENGTH(items); i++) {
        char line[128];
        snprintf(line, sizeof(line), "%-15s %s\n", items[i].name, items[i].help);
        print(opaque, line);
    }
}
