/* How a program grows. */
#include "program_internal.h"

#include <string.h>

enum {
    ATTEMPTS = 400,      /* to find the next instruction */
    ITERATIONS_MAX = 64, /* of a repeated instruction */
    ADVANCE_STEPS = 200, /* of the host, from one piece to the next */
    GROWTH_STEPS = 1500, /* in all */
    RUN_STEPS_MIN = 100, /* of a finished program */
    RUN_STEPS_MAX = 600,
};

static struct random *random_of(const struct program_grower *grower)
{
    return &grower->generator->random;
}

uint32_t program_end(const struct program_grower *grower)
{
    const struct duel_case *code = &grower->program->duel_case;
    return code->first_eip + code->length;
}

uint8_t *program_live(const struct program_grower *grower, uint32_t eip)
{
    gla_t address = duel_code_address(&grower->now.before, eip);
    return host_oracle_code() + (address - ORACLE_CODE);
}

void program_patch(struct program_grower *grower, uint32_t eip, const void *bytes,
                   unsigned count)
{
    struct duel_case *code = &grower->program->duel_case;
    memcpy(code->code + (eip - code->first_eip), bytes, count);
    memcpy(program_live(grower, eip), bytes, count);
}

bool program_append(struct program_grower *grower, const void *bytes, unsigned count)
{
    struct duel_case *code = &grower->program->duel_case;
    if (grower->ended || code->length + count > DUEL_CODE_MAX) {
        grower->ended = true;
        return false;
    }
    program_patch(grower, program_end(grower), bytes, count);
    code->length += count;
    return true;
}

/* Whether the stack has come to where the oracle keeps memory of its own. */
static bool strays(const struct oracle_state *state)
{
    return state->segments[SEGMENT_SS] == ORACLE_DS &&
           state->regs[REGISTER_ESP] - (ORACLE_STACK16_HIGH - PAGE_BYTES) <
               3 * PAGE_BYTES;
}

/* Whether the host may run the next instruction; tells the program's case what must be
 * known about it. */
static bool may_run(void *opaque, const struct oracle_state *state)
{
    struct program_grower *grower = opaque;
    gla_t address = duel_code_address(state, state->eip);
    unsigned offset = address - ORACLE_CODE;
    memcpy(&grower->judged.before, state, sizeof(*state));
    bool good = offset < ORACLE_CODE_BYTES && !strays(state) &&
                isa_judges(grower->generator, &grower->judged,
                           host_oracle_code() + offset, ORACLE_CODE_BYTES - offset);
    grower->program->duel_case.exemptions = grower->judged.exemptions;
    return good;
}

static int run(struct program_grower *grower, unsigned steps, uint32_t first_eip,
               uint32_t last_eip)
{
    struct oracle_outcome outcome;
    struct duel_case *now = &grower->now;
    const struct oracle_bounds bounds = {.max_steps = steps,
                                         .first_eip = first_eip,
                                         .last_eip = last_eip,
                                         .may_run = may_run,
                                         .opaque = grower};
    memcpy(host_oracle_data(), now->data, sizeof(now->data));
    host_oracle_run(&now->before, &bounds, &outcome);
    memcpy(now->data, host_oracle_data(), sizeof(now->data));
    now->before.eflags &= ~(uint32_t)(EFLAGS_TF | EFLAGS_RF);
    grower->steps += outcome.steps;
    return outcome.vector;
}

int program_step(struct program_grower *grower)
{
    uint32_t eip = grower->now.before.eip;
    return run(grower, ITERATIONS_MAX, eip, eip);
}

void program_advance(struct program_grower *grower)
{
    uint32_t end = program_end(grower);
    if (!grower->ended) {
        int vector =
            run(grower, ADVANCE_STEPS, grower->program->duel_case.first_eip, end - 1);
        grower->ended = vector >= 0 || grower->now.before.eip != end ||
                        grower->steps > GROWTH_STEPS;
    }
}

