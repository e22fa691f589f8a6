/* SYSENTER and SYSEXIT (SDM vol. 2; vol. 3, 5.8.7). */
#include "cpu/interpreter/descriptor.h"
#include "cpu/interpreter/system_operands.h"

enum {
    FLAT_DATA = SEGMENT_PRESENT | SEGMENT_NOT_SYSTEM | SEGMENT_WRITABLE |
                SEGMENT_ACCESSED | SEGMENT_BIG | SEGMENT_GRANULAR,
    FLAT_CODE = FLAT_DATA | SEGMENT_CODE,
    /* Places of the other selectors after SYSENTER_CS. */
    SYSENTER_SS = 8,
    SYSEXIT_CS = 16,
    SYSEXIT_SS = 24,
};

/* The segments are flat whatever their descriptors say. */
static void load_flat(struct cpu *cpu, enum segment_number number, uint32_t selector,
                      unsigned access, unsigned cpl)
{
    struct segment *segment = &cpu->segments[number];
    *segment = (struct segment){
        .selector = (uint16_t)((selector & ~(uint32_t)SELECTOR_RPL) | cpl),
        .access = (uint16_t)(access | cpl << SEGMENT_DPL_SHIFT),
        .limit = UINT32_MAX,
    };
    segment_update(segment);
}

static void require_sysenter(struct cpu *cpu)
{
    if (!(cpu->cr0 & CR0_PE) || selector_is_null((uint16_t)cpu->sysenter_cs)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static const struct instruction *sysenter(struct cpu *cpu,
                                          const struct instruction *instruction)
{
    require_sysenter(cpu);
    cpu->system_flags &= ~(uint32_t)(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    load_flat(cpu, SEGMENT_CS, cpu->sysenter_cs, FLAT_CODE, 0);
    load_flat(cpu, SEGMENT_SS, cpu->sysenter_cs + SYSENTER_SS, FLAT_DATA, 0);
    cpu->regs[REGISTER_ESP] = cpu->sysenter_esp;
    cpu->eip = cpu->sysenter_eip;
    cpu_update_mode(cpu);
    return NULL;
}

static const struct instruction *sysexit(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    require_sysenter(cpu);
    require_cpl0(cpu);
    load_flat(cpu, SEGMENT_CS, cpu->sysenter_cs + SYSEXIT_CS, FLAT_CODE, 3);
    load_flat(cpu, SEGMENT_SS, cpu->sysenter_cs + SYSEXIT_SS, FLAT_DATA, 3);
    cpu->regs[REGISTER_ESP] = cpu->regs[REGISTER_ECX];
    cpu->eip = cpu->regs[REGISTER_EDX];
    cpu_update_mode(cpu);
    return NULL;
}

const struct handler_set exec_sysenter = HANDLER_SET_ONE(sysenter);
const struct handler_set exec_sysexit = HANDLER_SET_ONE(sysexit);
