/* Page tables of both formats, contexts in them, ways to flush. */
#include "torture.h"

enum {
    SMALL_SHIFT = 12,
    USER_TEXT_COPIED = 128, /* bytes of a snippet */
    PAE_DIRECTORIES = 4,
    ROOT_MASK = ~0x1f,
};

static struct {
    bool pae;
    uint32_t next_frame;
    uint32_t text; /* the first of USER_TEXT_PAGES frames */
    uint32_t first_root;
} paging;

bool paging_is_pae(void)
{
    return paging.pae;
}

uint32_t large_bytes(void)
{
    return paging.pae ? 1U << 21 : 1U << 22;
}

uint32_t frame_alloc(void)
{
    uint32_t frame = paging.next_frame;
    if (frame == LARGE_FRAMES) {
        begin("kernel");
        put(" out of frames");
        leave(1);
    }
    paging.next_frame += PAGE_BYTES;
    fill(frame, 0, PAGE_BYTES);
    return frame;
}

uint64_t entry_read(uint32_t entry)
{
    uint64_t high = paging.pae ? *at(entry + 4) : 0;
    return *at(entry) | high << 32;
}

void entry_write(uint32_t entry, uint64_t value)
{
    *at(entry) = (uint32_t)value;
    if (paging.pae) {
        *at(entry + 4) = (uint32_t)(value >> 32);
    }
}

uint32_t directory_entry(uint32_t root, uint32_t linear)
{
    if (!paging.pae) {
        return (root & ~ENTRY_FLAGS) + (linear >> 22) * 4;
    }
    uint32_t directory = *at((root & ROOT_MASK) + (linear >> 30) * 8) & ~ENTRY_FLAGS;
    return directory + (linear >> 21 & 0x1ff) * 8;
}

uint32_t leaf_entry(uint32_t root, uint32_t linear)
{
    uint32_t directory = directory_entry(root, linear);
    if (!(*at(directory) & P)) {
        entry_write(directory, frame_alloc() | USER_PAGE);
    }
    uint32_t table = *at(directory) & ~ENTRY_FLAGS;
    return paging.pae ? table + (linear >> SMALL_SHIFT & 0x1ff) * 8
                      : table + (linear >> SMALL_SHIFT & 0x3ff) * 4;
}

static uint32_t empty_root(void)
{
    uint32_t root = frame_alloc();
    for (unsigned i = 0; paging.pae && i < PAE_DIRECTORIES; i++) {
        *at(root + 8 * i) = frame_alloc() | P;
    }
    return root;
}

static void map_one_to_one(uint32_t root)
{
    for (uint32_t page = 0; page < SMALL_PAGES_END; page += PAGE_BYTES) {
        entry_write(leaf_entry(root, page), page | P | W | G);
    }
    for (uint32_t page = SMALL_PAGES_END; page < MEMORY_BYTES; page += large_bytes()) {
        entry_write(directory_entry(root, page), page | P | W | G | LARGE);
    }
}

static void map_user(uint32_t root)
{
    paging.text = paging.next_frame;
    for (unsigned i = 0; i < USER_TEXT_PAGES; i++) {
        frame_alloc();
    }
    for (unsigned i = 0; i < USER_TEXT_PAGES; i++) {
        entry_write(leaf_entry(root, USER_TEXT + i * PAGE_BYTES),
                    (paging.text + i * PAGE_BYTES) | USER_PAGE);
    }
    for (unsigned i = 1; i <= USER_STACK_PAGES; i++) {
        uint32_t frame = frame_alloc();
        entry_write(leaf_entry(root, USER_STACK - i * PAGE_BYTES), frame | USER_PAGE);
    }
}

uint32_t space_create(void)
{
    uint32_t root = empty_root();
    for (uint32_t linear = 0; linear < MEMORY_BYTES; linear += large_bytes()) {
        entry_write(directory_entry(root, linear),
                    entry_read(directory_entry(paging.first_root, linear)));
    }
    entry_write(directory_entry(root, USER_TEXT),
                entry_read(directory_entry(paging.first_root, USER_TEXT)));
    return root;
}

