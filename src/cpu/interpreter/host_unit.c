#define _GNU_SOURCE /* memfd_create() */
#include "cpu/interpreter/host_unit.h"

#include "cpu/core/exception.h"
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/host_encode.h"
#include "cpu/interpreter/vector_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STUBS_BYTES = HOST_FORMS * HOST_STUB_BYTES };

/* One memory, two mappings: written here, executed there. */
static bool map_stubs(struct host_unit *unit, struct error *error)
{
    int fd = memfd_create("faumachine-stubs", MFD_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot create memory for code");
    }
    void *writable = MAP_FAILED, *executable = MAP_FAILED;
    if (ftruncate(fd, STUBS_BYTES) == 0) {
        writable = mmap(NULL, STUBS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        executable = mmap(NULL, STUBS_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    int host_errno = errno;
    close(fd);
    unit->writable = writable == MAP_FAILED ? NULL : writable;
    unit->executable = executable == MAP_FAILED ? NULL : executable;
    if (!unit->writable || !unit->executable) {
        return error_set_errno(error, host_errno,
                               "the host refuses executable memory (memfd)");
    }
    return true;
}

bool host_unit_create(struct cpu *cpu, struct error *error)
{
    void *memory = mmap(NULL, sizeof(struct host_unit), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return error_set_errno(error, errno, "cannot allocate memory");
    }
    cpuid_init(&cpu->cpuid);
    cpu->host_unit = memory;
    cpu->host_unit->generation = 1;
    if (!map_stubs(cpu->host_unit, error)) {
        host_unit_destroy(cpu);
        return false;
    }
    return true;
}

void host_unit_destroy(struct cpu *cpu)
{
    struct host_unit *unit = cpu->host_unit;
    if (!unit) {
        return;
    }
    fpu_park(cpu);
    if (unit->writable) {
        munmap(unit->writable, STUBS_BYTES);
    }
    if (unit->executable) {
        munmap((void *)unit->executable, STUBS_BYTES);
    }
    munmap(unit, sizeof(*unit));
    cpu->host_unit = NULL;
}

/* All that the host needs to know: row, registers, immediate, VEX fields. */
static uint64_t form_key(const struct instruction *instruction)
{
    return (uint64_t)instruction->row << 32 |
           (uint64_t)(instruction->immediate & 0xff) << 16 |
           (uint64_t)instruction->memory << 15 | (uint64_t)instruction->reg << 9 |
           (uint64_t)instruction->rm << 6 | (uint64_t)instruction->vex_register << 3 |
           instruction->vex_flags;
}

static unsigned bucket_of(uint64_t key)
{
    return (unsigned)((key * 0x9e3779b97f4a7c15ULL) >> 32) & (HOST_BUCKETS - 1);
}

/* The form's bucket, or the free one where it belongs. */
static uint16_t *find_bucket(struct host_unit *unit, uint64_t key)
{
    unsigned i = bucket_of(key);
    while (unit->buckets[i] && unit->forms[unit->buckets[i] - 1].key != key) {
        i = (i + 1) & (HOST_BUCKETS - 1);
    }
    return &unit->buckets[i];
}

/* Instructions keep the numbers of forms that are gone; the generation tells. */
static void forget_forms(struct host_unit *unit)
{
    memset(unit->buckets, 0, sizeof(unit->buckets));
    unit->form_count = 0;
    unit->generation++;
    if (unit->generation >> (32 - HOST_FORM_BITS)) {
        unit->generation = 1;
    }
}

/* IRET is the cheapest instruction that serializes (SDM vol. 3, section 8.3). */
void host_unit_serialize(void)
{
    uint64_t stack, scratch;
    __asm__ volatile("mov %%rsp, %0\n\t"
                     "lea -128(%%rsp), %%rsp\n\t" /* the red zone */
                     "mov %%ss, %k1\n\t"
                     "push %1\n\t"
                     "push %0\n\t"
                     "pushfq\n\t"
                     "mov %%cs, %k1\n\t"
                     "push %1\n\t"
                     "lea 1f(%%rip), %1\n\t"
                     "push %1\n\t"
                     "iretq\n"
                     "1:"
                     : "=&r"(stack), "=&r"(scratch)
                     :
                     : "memory");
}

struct host_demands host_demands_of(uint32_t attributes)
{
    struct host_demands demands = {.cr0_clear = CR0_TS};
    if (attributes & ROW_AVX) {
        demands.cr4_set = CR4_OSXSAVE;
        demands.xcr0_set = XCR0_SSE | XCR0_AVX;
        return demands;
    }
    demands.cr0_clear |= CR0_EM;
    demands.cr4_set = attributes & ROW_SSE ? CR4_OSFXSR : 0;
    demands.x87 = attributes & ROW_X87;
    return demands;
}

_Noreturn void host_refuse(struct cpu *cpu, const struct host_demands *demands)
{
    bool undefined = (cpu->cr0 & demands->cr0_clear & CR0_EM) ||
                     (~cpu->cr4 & demands->cr4_set) ||
                     (~(uint32_t)cpu->xcr0 & demands->xcr0_set);
    cpu_raise(cpu, undefined && !demands->x87 ? EXCEPTION_UD : EXCEPTION_NM);
}

static instruction_handler *special_x87(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    if (row->operands[0].size == SIZE_ENV) {
        return instruction->reg == 4 ? x87_load_environment : x87_store_environment;
    }
    if (row->operands[0].size == SIZE_STATE) {
        return instruction->reg == 4 ? x87_load_state : x87_store_state;
    }
    return row->operands[0].method == OPERAND_AX ? x87_store_status : NULL;
}

static instruction_handler *special_vector(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    if (row->attributes & ROW_VSIB) {
        return vector_gather;
    }
    if ((row->map == OPCODE_MAP_0F || row->map == OPCODE_MAP_VEX_0F) &&
        row->opcode == 0xf7) {
        return vector_masked_store_bytes;
    }
    if (row->map == OPCODE_MAP_VEX_0F38) {
        switch (row->opcode) {
        case 0x2c:
        case 0x2d:
        case 0x8c:
            return vector_masked_load;
        case 0x2e:
        case 0x2f:
        case 0x8e:
            return vector_masked_store;
        default:
            break;
        }
    }
    return NULL;
}

/* SDM vol. 1, section 8.1.8: what leaves the last instruction's pointers alone. */
static bool x87_controls(const struct instruction_row *row)
{
    if (row->opcode == 0xdb) {
        return !(row->attributes & ROW_WAITS); /* FNCLEX, FNINIT… */
    }
    return row->operands[0].size == SIZE_ENV || row->operands[0].size == SIZE_STATE ||
           row->operands[0].size == SIZE_W || row->operands[0].method == OPERAND_AX;
}

/* Directions and places of operands other than memory. */
static unsigned exchange_flags(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned flags = 0;
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        unsigned method = row->operands[i].method;
        if (method == OPERAND_G || (method == OPERAND_E && !instruction->memory)) {
            flags |= i == 0 ? HOST_GENERAL_OUT : HOST_GENERAL_IN;
        }
    }
    if (row->flags_written) {
        flags |= HOST_FLAGS_OUT;
    }
    if (row->flags_read) {
        flags |= HOST_FLAGS_IN;
    }
    /* PCMPESTRM, PCMPESTRI, PCMPISTRM, PCMPISTRI. */
    if ((row->map == OPCODE_MAP_0F3A || row->map == OPCODE_MAP_VEX_0F3A) &&
        (row->opcode & 0xfc) == 0x60) {
        flags |= row->opcode & 2 ? 0 : HOST_LENGTHS_IN;
        flags |= row->opcode & 1 ? HOST_INDEX_OUT : 0;
    }
    return flags;
}

static unsigned form_flags(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned flags = exchange_flags(instruction);
    if (row->attributes & ROW_X87) {
        /* The only memory operands that x87 instructions write. */
        bool stores = (row->opcode & 1) && instruction->reg != 0 &&
                      instruction->reg != 4 && instruction->reg != 5;
        flags |= stores ? HOST_STORES : 0;
        flags |= x87_controls(row) ? HOST_CONTROLS : 0;
    } else {
        flags |= row_memory_operand(row) == 0 ? HOST_STORES : 0;
        /* CVTPI2PS, CVTPI2PD: from memory, they leave x87 and MMX alone. */
        bool passes =
            row->map == OPCODE_MAP_0F && row->opcode == 0x2a && instruction->memory;
        if (row->attributes & ROW_MMX) {
            flags |= passes ? HOST_PASSES : HOST_WAITS;
        }
        flags |= row->attributes & (ROW_SSE | ROW_AVX) ? HOST_SIMD : 0;
        /* PUNPCKLBW, PUNPCKLWD, PUNPCKLDQ of MMX: some hosts read all of 64 bits. */
        bool half =
            row->operands[1].method == OPERAND_Q && row->operands[1].size == SIZE_D;
        flags |= half ? HOST_BUFFERED : 0;
    }
    flags |= row->attributes & ROW_WAITS ? HOST_WAITS : 0;
    return flags;
}

static void describe_form(struct host_form *form, const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned bytes = instruction_memory_bytes(instruction);
    *form = (struct host_form){
        .key = form_key(instruction),
        .demands = host_demands_of(row->attributes),
        .flags = (uint16_t)form_flags(instruction),
        .memory_bytes = (uint8_t)bytes,
        .special = row->attributes & ROW_X87 ? special_x87(instruction)
                                             : special_vector(instruction),
    };
    if ((row->attributes & ROW_ALIGNED) && bytes >= 16) {
        form->alignment_mask = (uint8_t)(bytes - 1);
    }
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        if (row->operands[i].method == OPERAND_G) {
            form->general = instruction->reg;
        } else if (row->operands[i].method == OPERAND_E) {
            form->general = instruction->rm;
        }
    }
}

static struct host_form *make_form(struct host_unit *unit,
                                   const struct instruction *instruction)
{
    unsigned number = unit->form_count++;
    struct host_form *form = &unit->forms[number];
    describe_form(form, instruction);
    host_encode_stub(instruction, form->flags,
                     unit->writable + number * HOST_STUB_BYTES);
    form->code = (host_code *)(uintptr_t)(unit->executable + number * HOST_STUB_BYTES);
    host_unit_serialize();
    return form;
}

/* The block cache owns the instruction and hands it out as const; its `stub` is ours.
 */
static void remember_form(const struct instruction *instruction, uint32_t stub)
{
    ((struct instruction *)instruction)->stub = stub;
}

const struct host_form *host_form_find(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    struct host_unit *unit = cpu->host_unit;
    fpu_park(cpu);
    uint16_t *bucket = find_bucket(unit, form_key(instruction));
    if (!*bucket && unit->form_count == HOST_FORMS) {
        forget_forms(unit);
        bucket = find_bucket(unit, form_key(instruction));
    }
    if (!*bucket) {
        make_form(unit, instruction);
        *bucket = (uint16_t)unit->form_count;
    }
    unsigned number = *bucket - 1U;
    remember_form(instruction, unit->generation << HOST_FORM_BITS | number);
    return &unit->forms[number];
}
