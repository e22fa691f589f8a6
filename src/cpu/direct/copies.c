/* Copies of pages of guest code that are executed in place of them. The guest's memory
 * stays what it is; only who reads such a page as data sees the difference
 * (docs/fidelity.md).
 *
 * In a copy each instruction that must not be executed begins with HLT, which traps:
 * the interpreter executes what is in the guest's memory. Where one enters the kernel
 * and there is room, a far jump to a gate stands in its place and that of some
 * instructions before it, as a trap costs a hundred times more: so the guest's vDSO is
 * left quickly. */
#include "cpu/direct/direct.h"

#include "cpu/direct/scan.h"

enum { OPCODE_HLT = 0xf4, OPCODE_JMP_FAR = 0xea };

static uint8_t *written_at(const struct direct *direct, unsigned copy)
{
    return direct->written + (size_t)(DIRECT_CODE_PAGES + copy) * PAGE_BYTES;
}

static int find_free(const struct direct *direct)
{
    for (int i = 0; i < DIRECT_COPIES; i++) {
        if (!direct->copies[i].used) {
            return i;
        }
    }
    return SCAN_NONE;
}

static bool put_gate(struct direct *direct, unsigned number, uint8_t *page,
                     unsigned first, unsigned bytes)
{
    struct copy *copy = &direct->copies[number];
    uint32_t gate = direct_make_gate(direct, number << PAGE_SHIFT | first);
    const uint16_t selector = HOST_CODE_64;
    if (!gate || copy->gate_count == COPY_GATES) {
        return false;
    }
    page[first] = OPCODE_JMP_FAR;
    __builtin_memcpy(page + first + 1, &gate, sizeof(gate));
    __builtin_memcpy(page + first + 5, &selector, sizeof(selector));
    copy->gates[copy->gate_count++] =
        (struct copy_gate){gate, (uint16_t)first, (uint8_t)bytes};
    return true;
}

int direct_make_copy(struct direct *direct, uint32_t ram_page, const uint8_t *bytes,
                     const struct scan_marks *marks)
{
    int number = find_free(direct);
    if (number == SCAN_NONE) {
        return SCAN_NONE;
    }
    struct copy *copy = &direct->copies[number];
    uint8_t *page = written_at(direct, (unsigned)number);
    *copy = (struct copy){.used = true, .ram_page = ram_page};
    for (unsigned i = 0; i < PAGE_BYTES; i++) {
        page[i] = bytes[i];
    }
    for (unsigned i = 0; i < marks->count; i++) {
        int window = marks->marks[i].window;
        if (window == SCAN_NONE ||
            !put_gate(direct, (unsigned)number, page, (unsigned)window,
                      marks->marks[i].window_bytes)) {
            page[marks->marks[i].start] = OPCODE_HLT;
        }
    }
    return number;
}

void direct_drop_copy(struct direct *direct, unsigned number)
{
    struct copy *copy = &direct->copies[number];
    for (unsigned i = 0; i < copy->gate_count; i++) {
        direct_free_gate(direct, copy->gates[i].gate);
    }
    copy->used = false;
}

bool direct_copy_fits(const struct direct *direct, unsigned number, gla_t page)
{
    const struct copy *copy = &direct->copies[number];
    gla_t other;
    return copy->gate_count == 0 ||
           !views_executable_at(direct->cpu, copy->ram_page, &other) || other == page;
}

bool direct_copy_enters(const struct direct *direct, unsigned number, uint32_t eip)
{
    const struct copy *copy = &direct->copies[number];
    unsigned offset = eip & PAGE_OFFSET_MASK;
    for (unsigned i = 0; i < copy->gate_count; i++) {
        const struct copy_gate *gate = &copy->gates[i];
        if (offset >= gate->first && offset < gate->first + gate->bytes) {
            return false;
        }
    }
    return true;
}

bool direct_find_gate(struct direct *direct, uint32_t passed, uint32_t *eip)
{
    if (passed >> PAGE_SHIFT >= DIRECT_COPIES) {
        return false; /* a hostile guest has jumped right behind the gate */
    }
    const struct copy *copy = &direct->copies[passed >> PAGE_SHIFT];
    gla_t page;
    if (!views_executable_at(direct->cpu, copy->ram_page, &page)) {
        return false;
    }
    *eip = page | (passed & PAGE_OFFSET_MASK);
    return true;
}
