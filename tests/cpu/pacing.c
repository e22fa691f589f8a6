#include "pacing.h"

#include <inttypes.h>
#include <stdio.h>

enum { VECTOR = 0x20, SHORT_RUN = 6, ONE_IN_INTERRUPTED = 4 };

static uint8_t acknowledge(void *opaque)
{
    struct pacing *pacing = opaque;
    struct cpu_fixture *fixture = pacing->fixture;
    cpu_set_interrupt_line(fixture->cpu, false);
    pacing->taken++;
    return VECTOR;
}

void pacing_create(struct pacing *pacing, struct cpu_fixture *fixture)
{
    *pacing = (struct pacing){.fixture = fixture};
    fixture->cpu->wiring.acknowledge_interrupt = acknowledge;
    fixture->cpu->wiring.opaque = pacing;
    cpu_fixture_return_from(fixture, VECTOR);
}

static uint64_t piece(struct pacing *pacing, uint64_t left)
{
    if (!pacing->slices) {
        return left;
    }
    uint64_t most = random_one_in(&pacing->random, 2) ? SHORT_RUN : left;
    uint64_t length = 1 + random_below(&pacing->random, (uint32_t)most);
    return length < left ? length : left;
}

static bool run_piece(struct pacing *pacing, uint64_t length)
{
    struct cpu *cpu = pacing->fixture->cpu;
    uint64_t before = cpu->retired;
    enum cpu_exit why = cpu_fixture_run(pacing->fixture, length);
    uint64_t retired = cpu->retired - before;
    pacing->kicks += why == CPU_EXIT_KICK;
    if (why == CPU_EXIT_BUDGET ? retired != length : retired > length) {
        snprintf(pacing->complaint, sizeof(pacing->complaint),
                 "%" PRIu64 " instructions retired of %" PRIu64 ", exit %d\n", retired,
                 length, why);
        return false;
    }
    return why == CPU_EXIT_BUDGET || why == CPU_EXIT_KICK;
}

void pacing_run(struct pacing *pacing, uint64_t count)
{
    struct cpu *cpu = pacing->fixture->cpu;
    uint64_t retired = cpu->retired, taken = pacing->taken;
    int64_t done = 0;
    pacing->complaint[0] = '\0';
    atomic_store(&pacing->running, true);
    do {
        if (pacing->interrupts && random_one_in(&pacing->random, ONE_IN_INTERRUPTED)) {
            cpu_set_interrupt_line(cpu, true);
        }
        if (!run_piece(pacing, piece(pacing, count - (uint64_t)done))) {
            break;
        }
        /* An interrupt that was taken makes one instruction more, its IRET, which may
         * be still to come. */
        done = (int64_t)(cpu->retired - retired - (pacing->taken - taken));
    } while (done < (int64_t)count);
    atomic_store(&pacing->running, false);
    cpu_set_interrupt_line(cpu, false);
}
