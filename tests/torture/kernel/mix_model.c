/* What each access of the random mix has to do. */
#include "mix.h"

uint32_t modelled_frame(unsigned frame)
{
    return MODELS + frame * PAGE_BYTES;
}

volatile uint8_t *modelled(uint32_t linear)
{
    uint32_t frame = (uint32_t)translate(linear) & ~ENTRY_FLAGS;
    unsigned i = (frame - mix.frames[0]) / PAGE_BYTES;
    if (frame >= LARGE_FRAMES) {
        uint32_t offset = frame - LARGE_FRAMES;
        i = SMALL_FRAMES + offset / large_bytes() * REGION_PAGES +
            offset % large_bytes() / PAGE_BYTES;
    }
    return byte_at(modelled_frame(i) + linear % PAGE_BYTES);
}

static void note_use(uint32_t linear, bool write, bool done)
{
    unsigned page = page_of(linear), first = page, end = page + 1;
    uint8_t bits = write ? ENTRY_BITS : A;
    if (is_large(mix.current, page)) {
        first = page / REGION_PAGES * REGION_PAGES;
        end = first + REGION_PAGES;
    }
    for (unsigned i = first; i < end; i++) {
        set_used(mix.current, i, mix.used[mix.current][i] | (done ? bits : 0),
                 mix.maybe[mix.current][i] | bits);
    }
}

/* Whether `bytes` at an address may be accessed, at most across one border of pages;
 * else the operation's fault. */
static bool allowed(struct operation *operation, uint32_t linear, unsigned bytes,
                    enum access access)
{
    uint32_t last = linear + bytes - 1;
    uint32_t places[] = {linear, last & ~ENTRY_FLAGS};
    unsigned count = page_of(linear) == page_of(last) ? 1 : 2;
    for (unsigned i = 0; i < count; i++) {
        uint32_t ended = wanted_end(translate(places[i]), access, mix.ring);
        if (ended) {
            operation->fault = ended;
            operation->cr2 = places[i];
            return false;
        }
        note_use(places[i], access == ACCESS_WRITE, false);
    }
    for (unsigned i = 0; i < count; i++) {
        note_use(places[i], access == ACCESS_WRITE, true);
    }
    return true;
}

static uint32_t load(uint32_t linear, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint32_t)*modelled(linear + i) << 8 * i;
    }
    return value;
}

static void store(uint32_t linear, unsigned bytes, uint32_t value)
{
    for (unsigned i = 0; i < bytes; i++) {
        *modelled(linear + i) = (uint8_t)(value >> 8 * i);
    }
}

static uint32_t flags_of_sum(uint32_t a, uint32_t b)
{
    uint32_t flags;
    __asm__("add %2, %1; pushf; pop %0" : "=&r"(flags), "+r"(a) : "r"(b) : "cc");
    return flags & FLAGS_ALL;
}

static void model_read(struct operation *operation, unsigned bytes)
{
    if (allowed(operation, operation->address, bytes, ACCESS_READ)) {
        operation->result = load(operation->address, bytes);
    }
}

static void model_write(struct operation *operation, unsigned bytes)
{
    if (allowed(operation, operation->address, bytes, ACCESS_WRITE)) {
        store(operation->address, bytes > 4 ? 4 : bytes, operation->value);
        if (bytes > 4) {
            store(operation->address + 4, 4, ~operation->value);
        }
    }
}

static void model_modify(struct operation *operation)
{
    if (allowed(operation, operation->address, 4, ACCESS_WRITE)) {
        uint32_t old = load(operation->address, 4);
        bool adds = operation->kind == OPERATION_ADD;
        operation->result = adds ? flags_of_sum(old, operation->value) : old;
        store(operation->address, 4, adds ? old + operation->value : operation->value);
    } else {
        note_use(operation->cr2, false, false); /* it may have been read */
    }
}

/* Up to the next border of pages at most. */
static uint32_t bytes_in_page(uint32_t linear, uint32_t bytes)
{
    uint32_t rest = PAGE_BYTES - linear % PAGE_BYTES;
    return bytes < rest ? bytes : rest;
}

static void model_copy(struct operation *operation)
{
    uint32_t from = operation->value, to = operation->address;
    for (operation->left = operation->count; operation->left;) {
        uint32_t bytes = bytes_in_page(from, bytes_in_page(to, operation->left));
        if (!allowed(operation, from, bytes, ACCESS_READ) ||
            !allowed(operation, to, bytes, ACCESS_WRITE)) {
            return;
        }
        const volatile uint8_t *source = modelled(from);
        volatile uint8_t *target = modelled(to);
        for (uint32_t i = 0; i < bytes; i++) {
            target[i] = source[i];
        }
        from += bytes;
        to += bytes;
        operation->left -= bytes;
    }
}

static void model_fill(struct operation *operation)
{
    uint32_t to = operation->address;
    for (operation->left = operation->count; operation->left;) {
        uint32_t words = bytes_in_page(to, 4 * operation->left) / 4;
        words += words == 0; /* across the border */
        if (!allowed(operation, to, 4 * words, ACCESS_WRITE)) {
            return;
        }
        operation->left -= words;
        for (; words; words--) {
            store(to, 4, operation->value);
            to += 4;
        }
    }
}

static void model_call(struct operation *operation)
{
    /* The instructions are fetched one after the other. */
    if (allowed(operation, operation->address, 5, ACCESS_EXECUTE) &&
        allowed(operation, operation->address + 5, 2, ACCESS_EXECUTE)) {
        operation->result = load(operation->address + 1, 4);
    }
}

void foretell(struct operation *operation)
{
    static const uint8_t sizes[] = {0, 1, 2, 4, 1, 2, 4};
    switch (operation->kind) {
    case OPERATION_READ_8:
    case OPERATION_READ_16:
    case OPERATION_READ_32:
        model_read(operation, sizes[operation->kind]);
        break;
    case OPERATION_WRITE_8:
    case OPERATION_WRITE_16:
    case OPERATION_WRITE_32:
        model_write(operation, sizes[operation->kind]);
        break;
    case OPERATION_WRITE_64:
        model_write(operation, 8);
        break;
    case OPERATION_ADD:
    case OPERATION_EXCHANGE:
        model_modify(operation);
        break;
    case OPERATION_COPY:
        model_copy(operation);
        break;
    case OPERATION_FILL:
        model_fill(operation);
        break;
    default:
        model_call(operation);
    }
}
