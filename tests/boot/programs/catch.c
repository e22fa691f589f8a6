#define _GNU_SOURCE
#include "catch.h"
#include <stdio.h>

volatile struct caught caught;
volatile uint32_t fault_begin, fault_end;

static void note(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    caught.signal = number;
    caught.code = info->si_code;
    caught.trap = registers[REG_TRAPNO];
    caught.error = registers[REG_ERR];
    caught.address = (uint32_t)info->si_addr;
    caught.stack = (uint32_t)registers[REG_ESP];
    caught.at_fault = (uint32_t)registers[REG_EIP] == fault_begin;
    registers[REG_EIP] = (greg_t)fault_end;
}

void catch_faults(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
    }
}

void print_caught(const char *what)
{
    if (caught.signal) {
        printf("%s: signal %d, code %d, trap %ld, error %#lx, %s\n", what,
               caught.signal, caught.code, caught.trap, (unsigned long)caught.error,
               caught.at_fault ? "at the instruction" : "behind the instruction");
    } else {
        printf("%s: no signal\n", what);
    }
    caught.signal = 0;
}
