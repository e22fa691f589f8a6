/* The program of executor.h. EBP leads to the operation. */
#define USER_TEXT 0x40000000
#define PLACE(label) (USER_TEXT + label - executor)
#define ADDRESS 4
#define VALUE 8
#define COUNT 12
#define RESULT 16
#define LEFT 20
#define OPERATION_BYTES 32

        .text
        .globl executor, executor_next, executor_end
        .balign 16
executor:
        mov (%ebp), %eax
        mov ADDRESS(%ebp), %ebx
        mov VALUE(%ebp), %edx
        mov COUNT(%ebp), %ecx
        jmp *PLACE(table)(,%eax,4)
read_8:
        movzbl (%ebx), %eax
        jmp done
read_16:
        movzwl (%ebx), %eax
        jmp done
read_32:
        mov (%ebx), %eax
        jmp done
write_8:
        mov %dl, (%ebx)
        jmp done
write_16:
        mov %dx, (%ebx)
        jmp done
write_32:
        mov %edx, (%ebx)
        jmp done
add:
        add %edx, (%ebx)
        pushf
        pop %eax
        jmp done
exchange:
        xchg %edx, (%ebx)
        mov %edx, %eax
        jmp done
copy_bytes:
        mov %edx, %esi
        mov %ebx, %edi
        rep movsb
        jmp done
fill_words:
        mov %edx, %eax
        mov %ebx, %edi
        rep stosl
        jmp done
write_64:
        movd %edx, %mm0
        not %edx
        movd %edx, %mm1
        punpckldq %mm1, %mm0
        movq %mm0, (%ebx)
        emms
        jmp done
call_code:
        mov %ebx, %esi
        xor %eax, %eax
        cpuid                   /* what other addresses have written is seen */
        mov $PLACE(done), %edi
        jmp *%esi
done:
        mov %eax, RESULT(%ebp)
        mov %ecx, LEFT(%ebp)
executor_next:
        add $OPERATION_BYTES, %ebp
        jmp executor
end:
        int3
        .balign 4
table:
        .long PLACE(end), PLACE(read_8), PLACE(read_16), PLACE(read_32)
        .long PLACE(write_8), PLACE(write_16), PLACE(write_32), PLACE(add)
        .long PLACE(exchange), PLACE(copy_bytes), PLACE(fill_words), PLACE(write_64)
        .long PLACE(call_code)
executor_end:

        .section .note.GNU-stack, "", @progbits
