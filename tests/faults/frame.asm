; A BIOS of 64 KiB around a test program (PROGRAM, given to the assembler): 32-bit
; protected mode, flat, no paging, interrupts off, code at 0x10000.
;
; What programs have: `finish N` ends the run with status 2 N + 1; `show X` sends eight
; hexadecimal digits and a newline to the first serial line, and leaves all registers
; alone; `vector N, HANDLER` sets a gate; exceptions without one end the run with
; `finish EXCEPTION`. A program begins at `main`.
[map symbols MAP]

CODE equ 0x10000
IDT equ 0x40000
STACK equ 0x50000
DATA equ 0x200000               ; nobody else's
EXCEPTION equ 99

%macro finish 1
    mov al, %1
    out 0xf4, al
    jmp $
%endmacro
%macro show 1
    push dword %1
    call show_number
%endmacro
%macro vector 2
    push dword %2
    push dword IDT + 8 * (%1)
    call set_gate
%endmacro

section .text start=0
bits 16
start:
    cli
    cld
    mov ax, 0xf000
    mov ds, ax
    mov ax, CODE >> 4
    mov es, ax
    mov si, section.program.start
    xor di, di
    mov cx, (program_end - program + 3) / 4
    rep movsd
    lgdt [gdt_register]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 0x08:CODE

gdt_register:
    dw gdt_end - gdt - 1
    dd 0xf0000 + gdt
gdt:
    dq 0
    dq 0x00cf9a000000ffff
    dq 0x00cf92000000ffff
gdt_end:

section program follows=.text vstart=CODE align=16
bits 32
program:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, STACK
    mov ecx, 256
    mov ebx, IDT
.gates:
    push dword unexpected
    push ebx
    call set_gate
    add ebx, 8
    loop .gates
    lidt [idt_register]
    mov eax, cr0                ; no emulation
    and eax, ~4
    or eax, 0x20
    mov cr0, eax
    mov eax, cr4                ; SSE
    or eax, 0x600
    mov cr4, eax
    fninit
    xor eax, eax
    xor ebx, ebx
    xor edx, edx
    jmp main

idt_register:
    dw 0x7ff
    dd IDT

set_gate:                       ; (gate, handler)
    push eax
    push ebx
    mov ebx, [esp + 12]
    mov eax, [esp + 16]
    mov word [ebx], ax
    mov word [ebx + 2], 8
    mov word [ebx + 4], 0x8e00
    shr eax, 16
    mov word [ebx + 6], ax
    pop ebx
    pop eax
    ret 8

unexpected:
    finish EXCEPTION

show_number:                    ; (number)
    pushf
    push eax
    push ecx
    push edx
    mov ecx, 8
    mov dx, 0x3f8
    mov eax, [esp + 20]
.digit:
    rol eax, 4
    push eax
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe .out
    add al, 'a' - '0' - 10
.out:
    out dx, al
    pop eax
    loop .digit
    mov al, 10
    out dx, al
    pop edx
    pop ecx
    pop eax
    popf
    ret 4

%include PROGRAM
    align 4
program_end:

section reset start=0xfff0
bits 16
    jmp 0xf000:0                ; F000:FFF0
    times 16 - ($ - $$) db 0xff
