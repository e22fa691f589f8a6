/* The way into real mode and back. real_low is copied to REAL_CODE, below 64 KiB. */
#define REAL_CODE 0x8000
#define REAL_CONTEXT 0x8800
#define LOW(label) ((label) - real_low + REAL_CODE)
#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define CODE16 0x30
#define DATA16 0x38

/* Offsets in struct real_context (real.c). */
#define REAL_EAX REAL_CONTEXT
#define REAL_ECX (REAL_CONTEXT + 4)
#define REAL_EDX (REAL_CONTEXT + 8)
#define REAL_EBX (REAL_CONTEXT + 12)
#define REAL_ESP (REAL_CONTEXT + 16)
#define REAL_EBP (REAL_CONTEXT + 20)
#define REAL_ESI (REAL_CONTEXT + 24)
#define REAL_EDI (REAL_CONTEXT + 28)
#define REAL_IP (REAL_CONTEXT + 32)
#define REAL_CS (REAL_CONTEXT + 34)
#define REAL_FLAGS (REAL_CONTEXT + 36)
#define REAL_SS (REAL_CONTEXT + 38)
#define REAL_DS (REAL_CONTEXT + 40)
#define REAL_ES (REAL_CONTEXT + 42)

/* void enter_real(void): to the context at REAL_CONTEXT; FS keeps 4 GiB. */
        .text
        .globl enter_real, real_low, real_low_end, real_trap
enter_real:
        pushal
        pushfl
        mov %esp, kernel_esp
        mov $DATA16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %gs
        mov %eax, %ss
        ljmp $CODE16, $LOW(real_enter)

real_low:
        .code16
real_enter:
        mov %cr0, %eax
        and $~1, %eax
        mov %eax, %cr0
        ljmp $0, $LOW(1f)
1:      xor %ax, %ax
        mov %ax, %ds
        mov %ax, %fs
        mov %ax, %gs
        mov (REAL_ES), %es
        mov (REAL_SS), %ss
        mov (REAL_ESP), %esp
        pushw (REAL_FLAGS)
        pushw (REAL_CS)
        pushw (REAL_IP)
        mov (REAL_EAX), %eax
        mov (REAL_ECX), %ecx
        mov (REAL_EDX), %edx
        mov (REAL_EBX), %ebx
        mov (REAL_EBP), %ebp
        mov (REAL_ESI), %esi
        mov (REAL_EDI), %edi
        mov (REAL_DS), %ds
        iretw

/* Every vector: its number is on the stack, below the frame. */
real_trap:
        pushal
        push %ds
        push %es
        push %fs
        push %gs
        xor %ax, %ax
        mov %ax, %ds
        mov %esp, (REAL_ESP)
        mov %ss, (REAL_SS)
        mov %cr0, %eax
        or $1, %eax
        mov %eax, %cr0
        ljmpl $KERNEL_CODE, $LOW(1f)
        .code32
1:      mov $KERNEL_DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %fs
        mov %eax, %gs
        mov %eax, %ss
        mov kernel_esp, %esp
        popfl
        popal
        ret
real_low_end:
        .section .note.GNU-stack, "", @progbits
