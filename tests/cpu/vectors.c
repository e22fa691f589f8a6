#include "vectors.h"

#include "cpu/core/flags.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FAUMACHINE_SOURCE_ROOT
#define FAUMACHINE_SOURCE_ROOT "."
#endif

const char *const vector_register_names[VECTOR_REGISTERS] = {
    "ax", "bx", "cx", "dx", "sp", "bp", "si",
    "di", "cs", "ss", "ds", "es", "ip", "flags"};

FILE *vectors_open(void)
{
    const char *path = getenv("FAUMACHINE_VECTORS");
    if (!path) {
        path = FAUMACHINE_SOURCE_ROOT "/../shared/vectors/80286-real-mode.txt.gz";
    }
    if (access(path, R_OK) != 0) {
        return NULL;
    }
    char command[4096];
    snprintf(command, sizeof(command), "gzip -dc '%s'", path);
    return popen(command, "r");
}

void vectors_close(FILE *file)
{
    pclose(file);
}

/* Cuts `*text` at the first `separator` and returns the part before it. */
static char *cut(char **text, char separator)
{
    char *part = *text;
    char *end = strchr(part, separator);
    if (end) {
        *end = '\0';
        *text = end + 1;
    } else {
        *text = part + strlen(part);
    }
    return part;
}

static bool parse_bytes(const char *text, uint8_t *bytes, unsigned capacity,
                        unsigned *count)
{
    size_t digits = strlen(text);
    if (digits % 2 || digits / 2 > capacity) {
        return false;
    }
    *count = (unsigned)digits / 2;
    for (unsigned i = 0; i < *count; i++) {
        unsigned value;
        if (sscanf(text + 2 * (size_t)i, "%2x", &value) != 1) {
            return false;
        }
        bytes[i] = (uint8_t)value;
    }
    return true;
}

static bool parse_memory(char *text, struct vector_memory *memory)
{
    memory->runs = 0;
    if (strcmp(text, "-") == 0) {
        return true;
    }
    while (*text) {
        char *part = cut(&text, ' ');
        if (memory->runs == VECTOR_RUNS) {
            return false;
        }
        struct vector_run *run = &memory->run[memory->runs++];
        run->address = (uint32_t)strtoul(cut(&part, ':'), NULL, 16);
        if (!parse_bytes(part, run->bytes, VECTOR_RUN_BYTES, &run->count)) {
            return false;
        }
    }
    return true;
}

static bool parse_registers(char *text, uint16_t *registers)
{
    if (strcmp(text, "-") == 0) {
        return true;
    }
    while (*text) {
        char *part = cut(&text, ' ');
        char *name = cut(&part, '=');
        unsigned number = 0;
        while (strcmp(vector_register_names[number], name) != 0) {
            if (++number == VECTOR_REGISTERS) {
                return false;
            }
        }
        registers[number] = (uint16_t)strtoul(part, NULL, 16);
    }
    return true;
}

bool vector_parse(char *line, struct vector *vector)
{
    line[strcspn(line, "\n")] = '\0';
    snprintf(vector->form, sizeof(vector->form), "%s", cut(&line, '\t'));
    vector->index = (unsigned)strtoul(cut(&line, '\t'), NULL, 10);
    if (!parse_bytes(cut(&line, '\t'), vector->bytes, sizeof(vector->bytes),
                     &vector->length) ||
        vector->length < 2) {
        return false;
    }
    vector->length--; /* HLT */
    snprintf(vector->disassembly, sizeof(vector->disassembly), "%s", cut(&line, '\t'));
    char *before = cut(&line, '\t');
    snprintf(vector->before_text, sizeof(vector->before_text), "%s", before);
    if (!parse_registers(before, vector->before) ||
        !parse_memory(cut(&line, '\t'), &vector->memory_before)) {
        return false;
    }
    memcpy(vector->after, vector->before, sizeof(vector->after));
    if (!parse_registers(cut(&line, '\t'), vector->after) ||
        !parse_memory(cut(&line, '\t'), &vector->memory_after)) {
        return false;
    }
    vector->exception = -1;
    if (strcmp(line, "-") != 0) {
        vector->exception = (int)strtol(cut(&line, '@'), NULL, 10);
        /* The file has the address of the bus cycle, which is even. */
        uint32_t odd = vector->after[VECTOR_SP] & 1;
        vector->flags_address = (uint32_t)strtoul(line, NULL, 16) + odd;
    }
    return true;
}

bool vector_memory_covers(const struct vector_memory *memory, uint32_t address)
{
    for (unsigned i = 0; i < memory->runs; i++) {
        if (address - memory->run[i].address < memory->run[i].count) {
            return true;
        }
    }
    return false;
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
           byte == 0xf0 || byte == 0xf2 || byte == 0xf3;
}

/* The opcode's place in the instruction. */
static unsigned opcode_index(const struct vector *vector)
{
    unsigned index = 0;
    while (index < vector->length && is_prefix(vector->bytes[index])) {
        index++;
    }
    return index;
}

/* Shift count of the vector's shift or rotate, as the 80286 masks it. */
static unsigned shift_count(const struct vector *vector, uint8_t opcode)
{
    if (opcode <= 0xc1) {
        return vector->bytes[vector->length - 1] & 31;
    }
    return opcode >= 0xd2 ? vector->before[VECTOR_CX] & 31 : 1;
}

