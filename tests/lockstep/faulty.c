#include "faulty.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    PATIENCE_MS = 500,
};

const uint8_t faulty_counting[FAULTY_COUNTING_BYTES] = {
    0x31, 0xc0,             /* xor ax, ax */
    0x8e, 0xd8,             /* mov ds, ax */
    0x31, 0xdb,             /* xor bx, bx */
    0x40,                   /* inc ax */
    0x01, 0x06, 0x00, 0x05, /* add [0x500], ax */
    0x43,                   /* inc bx */
    0xeb, 0xf8,             /* jmp back to the first inc */
};

uint64_t faulty_at;

static void flip_register(struct cpu *cpu)
{
    cpu->regs[REGISTER_EBX] ^= 1;
}

static void flip_memory(struct cpu *cpu)
{
    cpu->wiring.memory->ram->host[FAULTY_ADDRESS] ^= 0x10;
}

static void crash(struct cpu *cpu)
{
    (void)cpu;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void hang(struct cpu *cpu)
{
    (void)cpu;
    for (;;) {
        pause();
    }
}

static enum cpu_exit run_with(struct cpu *cpu, uint64_t budget,
                              void (*fault)(struct cpu *cpu))
{
    if (cpu->retired < faulty_at && faulty_at - cpu->retired <= budget) {
        uint64_t end = cpu->retired + budget;
        enum cpu_exit why = interpreter_engine.run(cpu, faulty_at - cpu->retired);
        if (cpu->retired == faulty_at) {
            fault(cpu);
        }
        if (why != CPU_EXIT_BUDGET) {
            return why;
        }
        budget = end - cpu->retired;
    }
    return interpreter_engine.run(cpu, budget);
}

enum cpu_exit faulty_run_with_register(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, flip_register);
}

enum cpu_exit faulty_run_with_memory(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, flip_memory);
}

enum cpu_exit faulty_run_with_crash(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, crash);
}

enum cpu_exit faulty_run_with_hang(struct cpu *cpu, uint64_t budget)
{
    return run_with(cpu, budget, hang);
}

enum cpu_exit faulty_run_with_width(struct cpu *cpu, uint64_t budget)
{
    bool wide = cpu->retired + FAULTY_WIDTH <= faulty_at &&
                cpu->retired + budget >= faulty_at + FAULTY_WIDTH;
    return wide ? run_with(cpu, budget, flip_register)
                : interpreter_engine.run(cpu, budget);
}

struct faulty_shared *faulty_shared;

bool faulty_share(void)
{
    faulty_shared = mmap(NULL, sizeof(*faulty_shared), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return faulty_shared != MAP_FAILED;
}

enum cpu_exit faulty_run_with_luck(struct cpu *cpu, uint64_t budget)
{
    enum cpu_exit why = faulty_shared->done ? interpreter_engine.run(cpu, budget)
                                            : run_with(cpu, budget, flip_register);
    faulty_shared->done = faulty_shared->done || cpu->retired >= faulty_at;
    return why;
}

static bool create(struct cpu *cpu, struct error *error)
{
    faulty_shared->created++;
    return interpreter_engine.create(cpu, error);
}

struct lockstep_config faulty_config(const char *bios_path, const uint8_t *code,
                                     size_t length, faulty_run *run)
{
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    static uint8_t bios[BIOS_BYTES];
    static struct cpu_engine engine;
    memset(bios, 0, sizeof(bios));
    memcpy(bios, code, length);
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    FILE *file = fopen(bios_path, "wb");
    bool written = file && fwrite(bios, 1, sizeof(bios), file) == sizeof(bios);
    assert(written);
    fclose(file);
    engine = interpreter_engine;
    engine.name = "faulty";
    engine.create = create;
    engine.run = run ? run : interpreter_engine.run;
    return (struct lockstep_config){
        .machine = {.ram_bytes = 4 << 20,
                    .bios = bios_path,
                    .clock = CLOCK_KIND_COUNTED,
                    .devices = {"isa-debug-exit"}},
        .engines = {{"interpreter", NULL}, {"faulty", &engine}},
        .every = 1000,
        .patience_ms = PATIENCE_MS,
    };
}
