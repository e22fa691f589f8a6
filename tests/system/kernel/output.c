/* The first serial line, and the way out. */
#include "kernel.h"

#include <stdarg.h>

enum { COM1 = 0x3f8, LINE_STATUS = 5, TRANSMITTER_EMPTY = 0x20, DEBUG_EXIT = 0xf4 };

static const char *current_topic;
static bool line_open;

static void put_char(char c)
{
    while (!(inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY)) {
    }
    outb(COM1, (uint8_t)c);
}

static void put_string(const char *text)
{
    while (*text) {
        put_char(*text++);
    }
}

static void put_number(uint32_t value, uint32_t base)
{
    char digits[12];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count) {
        put_char(digits[--count]);
    }
}

void put(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (; *format; format++) {
        if (*format != '%') {
            put_char(*format);
            continue;
        }
        switch (*++format) {
        case 'x':
            put_number(va_arg(values, uint32_t), 16);
            break;
        case 'd':
            put_number(va_arg(values, uint32_t), 10);
            break;
        case 's':
            put_string(va_arg(values, const char *));
            break;
        default:
            put_char(*format);
        }
    }
    va_end(values);
}

void end_line(void)
{
    if (line_open) {
        put_char('\n');
    }
    line_open = false;
}

void topic(const char *name)
{
    current_topic = name;
}

void begin(const char *name)
{
    end_line();
    put("%s.%s:", current_topic, name);
    line_open = true;
}

/* " #vector(error)+offset" or " done"; the offset is that of EIP in the snippet. */
void put_ending(const struct context *context)
{
    uint32_t offset = context->eip - context->code;
    if (context->vector == 3) {
        put(" done");
        if (offset > 0x1000) {
            put(" at %x", context->eip);
        }
        return;
    }
    put(" #%x", context->vector);
    if (context->vector == 8 || context->vector == 17 ||
        (context->vector >= 10 && context->vector <= 14)) {
        put("(%x)", context->error);
    }
    if (offset < 0x1000) {
        put("+%x", offset);
    } else {
        put(" at %x", context->eip);
    }
}

const char *joined(const char *a, const char *b)
{
    static char text[64];
    char *end = text;
    while (*a) {
        *end++ = *a++;
    }
    *end++ = '_';
    while (*b) {
        *end++ = *b++;
    }
    *end = 0;
    return text;
}

void go(const char *name, struct context *context)
{
    begin(name);
    run(context);
    put_ending(context);
}

void go0(const char *name, const void *code)
{
    struct context context = ring0(code);
    go(name, &context);
}

void go3(const char *name, const void *code)
{
    struct context context = ring3(code);
    go(name, &context);
}

void leave(uint8_t status)
{
    end_line();
    while (!(inb(COM1 + LINE_STATUS) & 0x40)) {
    }
    outb(DEBUG_EXIT, status);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
