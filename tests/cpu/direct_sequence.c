#include "direct_sequence.h"

#include "isa_steering.h"

#include <string.h>

enum {
    ATTEMPTS = 400,      /* to find the next instruction */
    ITERATIONS_MAX = 64, /* of a repeated instruction */
    ONE_IN_SPECIAL = 5,
    ONE_IN_FAULTS_KEPT = 8,
    OPCODE_HLT = 0xf4,
    ACCESS_TLS = 0xc0f3,
    SHORT_LIMIT = 0x1000 - 1,
    SPECIAL_BYTES = 16,
};

/* What the generator has no use for since the host cannot judge it, but the
 * interpreter can. EAX to ESP are whatever they are. */
static const struct {
    uint8_t count, bytes[SPECIAL_BYTES];
} specials[] = {
    {2, {0x0f, 0xa2}},                         /* cpuid */
    {4, {0x31, 0xc0, 0x0f, 0xa2}},             /* xor eax, eax; cpuid */
    {2, {0x0f, 0x31}},                         /* rdtsc */
    {3, {0x0f, 0x01, 0xf9}},                   /* rdtscp */
    {5, {0x0f, 0x01, 0x44, 0x24, 0xf0}},       /* sgdt [esp - 16] */
    {5, {0x0f, 0x01, 0x4c, 0x24, 0xf0}},       /* sidt [esp - 16] */
    {3, {0x0f, 0x00, 0xc0}},                   /* sldt eax */
    {3, {0x0f, 0x00, 0xc9}},                   /* str ecx */
    {3, {0x0f, 0x01, 0xe2}},                   /* smsw edx */
    {5, {0x0f, 0x01, 0x64, 0x24, 0xf8}},       /* smsw [esp - 8] */
    {3, {0x0f, 0x02, 0xc1}},                   /* lar eax, ecx */
    {3, {0x0f, 0x03, 0xd0}},                   /* lsl edx, eax */
    {3, {0x0f, 0x00, 0xe0}},                   /* verr ax */
    {3, {0x0f, 0x00, 0xe9}},                   /* verw cx */
    {5, {0xb8, 0x2b, 0x00, 0x00, 0x00}},       /* mov eax, 2bh: a selector */
    {5, {0xb9, 0x53, 0x00, 0x00, 0x00}},       /* mov ecx, 53h */
    {5, {0xba, 0x0f, 0x00, 0x00, 0x00}},       /* mov edx, 0fh */
    {3, {0x0f, 0x02, 0xc0}},                   /* lar eax, eax */
    {2, {0xcd, 0x80}},                         /* int 80h */
    {3, {0x66, 0xcd, 0x80}},                   /* likewise */
    {2, {0xcd, 0x20}},                         /* int 20h */
    {2, {0xcd, 0x03}},                         /* int 3, the long way */
    {1, {0xcc}},                               /* int3 */
    {2, {0x66, 0xcc}},                         /* likewise */
    {1, {0xce}},                               /* into */
    {1, {0xf1}},                               /* icebp */
    {1, {0xf4}},                               /* hlt */
    {1, {0xfa}},                               /* cli */
    {1, {0xfb}},                               /* sti */
    {1, {0xec}},                               /* in al, dx */
    {2, {0xe7, 0x80}},                         /* out 80h, eax */
    {1, {0x6c}},                               /* insb */
    {2, {0xf3, 0x6f}},                         /* rep outsd */
    {1, {0x9c}},                               /* pushf */
    {2, {0x66, 0x9c}},                         /* pushf, 16 bits */
    {1, {0x9d}},                               /* popf */
    {6, {0x68, 0x02, 0x01, 0x00, 0x00, 0x9d}}, /* push TF; popf */
    {6, {0x68, 0x02, 0x40, 0x00, 0x00, 0x9d}}, /* push NT; popf */
    {6, {0x68, 0x02, 0x00, 0x04, 0x00, 0x9d}}, /* push AC; popf */
    {6, {0x68, 0x02, 0x04, 0x20, 0x00, 0x9d}}, /* push ID, DF; popf */
    {6, {0x68, 0xd7, 0x3f, 0x01, 0x00, 0x9d}}, /* push IF, IOPL, TF, RF…; popf */
    /* push TF, NT, ID; popf; and the step is of mov eax, cs; or int 80h; or meets the
     * gate that stands for mov eax, 20 and int 80h */
    {8, {0x68, 0x02, 0x41, 0x20, 0x00, 0x9d, 0x8c, 0xc8}},
    {8, {0x68, 0x02, 0x41, 0x20, 0x00, 0x9d, 0xcd, 0x80}},
    {13,
     {0x68, 0x02, 0x41, 0x20, 0x00, 0x9d, 0xb8, 0x14, 0x00, 0x00, 0x00, 0xcd, 0x80}},
    /* the same without TF: a signal may meet the gate */
    {13,
     {0x68, 0x02, 0x40, 0x20, 0x00, 0x9d, 0xb8, 0x14, 0x00, 0x00, 0x00, 0xcd, 0x80}},
    {2, {0x8c, 0xc8}},                               /* mov eax, cs */
    {2, {0x8c, 0xd9}},                               /* mov ecx, ds */
    {4, {0x8c, 0x64, 0x24, 0xfc}},                   /* mov [esp - 4], fs */
    {2, {0x8e, 0xe0}},                               /* mov fs, eax */
    {2, {0x8e, 0xe9}},                               /* mov gs, ecx */
    {2, {0x8e, 0xc0}},                               /* mov es, eax */
    {7, {0xb8, 0x2b, 0x00, 0x00, 0x00, 0x8e, 0xd0}}, /* mov eax, 2bh; mov ss, eax */
    {1, {0x0e}},                                     /* push cs */
    {2, {0x0e, 0x07}},                               /* push cs; pop es */
    {3, {0x6a, 0x00, 0x07}},                         /* push 0; pop es */
    {3, {0x6a, 0x00, 0x1f}},                         /* push 0; pop ds */
    {3, {0x6a, 0x0f, 0x1f}},                         /* push 0fh; pop ds */
    {3, {0x6a, 0x2b, 0x1f}},                         /* push 2bh; pop ds */
    {3, {0x6a, 0x2b, 0x07}},                         /* push 2bh; pop es */
    {3, {0x6a, 0x2b, 0x17}},                         /* push 2bh; pop ss */
    {2, {0x0f, 0xa0}},                               /* push fs */
    {2, {0x0f, 0xa8}},                               /* push gs */
    {4, {0x6a, 0x53, 0x0f, 0xa1}},                   /* push 53h; pop fs */
    {4, {0x6a, 0x5b, 0x0f, 0xa9}},                   /* push 5bh; pop gs */
    {4, {0x6a, 0x0f, 0x0f, 0xa1}},                   /* push 0fh; pop fs */
    {4, {0x6a, 0x00, 0x0f, 0xa9}},                   /* push 0; pop gs */
    {7, {0x64, 0x8b, 0x05, 0x40, 0x10, 0x00, 0x20}}, /* mov eax, fs:[…] */
    {7, {0x65, 0x01, 0x0d, 0x80, 0x10, 0x00, 0x20}}, /* add gs:[…], ecx */
    {7,
     {0x65, 0x8b, 0x15, 0xfc, 0x1f, 0x00, 0x20}}, /* mov edx, gs:[…], over a border */
    {2, {0x0f, 0x05}},                            /* syscall */
    {3, {0x0f, 0x01, 0xd0}},                      /* xgetbv */
    {5, {0x31, 0xc9, 0x0f, 0x01, 0xd0}},          /* xor ecx, ecx; xgetbv */
    {2, {0x0f, 0x33}},                            /* rdpmc */
    {2, {0x0f, 0x32}},                            /* rdmsr */
    {3, {0x0f, 0x20, 0xc0}},                      /* mov eax, cr0 */
    {2, {0x0f, 0x06}},                            /* clts */
    {2, {0x0f, 0x08}},                            /* invd */
    {2, {0x0f, 0x0b}},                            /* ud2 */
    {3, {0x0f, 0xff, 0xc0}},                      /* ud0 eax, eax */
    {4, {0x62, 0x44, 0x24, 0xf0}},                /* bound eax, [esp - 16] */
    {6, {0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1}},    /* xor edx, ecx; div ecx */
    {4, {0xc4, 0x64, 0x24, 0xf0}},                /* les esp, [esp - 16] */
    {5, {0x0f, 0xb4, 0x44, 0x24, 0xf0}},          /* lfs eax, [esp - 16] */
    {2, {0xff, 0xf8}},                            /* invalid group 5 */
    {2, {0xf0, 0x90}},                            /* lock nop */
    {4, {0x66, 0x90, 0x0f, 0xa2}},                /* nop; cpuid */
};

