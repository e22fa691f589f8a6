; What the pruning of fault spaces is proved with: a program for tests/faults/frame.asm
; that uses registers, flags, memory and itself in every way that tells one kind of access
; from another. It runs with paging. The golden run begins behind the first byte that it
; sends; it ends with a sum of everything.

DIRECTORY equ 0x100000
TABLE equ 0x101000
NUMBERS equ DATA                ; to be sorted: six bytes, and room for a copy
COPY equ DATA + 8
PAIR equ DATA + 16
REQUEST equ DATA + 0x20         ; to fw_cfg: control, length, address, all big-endian
ANSWER equ DATA + 0x30
TICKS equ DATA + 0x34

main:
    vector 0, divide_error
    vector 0x20, timer
    vector 0x80, service
    mov edi, TABLE
    mov eax, 3
.map:
    mov [edi], eax
    add edi, 4
    add eax, 0x1000
    cmp eax, 0x400003
    jb .map
    mov dword [DIRECTORY], TABLE | 3
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    mov al, 0x11                ; 8259: vectors from 0x20 on, the timer's alone
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov dword [NUMBERS], 0x51fa0342
    mov dword [NUMBERS + 4], 0x00008807
    mov dword [REQUEST], 0x0a000000 ; select item 0, read
    mov dword [REQUEST + 4], 0x04000000
    mov dword [REQUEST + 8], 0
    mov dword [REQUEST + 12], 0
    mov dword [REQUEST + 16], 0
    mov al, '!'
    mov dx, 0x3f8
    out dx, al

sort:
    mov ebx, 5
.outer:
    xor esi, esi
    mov ecx, ebx
.inner:
    mov al, [NUMBERS + esi]
    mov ah, [NUMBERS + esi + 1]
    cmp al, ah
    jbe .ordered
    xchg al, ah
    mov [NUMBERS + esi], ax
.ordered:
    inc esi
    loop .inner
    dec ebx
    jnz .outer

strings:
    mov esi, NUMBERS
    mov edi, COPY
    mov ecx, 5
    rep movsb
    mov edi, COPY
    mov al, [NUMBERS + 3]
    mov ecx, 6
    repne scasb
    setz dl
    movzx ebp, dl
    add ebp, ecx
    xor ecx, ecx
    rep lodsb                   ; none
    std
    lodsw
    cld
    add ebp, eax
    mov edi, COPY + 2
    stosb
    mov esi, NUMBERS
    mov edi, COPY
    cmpsw
    lahf
    add ebp, eax

flags:
    mov ebx, 0x80000001
    mov ecx, 1
    stc
    rcl ebx, cl
    adc ebp, ebx
    cmp bl, 5
    mov cl, 0
    shl ebx, cl                 ; flags stay
    setc bh
    adc ebp, ebx
    sar ebx, 3
    cmovs edx, ebx
    cmovns edx, ebp
    sbb ebp, edx
    bt ebp, 3
    setc dl
    pushf
    pop eax
    and eax, 0xd5
    add ebp, eax
    inc ebp
    test ebp, ebp
    jp .even
    add ebp, 7
.even:
    neg ebp
    not ebp

multiply:
    mov eax, ebp
    mov ebx, 0x10003
    mul ebx
    add ebp, edx
    imul ecx, eax, 77
    cdq
    xadd ebp, ecx
    mov eax, ecx
    xor edx, edx
    mov ecx, 1001
    div ecx
    cwde
    bswap edx
    xor ebp, edx
    mov bl, 9
    mov ax, bp
    and ah, 7
    div bl
    shld ebp, eax, 4

exceptions:
    xor ecx, ecx
    div ecx                     ; #DE: goes on behind it
    add ebp, ecx
    int 0x80
    add ebp, eax
    push ebp
    mov ebp, esp
    sub esp, 8
    mov [ebp - 4], eax
    call double
    leave
    mov word [PAIR], bp
    add [PAIR], byte 3
    mov al, [PAIR + 1]
    mov [PAIR + 2], ax

code:
    mov edx, 3
.again:
    inc byte [.changed + 1]
.changed:
    mov al, 0x40
    add ebp, eax
    dec edx
    jnz .again

devices:
    mov edx, 0x518              ; fw_cfg's DMA
    mov eax, ANSWER
    bswap eax
    mov [REQUEST + 12], eax
    mov eax, REQUEST
    bswap eax
    out dx, eax
    add ebp, [ANSWER]
    mov al, 0x30                ; 8254: once, soon
    out 0x43, al
    mov al, 20
    out 0x40, al
    mov al, 0
    out 0x40, al
    sti
    hlt
    cli
    add ebp, [TICKS]

    add ebp, [NUMBERS]
    add ebp, [COPY]
    add ebp, [PAIR]
    show ebp
    finish 1

double:
    mov ecx, [ebp - 4]
    add ecx, ecx
    mov [ebp - 8], ecx
    push dword [ebp - 8]
    pop eax
    ret

divide_error:
    add dword [esp], 2
    inc ecx
    iret

service:
    pusha
    mov [esp + 28], ebx         ; EAX
    popa
    iret

timer:
    push eax
    inc dword [TICKS]
    mov al, 0x20
    out 0x20, al
    pop eax
    iret
