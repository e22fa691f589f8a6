; A boot sector for tests of displays: in text mode, says SCREEN on the screen and READY
; on COM1, and says on COM1 what comes from the keyboard and the mouse:
;   k CC     a character, in hexadecimal
;   m BB XX YY   buttons, motion (the bytes of a PS/2 packet)
; Keys that do more: g shows mode 13h, the left half in color 4 (red), the right half in
; color 1 (blue); t goes back to text; q powers off by APM.
bits 16
org 0x7c00

COM1 equ 0x3f8

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    cld
    mov ax, 0x0003
    int 0x10
    mov si, title
.next:
    lodsb
    or al, al
    jz .mouse
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    jmp .next
.mouse:
    mov ax, 0xc205              ; initialize, packets of 3 bytes
    mov bh, 3
    int 0x15
    mov ax, 0xc207              ; handler at ES:BX
    mov bx, packet
    int 0x15
    mov ax, 0xc200              ; on
    mov bh, 1
    int 0x15
    mov si, ready
.say:
    lodsb
    or al, al
    jz keys
    call send
    jmp .say

keys:
    mov ah, 1                   ; is there a key?
    int 0x16
    jnz .key
    hlt
    jmp keys
.key:
    xor ah, ah
    int 0x16
    cmp al, 'g'
    je graphics
    cmp al, 't'
    je start
    cmp al, 'q'
    je power_off
    cli
    push ax
    mov al, 'k'
    call send
    pop ax
    call send_hex
    call send_end
    sti
    jmp keys

graphics:
    mov ax, 0x0013
    int 0x10
    mov ax, 0xa000
    mov es, ax
    xor di, di
    mov dx, 200
.line:
    mov al, 4
    mov cx, 160
    rep stosb
    mov al, 1
    mov cx, 160
    rep stosb
    dec dx
    jnz .line
    jmp keys

power_off:
    mov ax, 0x5301
    xor bx, bx
    int 0x15
    mov ax, 0x5307
    mov bx, 1
    mov cx, 3
    int 0x15
    jmp keys

; Of the BIOS: the stack holds four words below the return address.
packet:
    push bp
    mov bp, sp
    push ax
    push dx
    mov al, 'm'
    call send
    mov al, [bp + 12]           ; buttons and signs
    call send_hex
    mov al, [bp + 10]
    call send_hex
    mov al, [bp + 8]
    call send_hex
    call send_end
    pop dx
    pop ax
    pop bp
    retf

send_end:
    mov al, 10
send:
    push dx
    push ax
    mov dx, COM1 + 5
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    pop ax
    mov dx, COM1
    out dx, al
    pop dx
    ret

send_hex:
    push ax
    mov al, ' '
    call send
    pop ax
    push ax
    shr al, 4
    call .digit
    pop ax
.digit:
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe send
    add al, 'a' - '0' - 10
    jmp send

title: db "SCREEN", 13, 10, 0
ready: db "READY", 10, 0

    times 510 - ($ - $$) db 0
    dw 0xaa55
