; A boot sector: reads the last sector of the disk, of which it is told cylinder, head and
; number at its end, prints what is in it on the first serial line, writes its first
; eight bytes to sector 2, and ends the machine by isa-debug-exit: 7 good, 9 bad.
bits 16
org 0x7c00

        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        mov ax, 0x0201
        call transfer_last
        mov si, 0x8000
        cli ; the BIOS's timer interrupt writes what it holds back to the same line
next:   lodsb
        test al, al
        jz printed
        call print
        jmp next
printed:
        sti
        mov ax, 0x0301
        mov cx, 0x0002
        mov dh, 0
        call transfer
        mov al, 3
exit:   out 0xf4, al
        hlt

; int 13h, function and count in AX, at the buffer
transfer_last:
        mov cx, [place]
        mov dh, [head]
transfer:
        mov dl, [drive]
        mov bx, 0x8000
        int 0x13
        jc bad
        ret
bad:    mov al, 4
        jmp exit

print:  mov ah, al
        mov dx, 0x3fd
ready:  in al, dx
        test al, 0x20
        jz ready
        mov dx, 0x3f8
        mov al, ah
        out dx, al
        ret

drive:  db 0
        times 507 - ($ - $$) db 0
place:  dw 0 ; CX: cylinder in the high byte, number in the low one
head:   db 0
        dw 0xaa55
