/* IN, OUT, INS, OUTS, and who may use a port (SDM vol. 2; vol. 1, 18.5). */
#include "cpu/core/debug.h"
#include "cpu/interpreter/descriptor.h"
#include "cpu/interpreter/string_loop.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/system_operands.h"

/* Whether the bitmap at the end of the TSS allows all ports of the access. Two bytes
 * are read whatever the width; both must be inside the TSS. */
static bool io_map_allows(struct cpu *cpu, uint16_t port, unsigned width)
{
    const struct segment *tr = &cpu->tr;
    if (!(tr->access & SEGMENT_PRESENT) || !(tr->access & DESCRIPTOR_GATE_32) ||
        tr->limit < TSS_IO_MAP + 1) {
        return false;
    }
    uint32_t place = supervisor_read16(cpu, tr->base + TSS_IO_MAP) + port / 8U;
    if (place + 1 > tr->limit) {
        return false;
    }
    unsigned bits = supervisor_read16(cpu, tr->base + place) >> (port % 8);
    return !(bits & ((1U << width) - 1));
}

void port_check(struct cpu *cpu, uint16_t port, unsigned width)
{
    if (!(cpu->cr0 & CR0_PE) || (!cpu_v86(cpu) && cpu->cpl <= cpu_iopl(cpu))) {
        return;
    }
    if (!io_map_allows(cpu, port, width)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static uint32_t input(struct cpu *cpu, uint16_t port, unsigned width)
{
    uint32_t value = cpu_port_read(cpu, port, width);
    cpu->dr6_pending |= debug_match_port(cpu, port, width);
    return value;
}

static void output(struct cpu *cpu, uint16_t port, uint32_t value, unsigned width)
{
    cpu_port_write(cpu, port, value, width);
    cpu->dr6_pending |= debug_match_port(cpu, port, width);
}

static const struct instruction *in(struct cpu *cpu,
                                    const struct instruction *instruction,
                                    uint16_t port, unsigned width)
{
    port_check(cpu, port, width);
    register_write(cpu, REGISTER_EAX, input(cpu, port, width), width);
    return instruction + 1;
}

static const struct instruction *out(struct cpu *cpu,
                                     const struct instruction *instruction,
                                     uint16_t port, unsigned width)
{
    uint32_t value = cpu->regs[REGISTER_EAX];
    port_check(cpu, port, width);
    output(cpu, port, width == 4 ? value : value & ((1U << (8 * width)) - 1), width);
    return instruction + 1;
}

static uint16_t immediate_port(const struct instruction *instruction)
{
    return instruction->immediate & 0xff;
}

static uint16_t register_port(const struct cpu *cpu)
{
    return (uint16_t)cpu->regs[REGISTER_EDX];
}

static const struct instruction *in_AL_Ib(struct cpu *cpu,
                                          const struct instruction *instruction)
{
    return in(cpu, instruction, immediate_port(instruction), 1);
}

static const struct instruction *in_eAX_Ib(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return in(cpu, instruction, immediate_port(instruction),
              instruction->operand_bytes);
}

static const struct instruction *in_AL_DX(struct cpu *cpu,
                                          const struct instruction *instruction)
{
    return in(cpu, instruction, register_port(cpu), 1);
}

static const struct instruction *in_eAX_DX(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return in(cpu, instruction, register_port(cpu), instruction->operand_bytes);
}

static const struct instruction *out_Ib_AL(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return out(cpu, instruction, immediate_port(instruction), 1);
}

static const struct instruction *out_Ib_eAX(struct cpu *cpu,
                                            const struct instruction *instruction)
{
    return out(cpu, instruction, immediate_port(instruction),
               instruction->operand_bytes);
}

static const struct instruction *out_DX_AL(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return out(cpu, instruction, register_port(cpu), 1);
}

static const struct instruction *out_DX_eAX(struct cpu *cpu,
                                            const struct instruction *instruction)
{
    return out(cpu, instruction, register_port(cpu), instruction->operand_bytes);
}

/* One iteration: memory is probed before the port is read, as reading has effects. */
static void ins_once(struct cpu *cpu, const struct instruction *instruction,
                     unsigned width)
{
    uint32_t offset = cpu->regs[REGISTER_EDI] & instruction->address_mask;
    segment_probe_write(cpu, SEGMENT_ES, offset, width);
    uint32_t value = input(cpu, register_port(cpu), width);
    if (width == 1) {
        segment_write8(cpu, SEGMENT_ES, offset, (uint8_t)value);
    } else if (width == 2) {
        segment_write16(cpu, SEGMENT_ES, offset, (uint16_t)value);
    } else {
        segment_write32(cpu, SEGMENT_ES, offset, value);
    }
    bool down = cpu->system_flags & EFLAGS_DF;
    string_advance(cpu, instruction, REGISTER_EDI, down ? 0U - width : width);
}

static void outs_once(struct cpu *cpu, const struct instruction *instruction,
                      unsigned width)
{
    uint32_t offset = cpu->regs[REGISTER_ESI] & instruction->address_mask;
    uint32_t value;
    if (width == 1) {
        value = segment_read8(cpu, instruction->segment, offset);
    } else if (width == 2) {
        value = segment_read16(cpu, instruction->segment, offset);
    } else {
        value = segment_read32(cpu, instruction->segment, offset);
    }
    output(cpu, register_port(cpu), value, width);
    bool down = cpu->system_flags & EFLAGS_DF;
    string_advance(cpu, instruction, REGISTER_ESI, down ? 0U - width : width);
}

typedef void string_iteration(struct cpu *cpu, const struct instruction *instruction,
                              unsigned width);

/* Also if INS may have overwritten itself since there were `kills` of code. */
static bool must_look_up(const struct cpu *cpu, uint64_t kills)
{
    return cpu->stepping || cpu_retired(cpu) >= cpu->budget_end ||
           cpu->code_cache->kills != kills || string_is_transient(cpu) ||
           atomic_load_explicit(&cpu->request, memory_order_relaxed);
}

static const struct instruction *transfer(struct cpu *cpu,
                                          const struct instruction *instruction,
                                          unsigned width, string_iteration *iterate)
{
    /* Also where nothing is left to repeat. */
    port_check(cpu, register_port(cpu), width);
    if (!string_repeats(instruction)) {
        iterate(cpu, instruction, width);
        return instruction + 1;
    }
    if (string_count(cpu, instruction) == 0) {
        return instruction + 1;
    }
    const uint64_t kills = cpu->code_cache->kills;
    bool done;
    do {
        iterate(cpu, instruction, width);
        string_account(cpu, instruction, 1);
        done = string_count(cpu, instruction) == 0;
    } while (!done && !must_look_up(cpu, kills));
    return string_leave(cpu, instruction, done);
}

static const struct instruction *ins_Yb_DX(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return transfer(cpu, instruction, 1, ins_once);
}

static const struct instruction *ins_Yz_DX(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    return transfer(cpu, instruction, instruction->operand_bytes, ins_once);
}

static const struct instruction *outs_DX_Xb(struct cpu *cpu,
                                            const struct instruction *instruction)
{
    return transfer(cpu, instruction, 1, outs_once);
}

static const struct instruction *outs_DX_Xz(struct cpu *cpu,
                                            const struct instruction *instruction)
{
    return transfer(cpu, instruction, instruction->operand_bytes, outs_once);
}

const struct handler_set exec_in_AL_Ib = HANDLER_SET_ONE(in_AL_Ib);
const struct handler_set exec_in_eAX_Ib = HANDLER_SET_ONE(in_eAX_Ib);
const struct handler_set exec_in_AL_DX = HANDLER_SET_ONE(in_AL_DX);
const struct handler_set exec_in_eAX_DX = HANDLER_SET_ONE(in_eAX_DX);
const struct handler_set exec_out_Ib_AL = HANDLER_SET_ONE(out_Ib_AL);
const struct handler_set exec_out_Ib_eAX = HANDLER_SET_ONE(out_Ib_eAX);
const struct handler_set exec_out_DX_AL = HANDLER_SET_ONE(out_DX_AL);
const struct handler_set exec_out_DX_eAX = HANDLER_SET_ONE(out_DX_eAX);
const struct handler_set exec_ins_Yb_DX = HANDLER_SET_ONE(ins_Yb_DX);
const struct handler_set exec_ins_Yz_DX = HANDLER_SET_ONE(ins_Yz_DX);
const struct handler_set exec_outs_DX_Xb = HANDLER_SET_ONE(outs_DX_Xb);
const struct handler_set exec_outs_DX_Xz = HANDLER_SET_ONE(outs_DX_Xz);
