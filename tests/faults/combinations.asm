; The guest of combinations_test.c, a Multiboot kernel: something for each trigger, and
; behind each of these an instruction for faults in code; then looks at all that can be
; broken. Bytes to the fourth serial line tell the test: 0 when all is set up, 1 after
; each look. An NMI asks for one more.
bits 32
org 0x100000

MAGIC equ 0x1badb002
FLAGS equ 1 << 16
DIRECTORY equ 0x180000
TABLE equ 0x181000
STACK equ 0x190000
CELL equ 0x200000               ; of target=ram; what triggers watch is behind it
WATCHED equ 0x210000
LOOKS equ 0x220000              ; results, of 64 bytes each
PAGE equ 0x300000               ; of target=tlb, and the next
SIGNAL equ 0x2e8                ; the fourth serial line
SECOND_LINE equ 0x2f8

header:
    dd MAGIC, FLAGS, -(MAGIC + FLAGS)
    dd header, header, end, end, start
; Where triggers come, in the test's order.
    dd place.now, place.instruction, place.time, place.execute, place.symbol
    dd place.read, place.write, place.access, place.in, place.out, interrupt
    dd place.text, place.screen

start:
    mov esp, STACK
    lgdt [gdt_register]
    jmp 8:.flat
.flat:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov al, 0xff                ; no interrupts
    out 0x21, al
    out 0xa1, al
    mov ecx, 256
    mov edi, idt
.gates:
    mov eax, interrupt
    cmp ecx, 254                ; vector 2
    jne .gate
    mov eax, nmi
.gate:
    mov [edi], ax
    mov word [edi + 2], 8
    mov word [edi + 4], 0x8e00
    shr eax, 16
    mov [edi + 6], ax
    add edi, 8
    loop .gates
    lidt [idt_register]

    mov edi, TABLE
    mov eax, 7
.map:
    stosd
    add eax, 0x1000
    cmp eax, 0x400000
    jb .map
    mov dword [DIRECTORY], TABLE | 7
    mov dword [DIRECTORY + 0xfec], 0xfec00083
    mov eax, cr4
    or eax, 0x10                ; PSE
    mov cr4, eax
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax

    mov dword [CELL], 0x5a
    mov dword [PAGE], 0x111
    mov dword [PAGE + 0x1000], 0x222
    mov al, 0x4f                ; the RTC's RAM
    out 0x70, al
    mov al, 0x35
    out 0x71, al
    mov dword [0xfec00000], 0x10
    mov dword [0xfec00010], 0x1005a
    mov ebp, 0x5a
    mov edi, LOOKS
    xor ebx, ebx
    mov dx, SIGNAL
    mov al, 0
    out dx, al

place:
.now:
    inc ebx
    nop
.instruction:
    inc ebx
    nop
.time:
    inc ebx
    nop
.execute:
    inc ebx
    nop
.symbol:
    inc ebx
    mov eax, [WATCHED]
.read:
    inc ebx
    mov [WATCHED + 4], eax
.write:
    inc ebx
    add dword [WATCHED + 8], 1
.access:
    inc ebx
    in al, 0x61
.in:
    inc ebx
    out 0x80, al
.out:
    inc ebx
    int 0x80
    mov dx, 0x3f8
    mov al, '!'
    out dx, al
.text:
    inc ebx
    mov dword [0xb8000 + 160 * 24], 0x07210721
    call look
    sti
.idle:
    hlt
.screen:
    jmp .idle

interrupt:
    inc ebx
    iret

nmi:
    inc ebx
    call look
    iret

; Each thing once, and what may have been changed is put right.
look:
    mov eax, [CELL]
    mov dword [CELL], 0x5a
    stosd
    mov eax, ebp
    mov ebp, 0x5a
    stosd
    mov eax, ebx
    stosd
    mov eax, [PAGE]
    stosd
    mov eax, [PAGE + 0x1000]
    stosd
    invlpg [PAGE]
    invlpg [PAGE + 0x1000]
    xor eax, eax
    in al, 0x71
    stosd
    mov eax, [0xfec00010]
    stosd
    mov dx, SECOND_LINE + 5
    xor eax, eax
    in al, dx
    and eax, 0x10               ; a break
    stosd
    mov dx, SECOND_LINE
    in al, dx
    mov al, 'A'
    out dx, al
    add edi, 64 - 8 * 4
    mov dx, SIGNAL
    mov al, 1
    out dx, al
    ret

align 8
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_register:
    dw gdt_register - gdt - 1
    dd gdt
idt_register:
    dw 0x7ff
    dd idt
align 8
idt:
    times 0x800 db 0
end:
