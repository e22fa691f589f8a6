; A BIOS of 64 KiB that does one thing of each kind that can be traced, at addresses that
; trace_test.py knows: 16-bit code with an interrupt, 32-bit code with page tables, a
; loop, a page fault, a page that is moved, a timer interrupt, a user program, a mistake.
; It ends with 0x10 at isa-debug-exit's port 0xF4.
bits 16
org 0

RAM equ 0x10000         ; where the 32-bit code runs
DIRECTORY equ 0x20000   ; page directory: the first 4 MiB, 1:1
TABLE equ 0x21000
STACK equ 0x30000
USER_STACK equ 0x31000
TASK_STATE equ 0x32000
MOVED equ 0x300000      ; a page that shows MOVED_TO later
MOVED_TO equ 0x200000
UNMAPPED equ 0x400000
LOOPS equ 5

%define AT(label) (RAM + (label) - code)

start:
    cli
    cld
    xor ax, ax
    mov ss, ax
    mov sp, 0x7000
    mov ds, ax
    mov word [0x41 * 4], real_interrupt
    mov word [0x41 * 4 + 2], 0xf000
    int 0x41
    mov al, 0xb7                ; no command of the keyboard controller's
    out 0x64, al
    mov ax, 0xf000
    mov ds, ax
    mov ax, RAM >> 4
    mov es, ax
    mov si, code
    xor di, di
    mov cx, (code_end - code + 3) / 4
    rep movsd
    lgdt [gdt_register]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 0x08:RAM

    times 0x100 - ($ - $$) nop
real_interrupt:                 ; f000:0100
    iret

gdt_register:
    dw gdt_end - gdt - 1
    dd AT(gdt)

    times 0x200 - ($ - $$) nop
bits 32
code:                           ; 00010000
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, STACK
    lidt [AT(idt_register)]
    mov edi, TASK_STATE
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov dword [TASK_STATE + 4], STACK
    mov dword [TASK_STATE + 8], 0x10
    mov ax, 0x28
    ltr ax
    mov edi, DIRECTORY
    mov ecx, 1024
    xor eax, eax
    rep stosd
    mov dword [DIRECTORY], TABLE | 7
    mov edi, TABLE
    mov eax, 7
map:
    stosd
    add eax, 0x1000
    cmp eax, 0x400007
    jb map
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov ecx, LOOPS
again:
    call work
    dec ecx
    jnz again
    call touch
    mov byte [MOVED], 1
    mov byte [MOVED_TO], 2
    mov dword [TABLE + (MOVED >> 12) * 4], MOVED_TO | 7
    invlpg [MOVED]              ; now the page is seen elsewhere
    cmp byte [MOVED], 2
    jne failed
    call timer
    push dword 0x23
    push dword USER_STACK
    push dword 2
    push dword 0x1b
    push dword AT(user)
    iretd

    times 0x100 - ($ - code) nop
work:                           ; 00010100: LOOPS times
    lea ebx, [ebx + ecx * 2 + 0x12345678]
    ret

    times 0x200 - ($ - code) nop
page_fault:                     ; 00010200: skips the 5 bytes of the instruction
    add dword [esp + 4], 5
    add esp, 4
    iretd

    times 0x300 - ($ - code) nop
system_call:                    ; 00010300
    mov al, 0x10
    out 0xf4, al
    jmp $

    times 0x400 - ($ - code) nop
timer_interrupt:                ; 00010400
    mov al, 0x20
    out 0x20, al
    iretd

    times 0x500 - ($ - code) nop
user:                           ; 00010500, in ring 3
    mov ax, 0x23
    mov ds, ax
    db 0xa3                     ; mov [UNMAPPED + 0x2000], eax
    dd UNMAPPED + 0x2000
    mov ebx, [USER_STACK - 8]
    int 0x80

    times 0x600 - ($ - code) nop
touch:                          ; 00010600
    db 0xa1                     ; mov eax, [UNMAPPED + 0x1234]
    dd UNMAPPED + 0x1234
    ret

; Waits for one interrupt of the timer.
timer:
    mov al, 0x11
    out 0x20, al
    mov al, 0x20                ; vectors
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x34
    out 0x43, al
    mov al, 0
    out 0x40, al
    mov al, 0x10
    out 0x40, al
    sti
    hlt
    cli
    ret

failed:
    mov al, 0
    out 0xf4, al
    jmp $

gdt:
    dq 0
    dq 0x00cf9a000000ffff       ; 08: ring 0's code
    dq 0x00cf92000000ffff       ; 10: and data
    dq 0x00cffa000000ffff       ; 18: ring 3's code
    dq 0x00cff2000000ffff       ; 20: and data
    dq 0x0000890000000067 | (TASK_STATE & 0xffffff) << 16 ; 28
gdt_end:

idt:
    times 0x0e dq 0
    dq 0x00008e0000080000 | AT(page_fault) & 0xffff | AT(page_fault) >> 16 << 48
    times 0x20 - 0x0f dq 0
    dq 0x00008e0000080000 | AT(timer_interrupt) & 0xffff | AT(timer_interrupt) >> 16 << 48
    times 0x80 - 0x21 dq 0
    dq 0x0000ee0000080000 | AT(system_call) & 0xffff | AT(system_call) >> 16 << 48
idt_end:
idt_register:
    dw idt_end - idt - 1
    dd AT(idt)
code_end:

bits 16
    times 0xfff0 - ($ - $$) db 0xff
    jmp start                   ; the reset vector: F000:FFF0
    times 0x10000 - ($ - $$) db 0xff
