/* What the programs of the boot tests share. Each kind does something that user code
 * does on a real machine, checks what comes of it, and prints lines that are the same
 * on every machine: the test compares those of the guest with the host's own. Hence no
 * line has an address, a time or a process's number in it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* `rounds`: how often to do what is done many times. It changes no line. */
struct kind {
    const char *name;
    void (*run)(unsigned rounds);
};

void library_kind(unsigned rounds);
void times_kind(unsigned rounds);
void signals_kind(unsigned rounds);
void faults_kind(unsigned rounds);
void traps_kind(unsigned rounds);
void threads_kind(unsigned rounds);
void segments_kind(unsigned rounds);
void ldt_kind(unsigned rounds);
void code_kind(unsigned rounds);
void shared_code_kind(unsigned rounds);
void processes_kind(unsigned rounds);
void timers_kind(unsigned rounds);
void visible_kind(unsigned rounds);

/* Prints a line: `what`, and whether it is right. */
void check(const char *what, bool right);

/* The same, with both values if they differ. */
void check_equal(const char *what, long found, long expected);

/* Started with this instead of a kind, the program ends with EXITING_STATUS. */
#define EXITING "exit"
enum { EXITING_STATUS = 43, PAGE_BYTES = 4096 };

/* Is the kernel an i386 one? On the host it is not, and segments have other numbers. */
bool kernel_is_i386(void);

/* Waits for a child, -1 being none; false unless it ends by itself, with this status.
 */
bool child_ends_with(int child, int wanted);

/* Anonymous private memory; ends the program without. `protection` as of mmap(). */
void *new_pages(unsigned pages, int protection);

/* xorshift; the state must not be 0. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
