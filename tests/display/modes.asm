; A boot disk that sets one mode after the other by INT 10h and fills video memory with
; noise. After each it writes the mode's place in the list to port 0x501 and says so on
; COM1. `only`, patched by whoever starts it, picks one mode, after which it halts.

        bits    16
        org     0x7c00

SECTORS         equ 4
DISK_BYTES      equ 0x10000
DEBUG_EXIT      equ 0x501
COM1            equ 0x3f8
TEXT_MASK       equ 0x7fff              ; nothing blinks
NOISE_SEED      equ 0x1234

; How a mode's memory is filled.
FILL_TEXT       equ 0
FILL_WINDOW     equ 1                   ; 64 KiB at 0xa0000, or 32 at 0xb8000
FILL_PLANES     equ 2
FILL_MODE_X     equ 3
FILL_BANKS      equ 4

        jmp     0:start
start:
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 0x0200 | (SECTORS - 1)
        mov     bx, second_sector
        mov     es, [zero]
        mov     cx, 2
        mov     dh, 0
        int     0x13
        jmp     second_sector
zero:   dw      0

        times   508 - ($ - $$) db 0
only:   db      0xff
        times   510 - ($ - $$) db 0
        dw      0xaa55

second_sector:
        mov     si, modes
        mov     byte [number], 0
.next:
        cmp     si, modes_end
        jae     .end
        mov     al, [only]
        cmp     al, 0xff
        je      .chosen
        cmp     al, [number]
        jne     .skip
.chosen:
        call    show_mode
        mov     al, [number]
        mov     dx, COM1
        out     dx, al
        mov     dx, DEBUG_EXIT
        out     dx, al
.skip:
        inc     byte [number]
        add     si, 6
        jmp     .next
.end:
        cli
.halt:
        hlt
        jmp     .halt
number: db      0

; SI: the mode's entry: number, kind, count of banks, segment.
show_mode:
        mov     word [noise], NOISE_SEED
        ; The BIOS moves the CRT controller's ports at the end: after monochrome text,
        ; modes are right only from the second one on.
        mov     ax, 3
        call    set
        mov     ax, 3
        call    set
        mov     ax, [si]
        call    set
        mov     es, [si + 4]
        mov     al, [si + 2]
        cmp     al, FILL_TEXT
        je      fill_text
        cmp     al, FILL_WINDOW
        je      fill_window
        cmp     al, FILL_PLANES
        je      fill_planes
        cmp     al, FILL_MODE_X
        je      fill_mode_x

; AX: the mode, of VBE from 0x100 on.
set:
        test    ah, ah
        jnz     .vbe
        int     0x10
        ret
.vbe:
        mov     bx, ax
        mov     ax, 0x4f02
        int     0x10
        ret

fill_banks:
        mov     dx, 0
.bank:
        mov     ax, 0x4f05
        mov     bx, 0
        push    dx
        int     0x10
        mov     cx, 0x8000
        call    fill
        pop     dx
        inc     dx
        cmp     dl, [si + 3]
        jb      .bank
        ret

fill_text:
        mov     ah, 1                   ; no cursor
        mov     cx, 0x2000
        int     0x10
        xor     di, di
        mov     cx, 0x2000
.cell:
        call    random
        and     ax, TEXT_MASK
        ; 0xb0-0xbf: whether the ninth dot is like the eighth is a matter of opinion
        mov     bl, al
        and     bl, 0xf0
        cmp     bl, 0xb0
        jne     .put
        xor     al, 0x40
.put:
        stosw
        loop    .cell
        ret

fill_window:
        mov     cx, 0x4000
        cmp     byte [si + 3], 0
        je      fill
        mov     cx, 0x8000

; CX words at ES:0.
fill:
        xor     di, di
.word:
        call    random
        stosw
        loop    .word
        ret

; 320x240: 256 colors, not chained, 480 lines.
fill_mode_x:
        mov     dx, 0x3c4
        mov     ax, 0x0604
        out     dx, ax
        mov     dx, 0x3c2
        mov     al, 0xe3
        out     dx, al
        mov     dx, 0x3d4
        mov     al, 0x11
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0x7f
        out     dx, al
        dec     dx
        push    si
        mov     si, mode_x
        mov     cx, (mode_x_end - mode_x) / 2
.register:
        lodsw
        out     dx, ax
        loop    .register
        pop     si

fill_planes:
        mov     ah, 1
.plane:
        mov     al, 2                   ; map mask
        mov     dx, 0x3c4
        out     dx, ax
        push    ax
        mov     cx, 0x8000
        call    fill
        pop     ax
        shl     ah, 1
        cmp     ah, 0x10
        jb      .plane
        ret

; AX: 16 bits of a xorshift generator.
random:
        mov     ax, [noise]
        mov     bx, ax
        shl     bx, 7
        xor     ax, bx
        mov     bx, ax
        shr     bx, 9
        xor     ax, bx
        mov     bx, ax
        shl     bx, 8
        xor     ax, bx
        mov     [noise], ax
        ret
noise:  dw      0

; CRT controller registers (low byte) and values.
mode_x:
        dw      0x0d06, 0x3e07, 0x4109, 0xea10, 0xac11, 0xdf12, 0x0014, 0xe715
        dw      0x0616, 0xe317
mode_x_end:

%macro  mode 4                          ; number, kind, count, segment
        dw      %1
        db      %2, %3
        dw      %4
%endmacro

; tests/display/modes.py has their names, in the same order.
modes:
        mode    0x01, FILL_TEXT, 0, 0xb800
        mode    0x03, FILL_TEXT, 0, 0xb800
        mode    0x04, FILL_WINDOW, 0, 0xb800
        mode    0x05, FILL_WINDOW, 0, 0xb800
        mode    0x06, FILL_WINDOW, 0, 0xb800
        mode    0x07, FILL_TEXT, 0, 0xb000
        mode    0x0d, FILL_PLANES, 0, 0xa000
        mode    0x0e, FILL_PLANES, 0, 0xa000
        mode    0x0f, FILL_PLANES, 0, 0xa000
        mode    0x10, FILL_PLANES, 0, 0xa000
        mode    0x11, FILL_PLANES, 0, 0xa000
        mode    0x12, FILL_PLANES, 0, 0xa000
        mode    0x13, FILL_WINDOW, 1, 0xa000
        mode    0x13, FILL_MODE_X, 0, 0xa000
        mode    0x101, FILL_BANKS, 5, 0xa000    ; 640x480, 8 bits
        mode    0x103, FILL_BANKS, 8, 0xa000    ; 800x600, 8 bits
        mode    0x110, FILL_BANKS, 10, 0xa000   ; 640x480, 15 bits
        mode    0x114, FILL_BANKS, 15, 0xa000   ; 800x600, 16 bits
        mode    0x112, FILL_BANKS, 15, 0xa000   ; 640x480, 24 bits
        mode    0x144, FILL_BANKS, 48, 0xa000   ; 1024x768, 32 bits
modes_end:

        times   DISK_BYTES - ($ - $$) db 0
