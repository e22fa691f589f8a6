#include "faults/register_file.h"

#include "cpu/core/fpu.h"
#include "machine/inspect.h"

#include <string.h>

struct register_name {
    const char *name;
    enum register_kind kind;
    unsigned number, bytes;
};

static const struct register_name rows[] = {
    {"eax", REGISTER_GENERAL, REGISTER_EAX, 4},
    {"ecx", REGISTER_GENERAL, REGISTER_ECX, 4},
    {"edx", REGISTER_GENERAL, REGISTER_EDX, 4},
    {"ebx", REGISTER_GENERAL, REGISTER_EBX, 4},
    {"esp", REGISTER_GENERAL, REGISTER_ESP, 4},
    {"ebp", REGISTER_GENERAL, REGISTER_EBP, 4},
    {"esi", REGISTER_GENERAL, REGISTER_ESI, 4},
    {"edi", REGISTER_GENERAL, REGISTER_EDI, 4},
    {"eip", REGISTER_EIP, 0, 4},
    {"eflags", REGISTER_EFLAGS, 0, 4},
    {"es", REGISTER_SEGMENT, SEGMENT_ES, 2},
    {"cs", REGISTER_SEGMENT, SEGMENT_CS, 2},
    {"ss", REGISTER_SEGMENT, SEGMENT_SS, 2},
    {"ds", REGISTER_SEGMENT, SEGMENT_DS, 2},
    {"fs", REGISTER_SEGMENT, SEGMENT_FS, 2},
    {"gs", REGISTER_SEGMENT, SEGMENT_GS, 2},
    {"cr0", REGISTER_CONTROL, 0, 4},
    {"cr2", REGISTER_CONTROL, 2, 4},
    {"cr3", REGISTER_CONTROL, 3, 4},
    {"cr4", REGISTER_CONTROL, 4, 4},
    {"dr0", REGISTER_DEBUG, 0, 4},
    {"dr1", REGISTER_DEBUG, 1, 4},
    {"dr2", REGISTER_DEBUG, 2, 4},
    {"dr3", REGISTER_DEBUG, 3, 4},
    {"dr6", REGISTER_DEBUG, 6, 4},
    {"dr7", REGISTER_DEBUG, 7, 4},
    {"st0", REGISTER_X87, 0, 10},
    {"st1", REGISTER_X87, 1, 10},
    {"st2", REGISTER_X87, 2, 10},
    {"st3", REGISTER_X87, 3, 10},
    {"st4", REGISTER_X87, 4, 10},
    {"st5", REGISTER_X87, 5, 10},
    {"st6", REGISTER_X87, 6, 10},
    {"st7", REGISTER_X87, 7, 10},
    {"fctrl", REGISTER_X87_WORD, FPU_AREA_CONTROL, 2},
    {"fstat", REGISTER_X87_WORD, FPU_AREA_STATUS, 2},
    {"xmm0", REGISTER_XMM, 0, 16},
    {"xmm1", REGISTER_XMM, 1, 16},
    {"xmm2", REGISTER_XMM, 2, 16},
    {"xmm3", REGISTER_XMM, 3, 16},
    {"xmm4", REGISTER_XMM, 4, 16},
    {"xmm5", REGISTER_XMM, 5, 16},
    {"xmm6", REGISTER_XMM, 6, 16},
    {"xmm7", REGISTER_XMM, 7, 16},
    {"mxcsr", REGISTER_MXCSR, 0, 4},
};

const struct register_name *register_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

unsigned fault_register_bytes(const char *name)
{
    const struct register_name *found = register_find(name);
    return found ? found->bytes : 0;
}

enum register_kind register_kind(const struct register_name *name)
{
    return name->kind;
}

unsigned register_number(const struct register_name *name)
{
    return name->number;
}

unsigned register_bytes(const struct register_name *name)
{
    return name->bytes;
}

void register_existing_bits(const struct register_name *name,
                            uint8_t mask[REGISTER_FILE_BYTES])
{
    const uint32_t flags = EFLAGS_SYSTEM | EFLAGS_ARITHMETIC, mxcsr = MXCSR_BITS;
    memset(mask, 0, REGISTER_FILE_BYTES);
    memset(mask, UINT8_MAX, name->bytes);
    if (name->kind == REGISTER_EFLAGS || name->kind == REGISTER_MXCSR) {
        memcpy(mask, name->kind == REGISTER_EFLAGS ? &flags : &mxcsr, name->bytes);
    }
}

