/* A new translation for the eye (TRACE_OUT_ASM). */
#include "cpu/core/fpu.h"
#include "cpu/interpreter/trace.h"
#include "cpu/jit/jit.h"
#include "disassembly/disassembly.h"

#include <inttypes.h>

static void trace_code(struct cpu *cpu, const uint8_t *first, const uint8_t *end)
{
    fpu_park(cpu);
    while (first < end) {
        char line[DISASSEMBLY_LINE_BYTES];
        size_t length =
            disassembly_host_line(first, (size_t)(end - first), (uintptr_t)first, line);
        cpu_trace(cpu, "%s\n", line);
        first += length;
    }
}

void jit_trace_translation(struct jit *jit, const struct translation *translation,
                           const uint8_t *stubs)
{
    struct cpu *cpu = jit->cpu;
    const struct block *block = translation->block;
    const uint8_t *code = translation->code;
    const uint8_t *end = emit_here(&jit->emitter), *stubs_end = emit_here(&jit->stubs);
    cpu_trace(cpu, "OUT: [size=%zu] %08x, assumptions %05x\n",
              (size_t)(end - translation->indirect + (stubs_end - stubs)),
              translation->eip, translation->assumptions);
    cpu_trace(cpu, "  -- entry of indirect jumps\n");
    trace_code(cpu, translation->indirect, code);
    cpu_trace(cpu, "  -- entry\n");
    trace_code(cpu, code, code + translation->offsets[0]);
    for (uint32_t i = 0; i < translation->count; i++) {
        cpu_trace(cpu, "  -- guest addr 0x%08x\n", block->instructions[i].eip);
        trace_code(cpu, code + translation->offsets[i],
                   code + translation->offsets[i + 1]);
    }
    cpu_trace(cpu, "  -- exits\n");
    trace_code(cpu, code + translation->offsets[translation->count], end);
    trace_code(cpu, stubs, stubs_end);
    cpu_trace(cpu, "\n");
}
