; A BIOS of 64 KiB for tests: says READY on COM1, then echoes what it is sent, except
;   q  powers off (PIIX4: SLP_EN with type 0 in PMCNTRL)
;   r  resets the machine (port 0xCF9)
;   x  writes 0x15 to isa-debug-exit at 0xF4: exit status 43
;   w  writes sector WRITE_LBA of the primary master: says OK or ERROR
;   h  halts with interrupts off
; There is no stack: subroutines return through BP.
bits 16
org 0

COM1 equ 0x3f8
ATA equ 0x1f0
PM_BASE equ 0x600
IDE_FUNCTION equ 0x80000900 ; bus 0, device 1, function 1
PM_FUNCTION equ 0x80000b00  ; bus 0, device 1, function 3
WRITE_LBA equ 0x1f000

; Sets a register of PCI configuration space to the 32-bit value.
%macro configure 2
    mov eax, %1
    mov dx, 0xcf8
    out dx, eax
    mov eax, %2
    mov dx, 0xcfc
    out dx, eax
%endmacro

start:
    cli
    cld
    mov ax, cs
    mov ds, ax
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
    mov dx, COM1 + 4
    mov al, 3
    out dx, al
    mov si, ready
    mov bp, echo
    jmp print

echo:
    mov dx, COM1 + 5
    in al, dx
    test al, 1
    jz echo
    mov dx, COM1
    in al, dx
    cmp al, 'q'
    je power_off
    cmp al, 'r'
    je reset
    cmp al, 'x'
    je debug_exit
    cmp al, 'w'
    je write_sector
    cmp al, 'h'
    je halt
    mov ah, al
    mov bp, echo
    jmp send

; Sends the text at SI, which ends in 0.
print:
    lodsb
    or al, al
    jnz .next
    jmp bp
.next:
    mov ah, al
    mov bx, bp
    mov bp, .sent
    jmp send
.sent:
    mov bp, bx
    jmp print

; Sends AH when the transmitter is empty.
send:
    mov dx, COM1 + 5
    in al, dx
    test al, 0x20
    jz send
    mov dx, COM1
    mov al, ah
    out dx, al
    jmp bp

halt:
    hlt
    jmp halt

reset:
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    jmp halt

debug_exit:
    mov al, 0x15
    out 0xf4, al
    jmp halt

power_off:
    configure PM_FUNCTION + 0x40, PM_BASE + 1 ; PMBA
    configure PM_FUNCTION + 0x80, 1           ; PMREGMISC: the base is valid
    mov ax, 0x2000
    mov dx, PM_BASE + 4
    out dx, ax
    jmp halt

write_sector:
    configure IDE_FUNCTION + 0x04, 1      ; PCICMD: answers to ports
    configure IDE_FUNCTION + 0x40, 0x8000 ; IDETIM: decodes the primary channel
    mov dx, ATA + 6
    mov al, 0xe0 + (WRITE_LBA >> 24)
    out dx, al
    mov dx, ATA + 2
    mov al, 1
    out dx, al
    inc dx
    mov al, WRITE_LBA & 0xff
    out dx, al
    inc dx
    mov al, (WRITE_LBA >> 8) & 0xff
    out dx, al
    inc dx
    mov al, (WRITE_LBA >> 16) & 0xff
    out dx, al
    mov dx, ATA + 7
    mov al, 0x30                ; WRITE SECTOR(S)
    out dx, al
.wait_request:
    in al, dx
    test al, 0x80
    jnz .wait_request
    test al, 8
    jz .failed
    mov dx, ATA
    xor si, si
    mov cx, 256
    rep outsw
    mov dx, ATA + 7
.wait_end:
    in al, dx
    test al, 0x80
    jnz .wait_end
    test al, 0x21               ; ERR or DF
    jnz .failed
    mov si, good
    mov bp, echo
    jmp print
.failed:
    mov si, bad
    mov bp, echo
    jmp print

ready: db "READY", 13, 10, 0
good: db "OK", 13, 10, 0
bad: db "ERROR", 13, 10, 0

    times 0xfff0 - ($ - $$) db 0xff
    jmp start                   ; the reset vector: F000:FFF0
    times 0x10000 - ($ - $$) db 0xff
