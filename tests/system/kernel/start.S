/* Entry from the boot loader, and the way into and out of contexts. */
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0
#define KERNEL_DATA 0x10
#define KERNEL_STACK_TOP 0xf80000

        .section .multiboot, "a"
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .text
        .globl start
start:
        cli
        mov $KERNEL_STACK_TOP, %esp
        push $0
        popf
        push %ebx
        call main
1:      hlt
        jmp 1b

/* Offsets in struct context. */
#define CONTEXT_EAX 0
#define CONTEXT_ECX 4
#define CONTEXT_EDX 8
#define CONTEXT_EBX 12
#define CONTEXT_ESP 16
#define CONTEXT_SS 20
#define CONTEXT_EBP 24
#define CONTEXT_ESI 28
#define CONTEXT_EDI 32
#define CONTEXT_EIP 36
#define CONTEXT_EFLAGS 40
#define CONTEXT_CS 44
#define CONTEXT_DS 48
#define CONTEXT_ES 52
#define CONTEXT_FS 56
#define CONTEXT_GS 60
#define FLAG_VM 0x20000

/* void enter_context(struct context *): returns from trap_common. */
        .globl enter_context
enter_context:
        pushal
        pushfl
        mov 40(%esp), %ebx
        mov %ebx, running
        mov %esp, kernel_esp
        testl $FLAG_VM, CONTEXT_EFLAGS(%ebx)
        jnz enter_v86
        testl $3, CONTEXT_CS(%ebx)
        jnz enter_outer
        lss CONTEXT_ESP(%ebx), %esp
        jmp enter
enter_v86:
        pushl CONTEXT_GS(%ebx)
        pushl CONTEXT_FS(%ebx)
        pushl CONTEXT_DS(%ebx)
        pushl CONTEXT_ES(%ebx)
enter_outer:
        pushl CONTEXT_SS(%ebx)
        pushl CONTEXT_ESP(%ebx)
enter:
        pushl CONTEXT_EFLAGS(%ebx)
        pushl CONTEXT_CS(%ebx)
        pushl CONTEXT_EIP(%ebx)
        mov CONTEXT_EAX(%ebx), %eax
        mov CONTEXT_ECX(%ebx), %ecx
        mov CONTEXT_EDX(%ebx), %edx
        mov CONTEXT_EBP(%ebx), %ebp
        mov CONTEXT_ESI(%ebx), %esi
        mov CONTEXT_EDI(%ebx), %edi
        testl $FLAG_VM, CONTEXT_EFLAGS(%ebx)
        jnz 1f
        mov CONTEXT_GS(%ebx), %gs
        mov CONTEXT_FS(%ebx), %fs
        mov CONTEXT_ES(%ebx), %es
        mov CONTEXT_DS(%ebx), %ds
1:      mov %cs:CONTEXT_EBX(%ebx), %ebx
        iret

/* One entry of 16 bytes per vector: error code (0 if the processor pushes none) and
 * vector, then the registers. */
        .globl vector_stubs
        .balign 16
vector_stubs:
        vector = 0
        .rept 256
        .balign 16
        .if (vector == 8) || (vector == 17) || ((vector >= 10) && (vector <= 14))
        .else
        push $0
        .endif
        pushl $vector
        jmp trap_common
        vector = vector + 1
        .endr

/* With the vector, the error code and the processor's frame on the stack. */
        .globl trap_common
trap_common:
        pushal
        pushl %ds
        pushl %es
        pushl %fs
        pushl %gs
        /* The stack may be 16 bits wide and anywhere. */
        mov %esp, %esi
        mov %ss, %eax
        lar %eax, %ebx
        test $0x400000, %ebx
        jnz 1f
        movzwl %si, %esi
1:      mov $KERNEL_DATA, %edx
        mov %edx, %ds
        mov %edx, %es
        mov %edx, %fs
        mov %edx, %gs
        mov %eax, trap_ss
        cld
        mov $trap_frame, %edi
        mov $TRAP_FRAME_WORDS, %ecx
1:      mov %ss:(%esi), %eax
        stosl
        add $4, %esi
        loop 1b
        mov %edx, %ss
        mov kernel_esp, %esp
        call trap_record
        popfl
        popal
        ret

/* Tasks that take an exception: the task's stack is empty but for an error code. */
        .globl catcher_stubs
        .balign 16
catcher_stubs:
        vector = 0
        .rept 32
        .balign 16
        .if (vector == 8) || (vector == 17) || ((vector >= 10) && (vector <= 14))
        .else
        push $0
        .endif
        pushl $vector
        jmp catcher_common
        vector = vector + 1
        .endr

catcher_common:
        mov %esp, %eax
        pushl $0
        popfl
        push %eax
        call trap_record_task
        mov kernel_esp, %esp
        popfl
        popal
        ret

        .globl trap_frame, trap_ss, running, kernel_esp
        .set TRAP_FRAME_WORDS, 24
        .bss
        .balign 4
trap_frame:
        .skip 4 * TRAP_FRAME_WORDS
trap_ss:
        .skip 4
running:
        .skip 4
kernel_esp:
        .skip 4
        .section .note.GNU-stack, "", @progbits
