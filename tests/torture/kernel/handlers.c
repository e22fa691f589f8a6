/* Handlers that resume. */
#include "torture.h"

enum {
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
};

extern const uint8_t handler_stubs[], sysenter_entry[];
bool handler_dispatch(struct trap *trap);

syscall_handler *sysenter_function;
static trap_handler *handlers[256];

/* Called by handler_common. */
bool handler_dispatch(struct trap *trap)
{
    trap_handler *function = handlers[trap->vector];
    return function && function(trap);
}

void handle(uint32_t vector, trap_handler *function)
{
    uint32_t stub = (uint32_t)handler_stubs + vector * VECTOR_STUB_BYTES;
    handlers[vector] = function;
    idt[vector] =
        gate(KERNEL_CODE, stub,
             PRESENT | TYPE_INTERRUPT_GATE | (vector == VECTOR_SYSCALL ? DPL3 : 0), 0);
}

void handle_sysenter(syscall_handler *function)
{
    sysenter_function = function;
    write_msr(MSR_SYSENTER_CS, KERNEL_CODE);
    write_msr(MSR_SYSENTER_ESP, TRAP_STACK_TOP);
    write_msr(MSR_SYSENTER_EIP, (uint32_t)sysenter_entry);
}

void handle_nothing(void)
{
    idt_reset();
    for (unsigned i = 0; i < 256; i++) {
        handlers[i] = NULL;
    }
    write_msr(MSR_SYSENTER_CS, 0);
}