void sequence_lay_out(struct direct_world *world)
{
    static const struct {
        uint16_t selector;
        uint32_t limit;
    } tls[] = {{SEQUENCE_TLS, UINT32_MAX},
               {SEQUENCE_TLS_SHORT, ORACLE_DATA + SHORT_LIMIT}};
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        for (unsigned i = 0; i < ARRAY_LENGTH(tls); i++) {
            cpu_fixture_set_descriptor(
                &world->sides[side].fixture, tls[i].selector,
                cpu_fixture_descriptor(SEQUENCE_TLS_BASE, tls[i].limit, ACCESS_TLS));
        }
    }
    direct_world_handle(world, SEQUENCE_SYSTEM_CALL, NULL, 0);
    for (unsigned i = 0; i < DUEL_PAGES / 2; i++) {
        uint32_t offset = i * PAGE_BYTES;
        direct_world_map(world, world->roots[0], ORACLE_CODE + offset,
                         (SEQUENCE_CODE + offset) | ENTRY_LEAF_RIGHTS);
        direct_world_map(world, world->roots[0], ORACLE_DATA + offset,
                         (SEQUENCE_DATA + offset) | ENTRY_LEAF_RIGHTS);
    }
    direct_world_map(world, world->roots[0], ORACLE_READ_ONLY,
                     (SEQUENCE_DATA + ORACLE_DATA_BYTES) | P | U);
    direct_world_flush(world);
}