void paging_begin(bool pae)
{
    paging.pae = pae;
    paging.next_frame = FRAMES;
    uint32_t root = paging.first_root = empty_root();
    map_one_to_one(root);
    map_user(root);
    set_cr4(CONTROL4 | (pae ? CR4_PAE : CR4_PSE));
    write_msr(MSR_EFER, pae ? EFER_NXE : 0);
    set_cr3(root);
    set_cr0(get_cr0() | CR0_PG | CR0_WP);
}

void paging_end(void)
{
    handle_nothing();
    set_cr0(get_cr0() & ~(CR0_PG | CR0_WP));
    set_cr4(CONTROL4);
    write_msr(MSR_EFER, 0);
    set_cr3(0);
}

uint32_t current_root(void)
{
    return get_cr3() & ROOT_MASK;
}

void set_leaf(uint32_t linear, uint64_t entry)
{
    entry_write(leaf_entry(current_root(), linear), entry);
}

void map(uint32_t linear, uint64_t entry)
{
    set_leaf(linear, entry);
    flush_page(linear);
}

uint64_t leaf_of(uint32_t linear)
{
    return entry_read(leaf_entry(current_root(), linear));
}

uint64_t translation(uint32_t root, uint32_t linear)
{
    uint64_t directory = entry_read(directory_entry(root, linear));
    if (!(directory & P)) {
        return 0;
    }
    if (directory & LARGE) {
        return directory + (linear & (large_bytes() - 1) & ~ENTRY_FLAGS);
    }
    uint64_t leaf = entry_read(leaf_entry(root, linear));
    uint64_t rights = leaf & directory & (P | W | U);
    return leaf & P ? (leaf & ~(uint64_t)(P | W | U)) | rights | (directory & NX) : 0;
}

void flush_page(uint32_t linear)
{
    __asm__ volatile("invlpg (%0)" ::"r"(linear) : "memory");
}

void flush_root(void)
{
    set_cr3(get_cr3());
}

void flush_global(void)
{
    set_cr4(get_cr4() ^ CR4_PGE);
    set_cr4(get_cr4() ^ CR4_PGE);
}

void flush_paging(void)
{
    set_cr0(get_cr0() & ~CR0_PG);
    set_cr0(get_cr0() | CR0_PG);
}

void flush(enum flush how, uint32_t linear)
{
    switch (how) {
    case FLUSH_PAGE:
        flush_page(linear);
        break;
    case FLUSH_ROOT:
        flush_root();
        break;
    case FLUSH_GLOBAL:
        flush_global();
        break;
    default:
        flush_paging();
    }
}

struct context placed(unsigned ring, uint32_t linear)
{
    if (ring == 0) {
        return ring0((const void *)linear);
    }
    struct context context = ring3((const void *)linear);
    context.esp = USER_STACK;
    return context;
}

struct context user(const uint8_t *code)
{
    copy(paging.text, code, USER_TEXT_COPIED);
    return placed(3, USER_TEXT);
}

struct context at_ring(unsigned ring, const uint8_t *code)
{
    return ring == 3 ? user(code) : ring0(code);
}

uint32_t run_ended(struct context *context)
{
    run(context);
    if (context->vector == 3) {
        return 0;
    }
    return context->vector == VECTOR_PF ? ENDED_FAULT | context->error
                                        : ENDED_OTHER | context->vector;
}

uint32_t wanted_end(uint64_t entry, enum access access, unsigned ring)
{
    bool write = access == ACCESS_WRITE;
    uint32_t error = (write ? ERROR_WRITE : 0) | (ring == 3 ? ERROR_USER : 0);
    if (access == ACCESS_EXECUTE && paging.pae) { /* with EFER.NXE, too */
        error |= ERROR_FETCH;
    }
    if (!(entry & P)) {
        return ENDED_FAULT | error;
    }
    bool read_only = !(entry & W) && (ring == 3 || (get_cr0() & CR0_WP));
    if ((ring == 3 && !(entry & U)) || (write && read_only) ||
        (access == ACCESS_EXECUTE && (entry & NX))) {
        return ENDED_FAULT | error | ERROR_PRESENT;
    }
    return 0;
}
