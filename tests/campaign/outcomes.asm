; A program for tests/faults/frame.asm that can end in every way: which one depends on the
; words at DATA, none of which is touched before it has sent a "!" and waited. Without a
; fault it says 0badcafe and ends with status 3.

SHOWN equ DATA                  ; its number
IGNORED equ DATA + 4            ; read, but of no consequence
OVERWRITTEN equ DATA + 8
LOOPING equ DATA + 12           ; not 0: it goes round for ever
RESETTING equ DATA + 16         ; … a triple fault
HALTING equ DATA + 20           ; … it halts with interrupts off
COPY equ DATA + 24              ; not SHOWN: it says so
SPARE equ DATA + 28             ; not 0: it says that it has put this right
UNUSED equ DATA + 32

main:
    mov dword [SHOWN], 0x0badcafe
    mov dword [COPY], 0x0badcafe
    mov al, '!'
    mov dx, 0x3f8
    out dx, al
    mov ecx, 500
.wait:
    loop .wait

    mov dword [OVERWRITTEN], 5
    mov ebx, [IGNORED]
    xor ebx, ebx
    cmp [SPARE], ebx
    je .unspoilt
    mov [SPARE], ebx
    mov al, 'C'
    call say
.unspoilt:
    mov eax, [COPY]
    cmp eax, 0x0badcafe
    je .equal
    mov al, 'D'
    call say
.equal:
    cmp [LOOPING], ebx
    jne $
    cmp [HALTING], ebx
    je .awake
    hlt
.awake:
    cmp [RESETTING], ebx
    je .sound
    lidt [nothing]
    int3
.sound:
    show dword [SHOWN]
    finish 1

say:                            ; the letter in AL as a line
    mov dx, 0x3f8
    out dx, al
    mov al, 10
    out dx, al
    ret

nothing:
    dw 0
    dd 0