static uint32_t undefined_after_shift(const struct vector *vector, uint8_t opcode,
                                      unsigned operation)
{
    unsigned count = shift_count(vector, opcode);
    if (count == 0) {
        return 0;
    }
    uint32_t undefined = operation >= 4 ? EFLAGS_AF : 0;
    if (count > 1) {
        undefined |= EFLAGS_OF;
    }
    /* Bits shifted out from beyond the operand. */
    unsigned bits = opcode & 1 ? 16 : 8;
    if ((operation == 4 || operation == 5 || operation == 6) && count >= bits) {
        undefined |= EFLAGS_CF;
    }
    return undefined;
}

uint32_t vector_undefined_flags(const struct vector *vector)
{
    enum { ALL_BUT_CARRY = EFLAGS_ARITHMETIC & ~EFLAGS_CF };
    unsigned place = opcode_index(vector);
    uint8_t opcode = vector->bytes[place];
    unsigned operation = (vector->bytes[place + 1] >> 3) & 7;
    switch (opcode) {
    case 0x08 ... 0x0d: /* OR, AND, XOR, TEST */
    case 0x20 ... 0x25:
    case 0x30 ... 0x35:
    case 0x84:
    case 0x85:
    case 0xa8:
    case 0xa9:
        return EFLAGS_AF;
    case 0x80 ... 0x83:
        return operation == 1 || operation == 4 || operation == 6 ? EFLAGS_AF : 0;
    case 0x27: /* DAA, DAS */
    case 0x2f:
        return EFLAGS_OF;
    case 0x37: /* AAA, AAS */
    case 0x3f:
        return EFLAGS_OF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF;
    case 0x69: /* IMUL */
    case 0x6b:
        return EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF;
    case 0xc0: /* shifts and rotates */
    case 0xc1:
    case 0xd0 ... 0xd3:
        return undefined_after_shift(vector, opcode, operation);
    case 0xd4: /* AAM, AAD */
    case 0xd5:
        return EFLAGS_OF | EFLAGS_AF | EFLAGS_CF |
               (vector->exception == 0 ? EFLAGS_ARITHMETIC : 0);
    case 0xf6:
    case 0xf7:
        if (operation < 2) {
            return EFLAGS_AF;
        }
        if (operation == 4 || operation == 5) {
            return EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF;
        }
        return operation >= 6 ? EFLAGS_ARITHMETIC : 0;
    default:
        return 0;
    }
}

/* Whether LOCK is allowed before the instruction from the 80386 on (SDM vol. 2, LOCK):
 * some read-modify-write instructions, when their destination is memory. */
static bool lock_allowed(uint8_t opcode, unsigned operation, bool memory)
{
    if (!memory) {
        return false;
    }
    switch (opcode) {
    case 0x00 ... 0x35:
        return (opcode & 7) < 2;
    case 0x80 ... 0x83:
        return operation != 7;
    case 0x86:
    case 0x87:
        return true;
    case 0xf6:
    case 0xf7:
        return operation == 2 || operation == 3;
    case 0xfe:
    case 0xff:
        return operation < 2;
    default:
        return false;
    }
}

/* Whether the operand that does not fit is in the stack segment. */
static bool faults_on_stack(const struct vector *vector, uint8_t opcode)
{
    switch (opcode) {
    case 0x07: /* POP, POPA, POPF, RET, LEAVE, RETF, IRET */
    case 0x17:
    case 0x1f:
    case 0x58 ... 0x5f:
    case 0x61:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xc9 ... 0xcb:
    case 0xcf:
        return true;
    default:
        break;
    }
    const char *operand = strchr(vector->disassembly, '[');
    if (!operand) {
        return false;
    }
    const char *segment = strchr(operand, ':');
    return segment ? strncmp(segment - 2, "ss", 2) == 0
                   : strncmp(operand, "[bp", 3) == 0;
}

static bool is_string(uint8_t opcode)
{
    return (opcode >= 0x6c && opcode <= 0x6f) || (opcode >= 0xa4 && opcode <= 0xa7) ||
           (opcode >= 0xaa && opcode <= 0xaf);
}

/* The known differences between the 80286 and its successors. */
enum vector_rule vector_later_rule(struct vector *vector)
{
    unsigned place = opcode_index(vector);
    uint8_t opcode = vector->bytes[place];
    uint8_t modrm = vector->bytes[place + 1];
    unsigned operation = (modrm >> 3) & 7;
    bool memory = modrm < 0xc0;

    /* Instructions over 10 bytes raise #UD on the 80286, over 15 bytes #GP later. */
    if (vector->length > 10) {
        return VECTOR_SKIP;
    }
    /* Segment registers 4 and 5 are FS and GS from the 80386 on. */
    if ((opcode == 0x8c || opcode == 0x8e) && (operation == 4 || operation == 5)) {
        return VECTOR_SKIP;
    }
    /* LOCK before anything raises no exception on the 80286. */
    if (memchr(vector->bytes, 0xf0, place) &&
        !lock_allowed(opcode, operation, memory)) {
        return VECTOR_INVALID_OPCODE;
    }
    /* The 80286 raises 13 for every word at offset FFFF, later ones 12 for the stack.
     */
    if (vector->exception == 13 && faults_on_stack(vector, opcode)) {
        return VECTOR_STACK_FAULT;
    }
    /* A string instruction that faults at once (a word at offset FFFF) has moved its
     * registers on the 80286; later ones can be restarted. */
    if (vector->exception == 13 && is_string(opcode)) {
        vector->after[VECTOR_SI] = vector->before[VECTOR_SI];
        vector->after[VECTOR_DI] = vector->before[VECTOR_DI];
        vector->after[VECTOR_CX] = vector->before[VECTOR_CX];
    }
    return VECTOR_SAME;
}
