; A BIOS of 64 KiB with a hostile program. Says READY on COM1, then takes a letter and
; four bytes, a number, and has ring 3 do what the letter says (the table `attacks`, in
; 64-bit code; `user`, in 32-bit code). What becomes of it is said on COM1:
;   G, P, U   the guest's exceptions #GP, #PF and #UD
;   R and 8 hexadecimal digits: it came back, with this
; and the machine ends by isa-debug-exit at port 0xF4, with status 33.
;
; 64-bit code is for processors that execute ring 3 themselves: others raise #GP for the
; far jump, as selector 0x33 is one of data. Instructions that such an engine looks for
; are hidden in others. What is jumped to in 64-bit code has been executed before, since
; a page that is not mapped yet would end it there.
bits 16
org 0

COM1 equ 0x3f8
RAM equ 0x40000         ; where the 32-bit code runs
DIRECTORY equ 0x20000   ; page directory: the first 4 MiB, 1:1, for all
TABLE equ 0x21000
STACK equ 0x30000
USER_STACK equ 0x32000
TASK_STATE equ 0x33000
USER_CODE equ 0x3b
USER_DATA equ 0x43
HOST_CODE_32 equ 0x23
HOST_CODE_64 equ 0x33   ; in the guest: data
OSFXSR equ 1 << 9

%define AT(label) (RAM + (label) - code)

start:
    cli
    cld
    mov al, 0xff                ; no interrupts
    out 0x21, al
    out 0xa1, al
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

gdt_register:
    dw gdt_end - gdt - 1
    dd AT(gdt)

    times 0x200 - ($ - $$) nop
bits 32
code:
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
    mov ax, 0x18
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
    mov eax, cr4
    or eax, OSFXSR
    mov cr4, eax
    mov eax, cr0
    and al, 0xf3                ; no EM, no TS
    or eax, 0x80000022          ; PG, NE, MP
    mov cr0, eax
    mov dx, COM1 + 3            ; 115200 bits/s, 8 bits, no parity, FIFO on
    mov al, 0x80
    out dx, al
    mov dx, COM1
    mov al, 1
    out dx, al
    inc dx
    xor al, al
    out dx, al
    mov dx, COM1 + 3
    mov al, 3
    out dx, al
    dec dx
    mov al, 7
    out dx, al
    mov esi, AT(ready)
    mov ecx, 5
say_ready:
    lodsb
    call put
    loop say_ready
    call get
    movzx edi, al
    mov ecx, 4
number:
    call get
    mov bl, al
    ror ebx, 8
    loop number
    mov eax, edi
    push dword USER_DATA
    push dword USER_STACK
    push dword 0x202            ; IF
    push dword USER_CODE
    push dword AT(user)
    mov cx, USER_DATA
    mov ds, cx
    mov es, cx
    iretd

get:                            ; AL
    mov dx, COM1 + 5
    in al, dx
    test al, 1
    jz get
    mov dx, COM1
    in al, dx
    ret

put:                            ; AL
    push eax
    mov dx, COM1 + 5
put_wait:
    in al, dx
    test al, 0x40               ; all is sent
    jz put_wait
    pop eax
    mov dx, COM1
    out dx, al
    ret

invalid_opcode:
    mov al, 'U'
    jmp end
protection:
    mov al, 'G'
    jmp end
page_fault:
    mov al, 'P'
    jmp end
system_call:
    mov ebx, eax
    mov al, 'R'
    call put
    mov ecx, 8
digits:
    rol ebx, 4
    mov eax, ebx
    and eax, 15
    mov al, [cs:AT(hexadecimal) + eax]
    call put
    loop digits
    mov al, 10
end:
    call put
    mov dx, COM1 + 5
flush:
    in al, dx
    test al, 0x40
    jz flush
    mov al, 0x10
    out 0xf4, al
    jmp $

ready: db "READY"
hexadecimal: db "0123456789abcdef"

gdt:
    dq 0
    dq 0x00cf9a000000ffff       ; 08: ring 0's code
    dq 0x00cf92000000ffff       ; 10: and data
    dq 0x0000890000000067 | (TASK_STATE & 0xffffff) << 16 ; 18
    dq 0, 0
    dq 0x00cff2000000ffff       ; 30: where Linux has thread-local data
    dq 0x00cffa000000ffff       ; 38: ring 3's code
    dq 0x00cff2000000ffff       ; 40: and data
gdt_end:

%macro gate 2                   ; access, label
    dq 0x0000000000080000 | %1 << 40 | AT(%2) & 0xffff | AT(%2) >> 16 << 48
%endmacro
idt:
    times 6 dq 0
    gate 0x8e, invalid_opcode
    times 13 - 7 dq 0
    gate 0x8e, protection
    gate 0x8e, page_fault
    times 0x80 - 15 dq 0
    gate 0xee, system_call
idt_end:
idt_register:
    dw idt_end - idt - 1
    dd AT(idt)

    times 0x1000 - ($ - code) db 0x90
user:                           ; in ring 3. AL: what to do. EBX: the number
    call system_call_64         ; these pages are executable from now on
    call system_call_i386
    call attacks_begin
    inc byte [AT(path)]         ; and this one is there
    dec byte [AT(path)]
    cmp al, 'J'                 ; to the number, in 64-bit code
    je jump_64
    cmp al, 'N'                 ; likewise in 32-bit code
    je jump_32
    cmp al, 'M'                 ; reads there
    je read
    cmp al, 'F'                 ; the way of a far return
    je return_64
    jmp HOST_CODE_64:AT(attack)
