/* One of each kind of instructions that access memory. */
#include "instructions.h"

#define INSTRUCTIONS(X)                                                                \
    X(load_8, "mov (%ebx), %al", 1, READS)                                             \
    X(load_16, "mov (%ebx), %ax", 2, READS)                                            \
    X(load_32, "mov (%ebx), %eax", 4, READS)                                           \
    X(load_base, "mov (%ebx), %ebx", 4, READS)                                         \
    X(movzx_8, "movzbl (%ebx), %eax", 1, READS)                                        \
    X(movzx_16, "movzwl (%ebx), %eax", 2, READS)                                       \
    X(movsx_8, "movsbw (%ebx), %ax", 1, READS)                                         \
    X(movsx_16, "movswl (%ebx), %eax", 2, READS)                                       \
    X(store_8, "mov %ah, (%ebx)", 1, WRITES)                                           \
    X(store_16, "mov %ax, (%ebx)", 2, WRITES)                                          \
    X(store_32, "mov %eax, (%ebx)", 4, WRITES)                                         \
    X(store_imm_8, "movb $0x12, (%ebx)", 1, WRITES)                                    \
    X(store_imm_16, "movw $0x1234, (%ebx)", 2, WRITES)                                 \
    X(store_imm_32, "movl $0x12345678, (%ebx)", 4, WRITES)                             \
    X(store_indexed, "mov %ecx, -16(%ebx,%ecx,8)", 4, WRITES)                          \
    X(load_segment, "mov %ds, (%ebx)", 2, WRITES)                                      \
    X(setcc, "setc (%ebx)", 1, WRITES)                                                 \
    X(cmov_taken, "stc; cmovc (%ebx), %eax", 4, READS)                                 \
    X(cmov_not_taken, "clc; cmovc (%ebx), %eax", 4, READS)                             \
    X(add_to, "add %eax, (%ebx)", 4, MODIFIES)                                         \
    X(add_from, "add (%ebx), %eax", 4, READS)                                          \
    X(add_imm_8, "addb $3, (%ebx)", 1, MODIFIES)                                       \
    X(add_imm_16, "addw $0x333, (%ebx)", 2, MODIFIES)                                  \
    X(adc_to, "adc %eax, (%ebx)", 4, MODIFIES)                                         \
    X(adc_from, "adc (%ebx), %eax", 4, READS)                                          \
    X(sbb_to, "sbb %ax, (%ebx)", 2, MODIFIES)                                          \
    X(sub_to, "sub %eax, (%ebx)", 4, MODIFIES)                                         \
    X(and_to, "and %eax, (%ebx)", 4, MODIFIES)                                         \
    X(or_to, "or %ax, (%ebx)", 2, MODIFIES)                                            \
    X(xor_to, "xor %al, (%ebx)", 1, MODIFIES)                                          \
    X(lock_add, "lock addl $1, (%ebx)", 4, MODIFIES)                                   \
    X(lock_or, "lock orw $0x8001, (%ebx)", 2, MODIFIES)                                \
    X(inc, "incl (%ebx)", 4, MODIFIES)                                                 \
    X(dec, "decw (%ebx)", 2, MODIFIES)                                                 \
    X(not, "notl (%ebx)", 4, MODIFIES)                                                 \
    X(neg, "negl (%ebx)", 4, MODIFIES)                                                 \
    X(shl_1, "shll (%ebx)", 4, MODIFIES)                                               \
    X(sar_imm, "sarl $5, (%ebx)", 4, MODIFIES)                                         \
    X(ror_cl, "rorw %cl, (%ebx)", 2, MODIFIES)                                         \
    X(rcr_1, "rcrl (%ebx)", 4, MODIFIES)                                               \
    X(shld, "shld $7, %eax, (%ebx)", 4, MODIFIES)                                      \
    X(shrd_cl, "shrd %cl, %eax, (%ebx)", 4, MODIFIES)                                  \
    X(bts_imm, "btsl $17, (%ebx)", 4, MODIFIES)                                        \
    X(btr_far, "mov $-64, %eax; add $8, %ebx; btrl %eax, (%ebx)", 4, MODIFIES)         \
    X(bt_imm, "btl $9, (%ebx)", 4, READS)                                              \
    X(bsf, "bsf (%ebx), %eax", 4, READS)                                               \
    X(cmp_to, "cmp %eax, (%ebx)", 4, READS)                                            \
    X(cmp_imm, "cmpb $5, (%ebx)", 1, READS)                                            \
    X(test_imm, "testl $0x8000, (%ebx)", 4, READS)                                     \
    X(xchg, "xchg %eax, (%ebx)", 4, MODIFIES)                                          \
    X(xchg_8, "xchg %al, (%ebx)", 1, MODIFIES)                                         \
    X(xadd, "xadd %eax, (%ebx)", 4, MODIFIES)                                          \
    X(cmpxchg, "cmpxchg %ecx, (%ebx)", 4, MODIFIES)                                    \
    X(cmpxchg8b, "cmpxchg8b (%ebx)", 8, MODIFIES)                                      \
    X(imul, "imul (%ebx), %eax", 4, READS)                                             \
    X(mul, "mull (%ebx)", 4, READS)                                                    \
    X(div, "divl (%ebx)", 4, READS | POINTERS)                                         \
    X(idiv, "idivw (%ebx)", 2, READS | CONTROLS)                                       \
    X(bound, "bound %eax, (%ebx)", 8, READS | BOUNDS)                                  \
    X(arpl, "arpl %ax, (%ebx)", 2, MODIFIES)                                           \
    X(verr, "verr (%ebx)", 2, READS | SELECTORS)                                       \
    X(lar, "lar (%ebx), %eax", 2, READS | SELECTORS)                                   \
    X(sgdt, "sgdtl (%ebx)", 6, WRITES)                                                 \
    X(smsw, "smsw (%ebx)", 2, WRITES)                                                  \
    X(str, "str (%ebx)", 2, WRITES)                                                    \
    X(lds, "lds (%ebx), %eax", 6, READS | SELECTORS)                                   \
    X(lgs, "lgs (%ebx), %eax", 6, READS | SELECTORS)                                   \
    X(load_es, "mov (%ebx), %es", 2, READS | SELECTORS)                                \
    X(push_memory, "pushl (%ebx)", 4, READS)                                           \
    X(pop_memory, "push $5; popl (%ebx)", 4, WRITES)                                   \
    X(call_memory, "call *(%ebx)", 4, READS | POINTERS)                                \
    X(jump_memory, "jmp *(%ebx)", 4, READS | POINTERS)                                 \
    X(call_far_memory, "lcall *(%ebx)", 6, READS | POINTERS)                           \
    X(jump_far_memory, "ljmp *(%ebx)", 6, READS | POINTERS)                            \
    X(push, "push %eax", 4, WRITES | PUSHES)                                           \
    X(push_16, "push %ax", 2, WRITES | PUSHES)                                         \
    X(push_imm, "push $0x12345678", 4, WRITES | PUSHES)                                \
    X(push_segment, "push %fs", 4, WRITES | PUSHES)                                    \
    X(push_stack, "push %esp", 4, WRITES | PUSHES)                                     \
    X(pushf, "pushf", 4, WRITES | PUSHES)                                              \
    X(pusha, "pusha", 32, WRITES | PUSHES)                                             \
    X(call, "call .+5", 4, WRITES | PUSHES)                                            \
    X(pop, "pop %eax", 4, READS | POPS)                                                \
    X(pop_16, "pop %ax", 2, READS | POPS)                                              \
    X(pop_segment, "pop %es", 4, READS | POPS | SELECTORS)                             \
    X(popf, "popf", 4, READS | POPS | POINTERS)                                        \
    X(popa, "popa", 32, READS | POPS)                                                  \
    X(ret, "ret", 4, READS | POPS | POINTERS)                                          \
    X(ret_imm, "ret $12", 4, READS | POPS | POINTERS)                                  \
    X(ret_far, "lret", 8, READS | POPS | POINTERS)                                     \
    X(iret, "iret", 12, READS | POPS | POINTERS)                                       \
    X(leave_frame, "leave", 4, READS | FRAME)                                          \
    X(enter, "enter $0, $0", 4, WRITES | PUSHES)                                       \
    X(lods, "lodsl", 4, READS)                                                         \
    X(stos, "stosl", 4, WRITES)                                                        \
    X(movs_itself, "movsl", 4, MODIFIES)                                               \
    X(scas, "scasw", 2, READS)                                                         \
    X(cmps, "cmpsl", 4, READS)                                                         \
    X(outs, "mov $0x80, %edx; outsb", 1, READS)                                        \
    X(xlat, "xor %eax, %eax; xlat", 1, READS)                                          \
    X(fld_32, "flds (%ebx)", 4, READS)                                                 \
    X(fld_64, "fldl (%ebx)", 8, READS)                                                 \
    X(fld_80, "fldt (%ebx)", 10, READS)                                                \
    X(fst_32, "fsts (%ebx)", 4, WRITES)                                                \
    X(fst_64, "fstl (%ebx)", 8, WRITES)                                                \
    X(fstp_64, "fstpl (%ebx)", 8, WRITES)                                              \
    X(fstp_80, "fstpt (%ebx)", 10, WRITES)                                             \
    X(fild_16, "filds (%ebx)", 2, READS)                                               \
    X(fild_64, "fildll (%ebx)", 8, READS)                                              \
    X(fist_16, "fists (%ebx)", 2, WRITES)                                              \
    X(fistp_64, "fistpll (%ebx)", 8, WRITES)                                           \
    X(fbld, "fbld (%ebx)", 10, READS)                                                  \
    X(fbstp, "fbstp (%ebx)", 10, WRITES)                                               \
    X(fadd_64, "faddl (%ebx)", 8, READS)                                               \
    X(fcomp_32, "fcomps (%ebx)", 4, READS)                                             \
    X(fldcw, "fldcw (%ebx)", 2, READS | CONTROLS)                                      \
    X(fnstcw, "fnstcw (%ebx)", 2, WRITES)                                              \
    X(fnstsw, "fnstsw (%ebx)", 2, WRITES)                                              \
    X(fldenv, "fldenv (%ebx)", 28, READS | CONTROLS)                                   \
    X(fnstenv, "fnstenv (%ebx)", 28, WRITES)                                           \
    X(frstor, "frstor (%ebx)", 108, READS | CONTROLS)                                  \
    X(fnsave, "fnsave (%ebx)", 108, WRITES)                                            \
    X(fxsave, "fxsave (%ebx)", 512, WRITES)                                            \
    X(fxrstor, "fxrstor (%ebx)", 512, READS | CONTROLS)                                \
    X(mmx_load, "movq (%ebx), %mm3", 8, READS)                                         \
    X(mmx_store, "movq %mm4, (%ebx)", 8, WRITES)                                       \
    X(mmx_add, "paddw (%ebx), %mm2", 8, READS)                                         \
    X(movups_load, "movups (%ebx), %xmm1", 16, READS)                                  \
    X(movups_store, "movups %xmm1, (%ebx)", 16, WRITES)                                \
    X(movaps_load, "movaps (%ebx), %xmm1", 16, READS | ALIGNED)                        \
    X(movaps_store, "movaps %xmm1, (%ebx)", 16, WRITES | ALIGNED)                      \
    X(movss_load, "movss (%ebx), %xmm2", 4, READS)                                     \
    X(movss_store, "movss %xmm2, (%ebx)", 4, WRITES)                                   \
    X(movsd_load, "movsd (%ebx), %xmm2", 8, READS)                                     \
    X(movsd_store, "movsd %xmm2, (%ebx)", 8, WRITES)                                   \
    X(movhps_load, "movhps (%ebx), %xmm3", 8, READS)                                   \
    X(movlps_store, "movlps %xmm3, (%ebx)", 8, WRITES)                                 \
    X(movdqu_load, "movdqu (%ebx), %xmm4", 16, READS)                                  \
    X(movdqu_store, "movdqu %xmm4, (%ebx)", 16, WRITES)                                \
    X(movd_load, "movd (%ebx), %xmm5", 4, READS)                                       \
    X(movd_store, "movd %xmm5, (%ebx)", 4, WRITES)                                     \
    X(movnti, "movnti %eax, (%ebx)", 4, WRITES)                                        \
    X(addss, "addss (%ebx), %xmm2", 4, READS)                                          \
    X(paddd, "paddd (%ebx), %xmm2", 16, READS | ALIGNED)                               \
    X(cvtsi2sd, "cvtsi2sdl (%ebx), %xmm2", 4, READS)                                   \
    X(cvttss2si, "cvttss2si (%ebx), %eax", 4, READS | CONTROLS)                        \
    X(pinsrw, "pinsrw $3, (%ebx), %xmm2", 2, READS)                                    \
    X(ldmxcsr, "ldmxcsr (%ebx)", 4, READS | CONTROLS)                                  \
    X(stmxcsr, "stmxcsr (%ebx)", 4, WRITES)

#define DEFINE(name, text, bytes, does) SNIPPET(instruction_##name, text);
#define ROW(name, text, bytes, does) {#name, instruction_##name, bytes, does},

INSTRUCTIONS(DEFINE)
const struct instruction instructions[] = {INSTRUCTIONS(ROW)};
const unsigned instruction_count = sizeof(instructions) / sizeof(instructions[0]);