void program_emit(struct program_grower *grower, const void *bytes, unsigned count)
{
    if (program_append(grower, bytes, count)) {
        program_advance(grower);
    }
}

/* Makes up an instruction that fits without changing what is there: registers and
 * memory are as the program has left them. Only its displacement can be bent. */
static unsigned make_up(struct program_grower *grower)
{
    struct random *random = random_of(grower);
    struct duel_case *tried = &grower->tried;
    const struct duel_case *now = &grower->now;
    struct instruction decoded;
    unsigned row = random_below(random, instruction_row_count);
    if (random_one_in(random, 2)) {
        row = grower->plain_rows[random_below(random, grower->plain_row_count)];
    }
    if (isa_unsuited(grower->generator, &instruction_rows[row])) {
        return 0;
    }
    memcpy(tried, now, sizeof(*tried));
    bool steer = !random_one_in(random, 8);
    unsigned length = isa_random_instruction(grower->generator, row, tried, tried->code,
                                             steer, &decoded);
    bool good = length > 0 && decoded.length > 0 &&
                !isa_unsuited_in_sequence(instruction_row(&decoded)) &&
                memcmp(&tried->before, &now->before, sizeof(now->before)) == 0 &&
                memcmp(tried->data, now->data, sizeof(now->data)) == 0;
    return good ? length : 0;
}

void program_plain(struct program_grower *grower)
{
    uint8_t code[ORACLE_CODE_BYTES];
    for (unsigned i = 0; i < ATTEMPTS && !grower->ended; i++) {
        unsigned length = make_up(grower);
        if (length == 0) {
            continue;
        }
        memcpy(code, host_oracle_code(), sizeof(code));
        if (!program_append(grower, grower->tried.code, length)) {
            return;
        }
        bool good =
            program_step(grower) < 0 && grower->now.before.eip == program_end(grower);
        if (good || random_one_in(random_of(grower), 100)) {
            grower->ended |= !good;
            return;
        }
        grower->program->duel_case.length -= length;
        memcpy(host_oracle_code(), code, sizeof(code));
        memcpy(&grower->now, &grower->tried, sizeof(grower->now));
    }
}

static void choose_plain_rows(struct program_grower *grower)
{
    enum { VECTOR = ROW_X87 | ROW_MMX | ROW_SSE | ROW_AVX };
    for (unsigned i = 0; i < instruction_row_count; i++) {
        const struct instruction_row *row = &instruction_rows[i];
        if (!(row->attributes & VECTOR) && !isa_unsuited(grower->generator, row) &&
            !isa_unsuited_in_sequence(row) && grower->plain_row_count < PROGRAM_ROWS) {
            grower->plain_rows[grower->plain_row_count++] = (uint16_t)i;
        }
    }
}

void program_grow(struct program_grower *grower, struct isa_generator *generator,
                  struct program *program)
{
    struct random *random = &generator->random;
    struct duel_case *duel_case = &program->duel_case;
    memset(grower, 0, sizeof(*grower));
    memset(program, 0, sizeof(*program));
    grower->generator = generator;
    grower->program = program;
    choose_plain_rows(grower);
    isa_random_state(generator, duel_case);
    duel_case->first_eip = duel_case->before.eip;
    grower->is16 = duel_case->before.segments[SEGMENT_CS] == ORACLE_SEGMENT_CODE16;
    memcpy(&grower->now, duel_case, sizeof(*duel_case));
    memset(host_oracle_code(), DUEL_CODE_FILLER, ORACLE_CODE_BYTES);
    program_flow(grower);
    duel_case->max_steps =
        RUN_STEPS_MIN + random_below(random, RUN_STEPS_MAX - RUN_STEPS_MIN);
    duel_case->last_eip = duel_case->first_eip + duel_case->length - 1;
    duel_case->may_run = may_run;
    duel_case->opaque = grower;
}
