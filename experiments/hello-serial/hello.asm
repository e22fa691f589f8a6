; A program without an operating system, as a Multiboot kernel: asks for a number on
; COM1, reads it to the end of the line, and says the sum of all numbers from 1 to that.
; 0 ends it, by isa-debug-exit at port 0xF4.
;
;   nasm -f bin -o hello.bin hello.asm
bits 32
org 0x100000

COM1 equ 0x3f8
MAGIC equ 0x1badb002
FLAGS equ 1 << 16               ; the addresses are below, and not an ELF file's

header:
    dd MAGIC, FLAGS, -(MAGIC + FLAGS)
    dd header, header, end, end, start

start:
    mov esp, stack
    mov dx, COM1 + 2            ; FIFOs on
    mov al, 7
    out dx, al
    mov dx, COM1 + 3            ; 8 bits, no parity
    mov al, 3
    out dx, al
    mov esi, greeting
    call print

next:
    mov esi, question
    call print
    call read_number
    test ecx, ecx
    jz done
    mov [number], ecx
    xor eax, eax
add_one:
    add eax, ecx
    dec ecx
    jnz add_one
    mov [sum], eax
    mov esi, answer
    call print
    mov eax, [sum]
    call print_number
    mov esi, newline
    call print
    jmp next

done:
    mov esi, farewell
    call print
    mov al, 0
    out 0xf4, al                ; exit code 1
    cli
    hlt

; Reads digits up to a newline into ECX.
read_number:
    xor ecx, ecx
.next:
    mov dx, COM1 + 5
    in al, dx
    test al, 1
    jz .next
    mov dx, COM1
    in al, dx
    cmp al, 10
    je .end
    sub al, '0'
    cmp al, 9
    ja .next
    movzx eax, al
    imul ecx, ecx, 10
    add ecx, eax
    jmp .next
.end:
    ret

; Prints the text at ESI, which ends in 0.
print:
    lodsb
    test al, al
    jz .end
    call send
    jmp print
.end:
    ret

; Prints EAX in decimal.
print_number:
    xor edx, edx
    mov ebx, 10
    div ebx
    push edx
    test eax, eax
    jz .digit
    call print_number
.digit:
    pop eax
    add al, '0'
    jmp send

send:
    mov bl, al
    mov dx, COM1 + 5
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    mov dx, COM1
    mov al, bl
    out dx, al
    ret

greeting: db "Hello. I add up numbers.", 13, 10, 0
question: db "Up to which one? ", 0
answer: db "The sum is ", 0
newline: db 13, 10, 0
farewell: db "Good bye.", 13, 10, 0

align 4
number: dd 0                    ; what was asked for
sum: dd 0                       ; what was answered
    times 1024 db 0
stack:
end:
