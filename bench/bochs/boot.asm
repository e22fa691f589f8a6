; A ROM of 64 KiB that does no more than start a program for 32 bits, at ENTRY.
bits 16
org 0
start:
    cli
    in al, 0x92
    or al, 2
    out 0x92, al
    o32 lgdt [cs:gdt_register]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:0xf0000 + flat
bits 32
flat:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov eax, ENTRY
    jmp eax
align 8
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_register:
    dw gdt_register - gdt - 1
    dd 0xf0000 + gdt
    times 0xfff0 - ($ - $$) db 0
bits 16
    jmp start
    times 0x10000 - ($ - $$) db 0
