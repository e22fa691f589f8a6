; A boot sector that moves sectors by INT 13h: it says READY on the first serial line,
; and then for each byte that comes from there:
;   'w'   writes SECTORS sectors full of 'W' from sector PLACE on
;   'r'   reads them, and answers with the first byte
; and answers '+' or, if the BIOS had an error, '-'.
bits 16
org 0x7c00

PLACE   equ 2048
SECTORS equ 8
BUFFER  equ 0x8000
COM1    equ 0x3f8

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        cld
        mov si, ready
greet:  lodsb
        test al, al
        jz wait_
        call print
        jmp greet

wait_:  mov dx, COM1 + 5
        in al, dx
        test al, 1
        jz wait_
        mov dx, COM1
        in al, dx
        cmp al, 'w'
        je write
        cmp al, 'r'
        jne wait_
        mov ah, 0x42
        call transfer
        jc wait_
        mov al, [BUFFER]
        call print
        jmp wait_
write:  mov di, BUFFER
        mov cx, SECTORS * 512
        mov al, 'W'
        rep stosb
        mov ah, 0x43
        call transfer
        jmp wait_

; INT 13h, function in AH; CF as the BIOS has it
transfer:
        mov al, 0
        mov dl, [drive]
        mov si, packet
        mov word [packet + 2], SECTORS
        int 0x13
        mov al, '+'
        jnc told
        mov al, '-'
told:   pushf
        call print
        popf
        ret

print:  mov ah, al
        mov dx, COM1 + 5
ready_: in al, dx
        test al, 0x20
        jz ready_
        mov dx, COM1
        mov al, ah
        out dx, al
        ret

ready:  db "READY", 10, 0
drive:  db 0
align 4
packet: db 16, 0
        dw SECTORS, BUFFER, 0
        dq PLACE
        times 510 - ($ - $$) db 0
        dw 0xaa55
