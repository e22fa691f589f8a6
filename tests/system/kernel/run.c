/* Contexts: how they begin, and what is left of them. */
#include "kernel.h"

enum {
    /* Where trap_common leaves things in trap_frame. */
    FRAME_GS,
    FRAME_FS,
    FRAME_ES,
    FRAME_DS,
    FRAME_EDI,
    FRAME_ESI,
    FRAME_EBP,
    FRAME_ESP,
    FRAME_EBX,
    FRAME_EDX,
    FRAME_ECX,
    FRAME_EAX,
    FRAME_VECTOR,
    FRAME_ERROR,
    FRAME_PUSHED, /* EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS */
};

enum { PUSHED_EIP, PUSHED_CS, PUSHED_EFLAGS, PUSHED_ESP, PUSHED_SS, PUSHED_ES };

extern uint32_t trap_frame[], trap_ss;
extern struct context *running;
void enter_context(struct context *context);
void trap_record(void);
void trap_record_task(const uint32_t *pushed);

struct context ring0(const void *code)
{
    return (struct context){
        .esp = GUEST_STACK_TOP,
        .ss = KERNEL_DATA,
        .eip = (uint32_t)code,
        .code = (uint32_t)code,
        .eflags = 2,
        .cs = KERNEL_CODE,
        .ds = KERNEL_DATA,
        .es = KERNEL_DATA,
        .fs = KERNEL_DATA,
        .gs = KERNEL_DATA,
    };
}

struct context ring3(const void *code)
{
    return (struct context){
        .esp = USER_STACK_TOP,
        .ss = USER_DATA,
        .eip = (uint32_t)code,
        .code = (uint32_t)code,
        .eflags = 2,
        .cs = USER_CODE,
        .ds = USER_DATA,
        .es = USER_DATA,
        .fs = USER_DATA,
        .gs = USER_DATA,
    };
}

struct context v86(const uint8_t *code, const uint8_t *end)
{
    copy(LOW_CODE, code, (uint32_t)(end - code));
    return (struct context){
        .esp = 0xfff0,
        .ss = LOW_STACK >> 4,
        .eflags = FLAG_VM | 2,
        .cs = LOW_CODE >> 4,
        .ds = LOW_DATA >> 4,
        .es = LOW_DATA >> 4,
    };
}

static void record_segments(struct context *context)
{
    const uint32_t *pushed = trap_frame + FRAME_PUSHED;
    bool from_v86 = context->eflags & FLAG_VM;
    context->gs = trap_frame[FRAME_GS];
    context->fs = trap_frame[FRAME_FS];
    context->es = trap_frame[FRAME_ES];
    context->ds = trap_frame[FRAME_DS];
    if (from_v86 || (context->cs & 3)) {
        context->esp = pushed[PUSHED_ESP];
        context->ss = pushed[PUSHED_SS];
    } else {
        context->esp = trap_frame[FRAME_ESP] + 4 * (FRAME_PUSHED - FRAME_VECTOR + 3);
        context->ss = trap_ss;
    }
    if (from_v86) {
        context->es = pushed[PUSHED_ES];
        context->ds = pushed[PUSHED_ES + 1];
        context->fs = pushed[PUSHED_ES + 2];
        context->gs = pushed[PUSHED_ES + 3];
    }
}

/* Called by trap_common on the kernel's stack. */
void trap_record(void)
{
    struct context *context = running;
    const uint32_t *pushed = trap_frame + FRAME_PUSHED;
    if (!context) {
        begin("kernel");
        put(" unexpected vector %x, error %x at %x, cr2 %x", trap_frame[FRAME_VECTOR],
            trap_frame[FRAME_ERROR], pushed[PUSHED_EIP], get_cr2());
        leave(1);
    }
    running = NULL;
    context->eax = trap_frame[FRAME_EAX];
    context->ecx = trap_frame[FRAME_ECX];
    context->edx = trap_frame[FRAME_EDX];
    context->ebx = trap_frame[FRAME_EBX];
    context->ebp = trap_frame[FRAME_EBP];
    context->esi = trap_frame[FRAME_ESI];
    context->edi = trap_frame[FRAME_EDI];
    context->vector = trap_frame[FRAME_VECTOR];
    context->error = trap_frame[FRAME_ERROR];
    context->frame_esp = trap_frame[FRAME_ESP] + 4 * (FRAME_PUSHED - FRAME_VECTOR);
    context->eip = pushed[PUSHED_EIP];
    context->cs = pushed[PUSHED_CS];
    context->resume = pushed[PUSHED_EFLAGS] & FLAG_RF;
    context->eflags = pushed[PUSHED_EFLAGS] & ~(uint32_t)FLAG_RF;
    for (unsigned i = 0; i < sizeof(context->frame) / sizeof(context->frame[0]); i++) {
        context->frame[i] = pushed[i];
    }
    context->frame[PUSHED_EFLAGS] = context->eflags;
    record_segments(context);
}

/* Called by catcher_common with the vector and the error code, in the catching task. */
void trap_record_task(const uint32_t *pushed)
{
    enum { TSS_EIP = 8, TSS_EFLAGS, TSS_REGISTERS, TSS_SEGMENTS = 18 };
    struct context *context = running;
    const uint32_t *registers = main_tss + TSS_REGISTERS;
    const uint32_t *segments = main_tss + TSS_SEGMENTS;
    main_task_reload();
    running = NULL;
    context->vector = pushed[0];
    context->error = pushed[1];
    context->eip = main_tss[TSS_EIP];
    context->resume = main_tss[TSS_EFLAGS] & FLAG_RF;
    context->eflags = main_tss[TSS_EFLAGS] & ~(uint32_t)FLAG_RF;
    context->eax = registers[0];
    context->ecx = registers[1];
    context->edx = registers[2];
    context->ebx = registers[3];
    context->esp = registers[4];
    context->ebp = registers[5];
    context->esi = registers[6];
    context->edi = registers[7];
    context->es = segments[0] & 0xffff;
    context->cs = segments[1] & 0xffff;
    context->ss = segments[2] & 0xffff;
    context->ds = segments[3] & 0xffff;
    context->fs = segments[4] & 0xffff;
    context->gs = segments[5] & 0xffff;
}

void run(struct context *context)
{
    enter_context(context);
}