/* Mostly what is executed directly. */
static void random_start(struct isa_generator *generator, struct duel_case *duel_case)
{
    static const uint16_t selectors[] = {ORACLE_DS, SEQUENCE_TLS, SEQUENCE_TLS_SHORT,
                                         0};
    struct random *random = &generator->random;
    struct oracle_state *state = &duel_case->before;
    bool any = random_one_in(random, 12);
    do {
        isa_random_state(generator, duel_case);
    } while (state->segments[SEGMENT_CS] != ORACLE_CS ||
             (!any && (state->segments[SEGMENT_SS] != ORACLE_DS ||
                       state->segments[SEGMENT_DS] != ORACLE_DS ||
                       state->segments[SEGMENT_ES] != ORACLE_DS)));
    for (unsigned i = SEGMENT_FS; i <= SEGMENT_GS; i++) {
        if (!random_one_in(random, 8)) {
            state->segments[i] = selectors[random_below(random, 2)];
        } else if (!random_one_in(random, 3)) {
            state->segments[i] = selectors[random_below(random, 4)];
        }
    }
}

/* Runs the one instruction of `next` and moves on to where it leads; its vector or -1.
 */
static int step(struct direct_world *world, struct duel_case *next)
{
    struct cpu_fixture *fixture = &world->sides[SIDE_REFERENCE].fixture;
    struct cpu *cpu = fixture->cpu;
    struct duel_side side = {.outcome = {.vector = -1}};
    uint8_t code[ORACLE_CODE_BYTES];
    uint32_t eip = next->before.eip;
    memset(code, OPCODE_HLT, sizeof(code));
    memcpy(code + (eip - ORACLE_CODE), next->code, next->length);
    cpu_fixture_store(fixture, SEQUENCE_CODE, code, sizeof(code));
    memcpy(cpu_fixture_ram(fixture, SEQUENCE_DATA), next->data, sizeof(next->data));
    duel_load_guest(fixture, &next->before);
    unsigned steps = 0;
    do {
        cpu_fixture_run(fixture, 1);
    } while (cpu->cpl == 3 && cpu->eip - eip < next->length &&
             steps++ < ITERATIONS_MAX);
    if (cpu->cpl == 0 && !cpu->halted) {
        cpu_fixture_run(fixture, 1);
    }
    duel_keep_guest(fixture, &side);
    next->before = side.state;
    memcpy(next->data, cpu_fixture_ram(fixture, SEQUENCE_DATA), sizeof(next->data));
    next->before.eflags &= ~(uint32_t)(EFLAGS_TF | EFLAGS_RF);
    return side.outcome.vector;
}