jump_64:
    mov [AT(place)], ebx
    jmp far [AT(place)]
jump_32:
    jmp ebx
read:
    mov eax, [ebx]
    jmp back
return_64:
    push dword HOST_CODE_64
    push dword AT(read_nothing)
    retf
    times 80 db 0x90            ; or that would not look like ordinary code
back:
    int 0x80

    times 0x2000 - ($ - code) db 0x90
bits 64
attacks_begin:
    ret
    times 64 db 0x90
attack:
    and eax, 31
    mov ecx, [AT(attacks) + rax * 4]
    jmp rcx

%macro host_call 1              ; its number
    mov eax, %1
    call system_call_64 + 1
%endmacro
%macro guest_again 0
    db 0xff, 0x2c, 0x25         ; jmp far [return], which NASM encodes otherwise
    dd AT(return)
%endmacro

open:
    mov edi, AT(new)
    mov esi, 0x241              ; O_WRONLY | O_CREAT | O_TRUNC
    mov edx, 0x1a4
    host_call 2
    guest_again
execute:
    mov edi, AT(program)
    xor esi, esi
    xor edx, edx
    host_call 59
    guest_again
connect:
    mov edi, 2
    mov esi, 1
    xor edx, edx
    host_call 41
    guest_again
kill:
    mov edi, ebx
    mov esi, 9
    host_call 62
    guest_again
trace:
    mov edi, 16                 ; PTRACE_ATTACH
    mov esi, ebx
    host_call 101
    guest_again
protect:
    mov edi, TABLE
    mov esi, 0x1000
    mov edx, 7
    host_call 10
    guest_again
remove:
    mov edi, AT(path)
    host_call 87
    guest_again
rename:
    mov edi, AT(path)
    mov esi, AT(new)
    host_call 82
    guest_again
truncate:
    mov edi, AT(path)
    xor esi, esi
    host_call 76
    guest_again
fork:
    host_call 57
    guest_again
open_i386:
    mov ebx, AT(new)
    mov ecx, 0x241
    mov edx, 0x1a4
    mov eax, 5
    call system_call_i386 + 1
    guest_again
open_x32:
    mov edi, AT(new)
    mov esi, 0x241
    host_call 0x40000002
    guest_again
write:
    mov edi, 2
    mov esi, AT(text)
    mov edx, text_end - text
    host_call 1
    guest_again
signal_itself:                  ; with the number
    host_call 39
    mov edi, eax
    mov esi, ebx
    host_call 62
    jmp $
read_nothing:
    mov eax, [abs 16]
    guest_again
loop_forever:
    jmp $
undefined:
    ud2
breakpoint:
    int3
    guest_again
divide:
    xor ecx, ecx
    div ecx
    guest_again
scribble:                       ; over `struct cpu`, to which R15 still points
    mov rdi, r15
    mov ecx, 0x1000
    mov eax, 0x41
    rep stosb
    guest_again
follow:                         ; over all that it points to
    mov edx, 0x800
    mov rsi, r15
next:
    mov rdi, [rsi]
    add rsi, 8
    mov rax, rdi
    shr rax, 40
    cmp eax, 0x55
    jb not_a_pointer
    cmp eax, 0x7f
    ja not_a_pointer
    mov ecx, 0x100
    mov eax, 0x41
    rep stosb
not_a_pointer:
    dec edx
    jnz next
    guest_again
shut:                           ; unmaps all of the window below the engine's page
    mov edi, 0x100000
    mov esi, 0xffeff000
    host_call 11
    guest_again
unmap_gates:                    ; and that page itself
    mov edi, 0xfffff000
    mov esi, 0x1000
    host_call 11
    guest_again

bits 32
    times 0x3000 - ($ - code) db 0x90
    times 256 db 0x90
system_call_64:                 ; a byte further: SYSCALL, RET
    mov ecx, 0x90c3050f
    ret
    times 256 db 0x90
system_call_i386:               ; likewise: INT 80h, RET
    mov ecx, 0x90c380cd
    ret

    times 0x4000 - ($ - code) db 0x90
attacks:
    dd 0                        ; indexed by a letter's lowest five bits, from 'a'
    dd AT(open), AT(execute), AT(connect), AT(kill), AT(trace), AT(protect)
    dd AT(remove), AT(rename), AT(truncate), AT(fork), AT(open_i386), AT(open_x32)
    dd AT(write), AT(signal_itself), AT(read_nothing), AT(loop_forever)
    dd AT(undefined), AT(breakpoint), AT(divide), AT(scribble), AT(follow), AT(shut)
    dd AT(unmap_gates)
return:
    dd AT(back)
    dw HOST_CODE_32
place:
    dd 0
    dw HOST_CODE_64
path: db "canary", 0
new: db "new", 0
program: db "/bin/true", 0
text: db "hostile", 10
text_end:
code_end:

bits 16
    times 0xfff0 - ($ - $$) db 0xff
    jmp start                   ; the reset vector: F000:FFF0
    times 0x10000 - ($ - $$) db 0xff
