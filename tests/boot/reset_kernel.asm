; A Multiboot kernel that prints its command line and its modules on COM1 (a line each:
; the module's string, a colon, its content), then resets the machine by the road that
; the last character of the command line names: k, the keyboard controller; c, port
; 0xcf9; 9, port 0x92; t, a triple fault; h: does not, but halts for good.
        bits 32
        org 0x100000

MAGIC           equ 0x1badb002
ADDRESSES       equ 1 << 16
MODULES_ALIGNED equ 1
FLAGS           equ ADDRESSES | MODULES_ALIGNED
COM1            equ 0x3f8
TRANSMITTER_EMPTY equ 0x20

header: dd MAGIC, FLAGS, -(MAGIC + FLAGS)
        dd header, header, end_of_data, end_of_data, start

start:  mov     esp, stack
        cmp     eax, 0x2badb002
        jne     halt
        mov     ebp, ebx
        mov     esi, said
        call    print
        mov     esi, [ebp + 16]         ; the command line
        call    print
        mov     al, 10
        call    put
        mov     ecx, [ebp + 20]         ; modules
        mov     ebx, [ebp + 24]
        jecxz   road
module: mov     esi, [ebx + 8]
        call    print
        mov     al, ':'
        call    put
        mov     esi, [ebx]
bytes:  cmp     esi, [ebx + 4]
        jae     next
        lodsb
        call    put
        jmp     bytes
next:   mov     al, 10
        call    put
        add     ebx, 16
        loop    module

road:   mov     esi, [ebp + 16]
last:   mov     ah, al
        lodsb
        test    al, al
        jnz     last
        cmp     ah, 'k'
        je      by_keyboard
        cmp     ah, 'c'
        je      by_cf9
        cmp     ah, '9'
        je      by_port92
        cmp     ah, 't'
        je      by_triple_fault
halt:   cli
        hlt
        jmp     halt

by_keyboard:
        in      al, 0x64
        test    al, 2
        jnz     by_keyboard
        mov     al, 0xfe
        out     0x64, al
        jmp     halt
by_cf9: mov     dx, 0xcf9
        mov     al, 2
        out     dx, al
        mov     al, 6
        out     dx, al
        jmp     halt
by_port92:
        in      al, 0x92
        and     al, 0xfe
        out     0x92, al
        or      al, 1
        out     0x92, al
        jmp     halt
by_triple_fault:
        lidt    [no_idt]
        int3

print:  lodsb
        test    al, al
        jz      .end
        call    put
        jmp     print
.end:   ret

put:    push    edx
        push    eax
        mov     dx, COM1 + 5
.wait:  in      al, dx
        test    al, TRANSMITTER_EMPTY
        jz      .wait
        pop     eax
        mov     dx, COM1
        out     dx, al
        pop     edx
        ret

said:   db      "kernel: ", 0
no_idt: dw      0
        dd      0
        align   4
        times 1024 db 0
stack:
end_of_data:
