/* A program for a debugger to look at; see debug.gdb. */
#include <pthread.h>
#include <stdio.h>

__thread int own = 5;
volatile int counter;
volatile int words[4] = {1, 2, 3, 4};
char text[] = "nothing";

/* Each instruction that steps in its own way; the debugger knows their labels. */
void stepped(void);
asm(".text; .globl stepped, stepped_loop, stepped_string, stepped_stack, stepped_flags,"
    " stepped_call, stepped_end\n"
    "stepped: push %ebx; push %esi; push %edi\n"
    "mov $100, %ecx; xor %eax, %eax\n"
    "stepped_loop: add %ecx, %eax; dec %ecx; jnz stepped_loop\n"
    "stepped_string: mov $words, %esi; mov $text, %edi; mov $7, %ecx; rep movsb\n"
    "stepped_stack: mov %ss, %edx; mov %edx, %ss; inc %eax; inc %eax\n"
    "stepped_flags: pushf; pop %edx\n"
    "stepped_call: mov $20, %eax; int $0x80; mov %eax, %ebx; cpuid; nop\n"
    "stepped_end: pop %edi; pop %esi; pop %ebx; ret\n"
    ".previous");

static __attribute__((noinline)) int factorial(int n)
{
    if (n == 0) {
        return 1;
    }
    return n * factorial(n - 1);
}

static __attribute__((noinline)) void change_words(void)
{
    for (int i = 0; i < 4; i++) {
        counter += words[i];
        words[i] *= 10;
    }
}

static void *run_thread(void *argument)
{
    own += *(int *)argument;
    change_words();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int number = 37;
    int result = factorial(5);
    stepped();
    change_words();
    pthread_create(&thread, NULL, run_thread, &number);
    pthread_join(thread, NULL);
    asm volatile("movl $1, (%0); .globl behind_fault; behind_fault:"
                 :
                 : "r"(result - 120)
                 : "memory");
    printf("goes on behind the fault: %d, %d\n", own, counter);
    fflush(stdout);
    return 3;
}
