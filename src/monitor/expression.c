#include "monitor/expression.h"

#include "machine/inspect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAXIMUM_DEPTH = 64 };

struct evaluation {
    struct machine *machine;
    const char *text;
    unsigned depth; /* of parentheses and signs */
    struct error *error;
};

static bool evaluate(struct evaluation *e, unsigned level, uint64_t *value);

static void skip_space(struct evaluation *e)
{
    e->text += strspn(e->text, " \t");
}

static uint32_t eflags_of(const struct cpu *cpu)
{
    return cpu_eflags(cpu);
}

static uint32_t eip_of(const struct cpu *cpu)
{
    return cpu->eip;
}

struct register_row {
    const char *name;
    size_t offset; /* of 4 bytes in struct cpu, unless there is `get` */
    uint32_t (*get)(const struct cpu *cpu);
    bool selector; /* of 2 bytes */
};

#define GENERAL(name, number)                                                          \
    {                                                                                  \
        name, offsetof(struct cpu, regs) + 4 * (number), NULL, false                   \
    }
#define SELECTOR(name, number)                                                         \
    {                                                                                  \
        name,                                                                          \
            offsetof(struct cpu, segments) + (number) * sizeof(struct segment) +       \
                offsetof(struct segment, selector),                                    \
            NULL, true                                                                 \
    }
#define WORD(name, member)                                                             \
    {                                                                                  \
        name, offsetof(struct cpu, member), NULL, false                                \
    }

static const struct register_row registers[] = {
    GENERAL("eax", REGISTER_EAX),
    GENERAL("ecx", REGISTER_ECX),
    GENERAL("edx", REGISTER_EDX),
    GENERAL("ebx", REGISTER_EBX),
    GENERAL("esp", REGISTER_ESP),
    GENERAL("sp", REGISTER_ESP),
    GENERAL("ebp", REGISTER_EBP),
    GENERAL("fp", REGISTER_EBP),
    GENERAL("esi", REGISTER_ESI),
    GENERAL("edi", REGISTER_EDI),
    {"eip", 0, eip_of, false},
    {"pc", 0, eip_of, false},
    {"eflags", 0, eflags_of, false},
    SELECTOR("es", SEGMENT_ES),
    SELECTOR("cs", SEGMENT_CS),
    SELECTOR("ss", SEGMENT_SS),
    SELECTOR("ds", SEGMENT_DS),
    SELECTOR("fs", SEGMENT_FS),
    SELECTOR("gs", SEGMENT_GS),
    WORD("cr0", cr0),
    WORD("cr2", cr2),
    WORD("cr3", cr3),
    WORD("cr4", cr4),
};

static bool read_register(struct evaluation *e, uint64_t *value)
{
    const struct cpu *cpu = machine_cpu(e->machine);
    size_t length = strspn(++e->text, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    for (size_t i = 0; i < ARRAY_LENGTH(registers); i++) {
        const struct register_row *row = &registers[i];
        if (strlen(row->name) != length || strncmp(row->name, e->text, length) != 0) {
            continue;
        }
        uint32_t word = 0;
        const char *place = (const char *)cpu + row->offset;
        memcpy(&word, place, row->selector ? 2 : 4);
        *value = row->get ? row->get(cpu) : word;
        e->text += length;
        return true;
    }
    return error_set(e->error, "unknown register");
}

static bool read_number(struct evaluation *e, uint64_t *value)
{
    char *end;
    *value = strtoull(e->text, &end, 0);
    if (end == e->text) {
        return error_set(e->error, "invalid char '%c' in expression", *e->text);
    }
    e->text = end;
    return true;
}

static bool read_character(struct evaluation *e, uint64_t *value)
{
    if (!e->text[1] || e->text[2] != '\'') {
        return error_set(e->error, "missing terminating ' character");
    }
    *value = (unsigned char)e->text[1];
    e->text += 3;
    return true;
}

static bool read_sign(struct evaluation *e, uint64_t *value)
{
    char sign = *e->text++;
    if (++e->depth > MAXIMUM_DEPTH) {
        return error_set(e->error, "expression too deep");
    }
    if (sign == '(') {
        if (!evaluate(e, 0, value)) {
            return false;
        }
        if (*e->text != ')') {
            return error_set(e->error, "')' expected");
        }
        e->text++;
        e->depth--;
        return true;
    }
    if (!evaluate(e, UINT32_MAX, value)) {
        return false;
    }
    *value = sign == '-' ? -*value : sign == '~' ? ~*value : *value;
    e->depth--;
    return true;
}

static bool read_operand(struct evaluation *e, uint64_t *value)
{
    skip_space(e);
    switch (*e->text) {
    case '+':
    case '-':
    case '~':
    case '(':
        return read_sign(e, value);
    case '\'':
        return read_character(e, value);
    case '$':
        return read_register(e, value);
    case '\0':
        return error_set(e->error, "unexpected end of expression");
    }
    return read_number(e, value);
}

static bool apply(struct evaluation *e, char operator, uint64_t * value, uint64_t right)
{
    if ((operator== '/' || operator== '%') && right == 0) {
        return error_set(e->error, "division by zero");
    }
    switch (operator) {
    case '+':
        *value += right;
        break;
    case '-':
        *value -= right;
        break;
    case '*':
        *value *= right;
        break;
    case '/':
        *value /= right;
        break;
    case '%':
        *value %= right;
        break;
    case '&':
        *value &= right;
        break;
    case '|':
        *value |= right;
        break;
    case '^':
        *value ^= right;
        break;
    }
    return true;
}

/* "/tmp/x" behind a number is a file's name. */
static bool is_operator(const char *text, const char *operators)
{
    return *text && strchr(operators, *text) &&
           (*text != '/' || strchr("0123456789 \t($+-~'", text[1]));
}

/* What binds the tighter the higher `level` is: sums, bits, products, as in QEMU's. */
static bool evaluate(struct evaluation *e, unsigned level, uint64_t *value)
{
    static const char *const operators[] = {"+-", "&|^", "*/%"};
    bool good = level < ARRAY_LENGTH(operators) ? evaluate(e, level + 1, value)
                                                : read_operand(e, value);
    skip_space(e);
    while (good && level < ARRAY_LENGTH(operators) &&
           is_operator(e->text, operators[level])) {
        char operator= * e->text++;
        uint64_t right;
        good = evaluate(e, level + 1, &right) && apply(e, operator, value, right);
        skip_space(e);
    }
    return good;
}

bool expression_evaluate(struct machine *machine, const char **text, int64_t *value,
                         struct error *error)
{
    struct evaluation e = {.machine = machine, .text = *text, .error = error};
    uint64_t number = 0;
    if (!evaluate(&e, 0, &number)) {
        return false;
    }
    *text = e.text;
    *value = (int64_t)number;
    return true;
}