static bool leaves(const struct duel_case *next, uint32_t eip, unsigned length)
{
    return next->before.eip - ORACLE_CODE >= ORACLE_CODE_BYTES ||
           next->before.eip - eip > length;
}

/* Takes one of the specials if it comes to an end in any way. */
static bool find_special(struct direct_world *world, struct isa_generator *generator,
                         const struct duel_case *next, struct duel_case *tried)
{
    unsigned i = random_below(&generator->random, ARRAY_LENGTH(specials));
    *tried = *next;
    memcpy(tried->code, specials[i].bytes, specials[i].count);
    tried->length = specials[i].count;
    step(world, tried);
    return true;
}

/* Whether it leads to something that was not made up to be an instruction. */
static bool jumps_near(const struct duel_case *next, const struct instruction *decoded)
{
    return instruction_row(decoded)->operands[0].method == OPERAND_J &&
           decoded->immediate - next->before.eip + DUEL_CODE_MAX < 2 * DUEL_CODE_MAX &&
           decoded->immediate != instruction_next_eip(decoded);
}

/* By AMD operands of SHA1… and SHA256… need no alignment. */
static bool is_sha_of_memory(const struct instruction *decoded)
{
    return decoded->memory &&
           strncmp(instruction_row(decoded)->mnemonic, "SHA", 3) == 0;
}

/* Registers and memory are as the sequence has left them: only its displacement can be
 * bent. */
static bool find_plain(struct direct_world *world, struct isa_generator *generator,
                       const struct duel_case *next, struct duel_case *tried)
{
    struct instruction decoded;
    unsigned row = random_below(&generator->random, instruction_row_count);
    if (isa_unsuited(generator, &instruction_rows[row])) {
        return false;
    }
    *tried = *next;
    bool steer = !random_one_in(&generator->random, 8);
    tried->length =
        isa_random_instruction(generator, row, tried, tried->code, steer, &decoded);
    if (tried->length == 0 || decoded.length == 0 ||
        isa_unsuited_in_sequence(instruction_row(&decoded)) ||
        jumps_near(next, &decoded) || is_sha_of_memory(&decoded) ||
        memcmp(&tried->before, &next->before, sizeof(next->before)) != 0 ||
        memcmp(tried->data, next->data, sizeof(next->data)) != 0) {
        return false;
    }
    uint32_t eip = next->before.eip;
    int vector = step(world, tried);
    return vector >= 0 ? random_one_in(&generator->random, ONE_IN_FAULTS_KEPT)
                       : tried->before.eip == eip + tried->length ||
                             (leaves(tried, eip, tried->length) &&
                              random_one_in(&generator->random, ONE_IN_FAULTS_KEPT));
}

static void append(struct sequence *sequence, const struct duel_case *instruction)
{
    struct duel_case *all = &sequence->duel_case;
    memcpy(all->code + all->length, instruction->code, instruction->length);
    all->length += instruction->length;
    sequence->item[sequence->items].exemptions = instruction->exemptions;
    sequence->item[++sequence->items].offset = (uint16_t)all->length;
}

void sequence_grow(struct direct_world *world, struct isa_generator *generator,
                   struct sequence *sequence)
{
    struct random *random = &generator->random;
    struct duel_case next, tried;
    unsigned wanted = 2 + random_below(random, SEQUENCE_ITEMS - 2);
    memset(sequence, 0, sizeof(*sequence));
    random_start(generator, &sequence->duel_case);
    sequence->duel_case.first_eip = sequence->duel_case.before.eip;
    next = sequence->duel_case;
    bool left = false; /* by a jump: what follows might be what it leads into */
    for (unsigned i = 0; i < ATTEMPTS && sequence->items < wanted && !left; i++) {
        uint32_t eip = next.before.eip;
        next.exemptions = 0;
        if (random_one_in(random, 8 * ONE_IN_SPECIAL)
                ? find_special(world, generator, &next, &tried)
                : find_plain(world, generator, &next, &tried)) {
            append(sequence, &tried);
            left = leaves(&tried, eip, tried.length);
            next = tried;
            next.before.eip =
                sequence->duel_case.first_eip + sequence->duel_case.length;
            next.before.segments[SEGMENT_CS] = ORACLE_CS;
        }
    }
}
