/* Ways into handlers that go on with what they interrupted; see torture.h. */
#define KERNEL_DATA 0x10

/* One entry of 16 bytes per vector, with the layout that trap_common knows. */
        .text
        .globl handler_stubs
        .balign 16
handler_stubs:
        vector = 0
        .rept 256
        .balign 16
        .if (vector == 8) || (vector == 17) || ((vector >= 10) && (vector <= 14))
        .else
        push $0
        .endif
        pushl $vector
        jmp handler_common
        vector = vector + 1
        .endr

handler_common:
        pushal
        pushl %ds
        pushl %es
        mov $KERNEL_DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        cld
        push %esp
        call handler_dispatch
        add $4, %esp
        test %al, %al
        popl %es
        popl %ds
        popal
        jz trap_common
        add $8, %esp
        iret

/* SYSENTER: EAX and EBX are the arguments, ECX and EDX are ESP and EIP to return to. */
        .globl sysenter_entry
sysenter_entry:
        push %ecx
        push %edx
        pushl %ds
        pushl %es
        mov $KERNEL_DATA, %ecx
        mov %ecx, %ds
        mov %ecx, %es
        push %ebx
        push %eax
        cld
        call *sysenter_function
        add $8, %esp
        popl %es
        popl %ds
        pop %edx
        pop %ecx
        sysexit

        .section .note.GNU-stack, "", @progbits
