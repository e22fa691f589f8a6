#include "machine/configuration.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 160 };

/* -- in words -- */

__attribute__((format(printf, 2, 3))) static void add(struct state_buffer *text,
                                                      const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert(length > 0 && length < LINE_BYTES);
    state_append(text, line, (size_t)length);
}

static void describe_processor(const struct machine *machine, struct state_buffer *text)
{
    static const char *const words[CPUID_WORDS] = {
        [CPUID_WORD_1_EDX] = "1.EDX",
        [CPUID_WORD_1_ECX] = "1.ECX",
        [CPUID_WORD_7_EBX] = "7.EBX",
        [CPUID_WORD_7_ECX] = "7.ECX",
        [CPUID_WORD_D1_EAX] = "D.1.EAX",
        [CPUID_WORD_EXTENDED_EDX] = "80000001.EDX",
        [CPUID_WORD_EXTENDED_ECX] = "80000001.ECX",
    };
    const struct cpuid *cpuid = &machine->cpu.cpuid;
    add(text, "processor: %.4s%.4s%.4s %08x\n", (const char *)&cpuid->vendor[0],
        (const char *)&cpuid->vendor[1], (const char *)&cpuid->vendor[2],
        cpuid->signature);
    for (unsigned i = 0; i < CPUID_WORDS; i++) {
        add(text, "processor features, CPUID %s: %08x\n", words[i], cpuid->features[i]);
    }
    add(text, "processor state, XCR0 of the host: %" PRIx64 "\n",
        cpuid->host_xsave_mask);
}

static void describe_rom(const char *name, const struct firmware_image *rom,
                         struct state_buffer *text)
{
    add(text, "%s: %zu bytes, hash %016" PRIx64 "\n", name, rom->length,
        rom->bytes ? state_hash_bytes(0, rom->bytes, rom->length) : 0);
}

static void describe_devices(const struct machine *machine, struct state_buffer *text)
{
    for (unsigned i = 0; i < machine->device_count; i++) {
        const struct device_class *class = machine->devices[i]->class;
        unsigned kin = 1;
        for (unsigned j = 0; j < i; j++) {
            kin += machine->devices[j]->class == class;
        }
        add(text, "device %s, number %u: place %u\n", class->name, kin, i + 1);
    }
    for (unsigned i = 0; i < PCI_SLOTS * PCI_FUNCTIONS_PER_SLOT; i++) {
        const struct pci_function *function = machine->pci->functions[i];
        if (function) {
            add(text, "PCI %02x.%x: %s\n", i / PCI_FUNCTIONS_PER_SLOT,
                i % PCI_FUNCTIONS_PER_SLOT, function->name);
        }
    }
}

static void describe_drives(struct machine *machine, struct state_buffer *text)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES];
        struct block_backend *backend = disks_at(machine, i, name);
        if (backend) {
            const struct block_device *device = block_device_of(backend);
            add(text, "drive %s: %" PRIu64 " sectors%s%s\n", name, device->sectors,
                device->read_only ? ", read-only" : "",
                device->discards ? ", discards" : "");
        }
    }
}

void configuration_describe(struct machine *machine, struct state_buffer *text)
{
    add(text, "memory: %" PRIu64 " KiB\n", machine->ram.bytes >> 10);
    describe_processor(machine, text);
    describe_rom("BIOS", &machine->roms.bios, text);
    describe_rom("VGA BIOS", &machine->roms.vga_bios, text);
    describe_devices(machine, text);
    describe_drives(machine, text);
}

/* -- compared -- */

struct line {
    const char *text;
    size_t length, name; /* the line's and its name's, without newline and colon */
};

/* Takes the next line; false: there is none. */
static bool next_line(const char **text, size_t *left, struct line *line)
{
    if (*left == 0) {
        return false;
    }
    const char *end = memchr(*text, '\n', *left);
    size_t length = end ? (size_t)(end - *text) : *left;
    const char *colon = memchr(*text, ':', length);
    *line = (struct line){*text, length, colon ? (size_t)(colon - *text) : length};
    size_t taken = length + (end != NULL);
    *text += taken;
    *left -= taken;
    return true;
}

static bool find_line(const char *text, size_t left, const struct line *wanted,
                      struct line *line)
{
    while (next_line(&text, &left, line)) {
        if (line->name == wanted->name &&
            memcmp(line->text, wanted->text, line->name) == 0) {
            return true;
        }
    }
    return false;
}

/* The first line of `a` whose name is not in `b`; false: there is none. */
static bool find_missing(const char *a, size_t a_length, const char *b, size_t b_length,
                         struct line *missing)
{
    struct line other;
    while (next_line(&a, &a_length, missing)) {
        if (!find_line(b, b_length, missing, &other)) {
            return true;
        }
    }
    return false;
}

/* The first line of `a` that has another value in `b`, where all names are. */
static bool find_difference(const char *a, size_t a_length, const char *b,
                            size_t b_length, struct line *line, struct line *other)
{
    while (next_line(&a, &a_length, line)) {
        if (find_line(b, b_length, line, other) &&
            (other->length != line->length ||
             memcmp(other->text, line->text, other->length) != 0)) {
            return true;
        }
    }
    return false;
}

static int shown(const struct line *line)
{
    return (int)(line->length < LINE_BYTES ? line->length : LINE_BYTES);
}

static bool is_text(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n' && (bytes[i] < ' ' || bytes[i] > '~')) {
            return false;
        }
    }
    return true;
}

static bool compare(const char *theirs, size_t theirs_length, const char *ours,
                    size_t ours_length, const char *file, struct error *error)
{
    static const char another[] = "is of another machine";
    struct line line, other;
    if (find_missing(theirs, theirs_length, ours, ours_length, &line)) {
        return error_set(error, "snapshot %s %s, with %.*s; this one has none", file,
                         another, shown(&line), line.text);
    }
    if (find_missing(ours, ours_length, theirs, theirs_length, &line)) {
        return error_set(error, "snapshot %s %s, without %.*s", file, another,
                         shown(&line), line.text);
    }
    if (find_difference(theirs, theirs_length, ours, ours_length, &line, &other)) {
        return error_set(error, "snapshot %s %s: %.*s; of this one: %.*s", file,
                         another, shown(&line), line.text, shown(&other), other.text);
    }
    return true;
}

bool configuration_check(struct machine *machine, const uint8_t *saved, size_t length,
                         const char *file, struct error *error)
{
    struct state_buffer own = {0};
    if (!is_text(saved, length)) {
        return error_set(error, "snapshot %s: its description is no text", file);
    }
    configuration_describe(machine, &own);
    bool same = compare((const char *)saved, length, (const char *)own.bytes,
                        own.length, file, error);
    state_buffer_free(&own);
    return same;
}