static uint32_t get_word(const struct cpu *cpu, const struct register_name *name)
{
    const uint32_t controls[] = {cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4};
    switch (name->kind) {
    case REGISTER_GENERAL:
        return cpu->regs[name->number];
    case REGISTER_EIP:
        return cpu->eip;
    case REGISTER_EFLAGS:
        return cpu_eflags(cpu);
    case REGISTER_SEGMENT:
        return cpu->segments[name->number].selector;
    case REGISTER_CONTROL:
        return controls[name->number];
    default:
        return cpu->dr[name->number];
    }
}

/* Of what is in the area of the FPU; NULL: another one. */
static uint8_t *fpu_bytes(struct cpu *cpu, const struct register_name *name)
{
    uint8_t *area = cpu->fpu.area;
    switch (name->kind) {
    case REGISTER_X87:
        return area + FPU_AREA_ST + (size_t)16 * name->number;
    case REGISTER_X87_WORD:
        return area + name->number;
    case REGISTER_XMM:
        return area + FPU_AREA_XMM + (size_t)16 * name->number;
    case REGISTER_MXCSR:
        return area + FPU_AREA_MXCSR;
    default:
        return NULL;
    }
}

void register_get(const struct cpu *cpu, const struct register_name *name,
                  uint8_t *value)
{
    const uint8_t *bytes = fpu_bytes((struct cpu *)cpu, name);
    uint32_t word = bytes ? 0 : get_word(cpu, name);
    memset(value, 0, REGISTER_FILE_BYTES);
    memcpy(value, bytes ? bytes : (const uint8_t *)&word, name->bytes);
}

/* What a load of CR3 would take along. */
static void load_pdptes(struct machine *machine, struct cpu *cpu)
{
    bool pae = (cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE);
    uint64_t entries[ARRAY_LENGTH(cpu->pdpte)];
    if (pae && machine_peek(machine, false, cpu->cr3 & ~31U, entries,
                            sizeof(entries)) == sizeof(entries)) {
        memcpy(cpu->pdpte, entries, sizeof(entries));
    }
}

static void set_control(struct machine *machine, struct cpu *cpu, unsigned number,
                        uint32_t word)
{
    uint32_t *const places[] = {&cpu->cr0, NULL, &cpu->cr2, &cpu->cr3, &cpu->cr4};
    *places[number] = word;
    if (number != 2) {
        load_pdptes(machine, cpu);
    }
}

static void set_word(struct machine *machine, struct cpu *cpu,
                     const struct register_name *name, uint32_t word)
{
    switch (name->kind) {
    case REGISTER_GENERAL:
        cpu->regs[name->number] = word;
        break;
    case REGISTER_EIP:
        cpu->eip = word;
        break;
    case REGISTER_EFLAGS:
        cpu_set_eflags(cpu, word);
        break;
    case REGISTER_SEGMENT:
        cpu->segments[name->number].selector = (uint16_t)word;
        break;
    case REGISTER_CONTROL:
        set_control(machine, cpu, name->number, word);
        break;
    default:
        cpu->dr[name->number] = word;
        break;
    }
}

void register_set(struct machine *machine, const struct register_name *name,
                  const uint8_t *value)
{
    struct cpu *cpu = machine_cpu_to_change(machine);
    uint8_t *bytes = fpu_bytes(cpu, name);
    uint32_t word = 0;
    if (bytes) {
        memcpy(bytes, value, name->bytes);
        if (name->kind == REGISTER_MXCSR) {
            memcpy(&word, bytes, sizeof(word));
            fpu_area_put32(cpu, FPU_AREA_MXCSR, word & MXCSR_BITS);
        }
    } else {
        memcpy(&word, value, name->bytes < sizeof(word) ? name->bytes : sizeof(word));
        set_word(machine, cpu, name, word);
    }
    if (name->kind == REGISTER_CONTROL || name->kind == REGISTER_DEBUG) {
        cpu_loaded(cpu);
    } else {
        cpu_registers_loaded(cpu);
    }
}
