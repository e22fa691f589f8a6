/* What faults cost that are armed and wait: a Debian guest that boots, with none and
 * with some of them by turns.
 *
 *   armed_faults ENGINE KERNEL INITRD [ROUNDS]
 *
 * From the same moment on the same instructions are run, again and again. Prints the
 * shortest times of each kind in milliseconds, and how much longer than without a fault
 * they are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "faults/faults.h"
#include "machine/checkpoint.h"
#include "machine/control.h"

/* While the kernel sets itself up, and its drivers look for devices. */
enum { RAM_MIB = 128, FIRST = 600000000, COUNT = 400000000, ROUNDS = 10, FAULTS = 2 };

#define NEVER "instruction:1000000000000"

/* None of these comes; the first is what others are compared with. */
static struct kind {
    const char *name;
    const char *faults[FAULTS];
    double shortest_ms;
} kinds[] = {
    {"none", {NULL}, 0},
    {"RAM, and a register, by instructions",
     {"target=ram,address=0x1234567,bit=3,model=flip,when=" NEVER,
      "target=register,name=eax,model=flip,when=" NEVER},
     0},
    {"RAM, by time", {"target=ram,address=0x1234567,model=flip,when=time:999s"}, 0},
    {"RAM, by an interrupt",
     {"target=ram,address=0x1234567,model=flip,when=interrupt:3,count=100000"},
     0},
    {"RAM, by text", {"target=ram,address=0x1234567,model=flip,when=text:Zyx"}, 0},
    {"RAM, by the screen",
     {"target=ram,address=0x1234567,model=flip,when=screen:Zyx"},
     0},
    {"RAM, by a port", {"target=ram,address=0x1234567,model=flip,when=out:0x999"}, 0},
    {"RAM, by a physical address nobody uses",
     {"target=ram,address=0x1234567,model=flip,when=write:0x7f00000,space=physical"},
     0},
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void give_up(const char *what)
{
    fprintf(stderr, "armed_faults: %s\n", what);
    exit(1);
}

static void run(struct machine *machine, uint64_t instructions)
{
    if (machine_run(machine, instructions).end != MACHINE_END_BUDGET) {
        give_up("the guest has come to an end");
    }
}

static void go_back(struct machine *machine, struct faults *faults,
                    const struct checkpoint *checkpoint)
{
    struct error error;
    lock_take(machine_lock(machine));
    faults_forget_all(faults, 1);
    lock_release(machine_lock(machine));
    if (!checkpoint_restore(machine, checkpoint, &error)) {
        give_up(error.text);
    }
}

static void arm(struct machine *machine, struct faults *faults, const struct kind *kind)
{
    struct error error = {.text = ""};
    lock_take(machine_lock(machine));
    for (unsigned i = 0; i < FAULTS && kind->faults[i]; i++) {
        faults_arm_text(faults, "-fault", kind->faults[i], &error);
    }
    lock_release(machine_lock(machine));
    if (*error.text) {
        give_up(error.text);
    }
}

static void measure(struct machine *machine, struct faults *faults,
                    const struct checkpoint *checkpoint, struct kind *kind)
{
    go_back(machine, faults, checkpoint);
    arm(machine, faults, kind);
    double began = now_ms();
    run(machine, COUNT);
    double took = now_ms() - began;
    for (struct fault *f = faults_first(faults); f; f = fault_next(f)) {
        if (fault_report(f)->state != FAULT_WAITING) {
            give_up("a fault has come that was not to");
        }
    }
    if (!kind->shortest_ms || took < kind->shortest_ms) {
        kind->shortest_ms = took;
    }
}

int main(int argc, char **argv)
{
    struct error error;
    if (argc < 4) {
        give_up("usage: armed_faults ENGINE KERNEL INITRD [ROUNDS]");
    }
    const struct machine_config config = {
        .ram_bytes = (uint64_t)RAM_MIB << 20,
        .engine = argv[1],
        .kernel = argv[2],
        .initrd = argv[3],
        .append = "console=ttyS0 panic=-1 faumachine.batch",
        .serial = {"null"},
        .clock = CLOCK_KIND_COUNTED,
        .epoch_s = 1700000000,
    };
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        give_up(error.text);
    }
    struct faults *faults = faults_create(machine, &(struct faults_config){0}, &error);
    run(machine, FIRST);
    struct checkpoint *checkpoint = checkpoint_take(machine, &error);
    if (!faults || !checkpoint) {
        give_up(error.text);
    }
    unsigned rounds = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : ROUNDS;
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++) {
            measure(machine, faults, checkpoint,
                    &kinds[(i + round) % ARRAY_LENGTH(kinds)]);
        }
    }
    printf("engine %s, %d million instructions, %u rounds\n", argv[1], COUNT / 1000000,
           rounds);
    for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++) {
        printf("%-40s %9.1f ms %+6.1f %%\n", kinds[i].name, kinds[i].shortest_ms,
               100 * (kinds[i].shortest_ms / kinds[0].shortest_ms - 1));
    }
    go_back(machine, faults, checkpoint);
    faults_destroy(faults);
    checkpoint_free(checkpoint);
    machine_destroy(machine);
    return 0;
}
