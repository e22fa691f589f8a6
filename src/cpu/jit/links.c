/* How translations find each other: direct links, and the jump tables.
 *
 * A link may join two translations only while the target's linear address cannot come
 * to mean other code: within a page, or in the supervisor's view, all of whose links
 * are cut when one of its code pages moves.
 *
 * User code is shared by all processes that have it at the same place. A link of its
 * that leads to another page is joined only while every view that has noted the page it
 * leads from has also noted the one it leads to, as the same page of RAM. So noting a
 * page may cut links that lead from there, and forgetting one those that lead there;
 * what is cut again and again goes through the table of the current view. */
#include "cpu/interpreter/host_unit.h"
#include "cpu/jit/jit.h"

#include <stddef.h>
#include <sys/mman.h>

static void patch(struct jit *jit, const struct link *link, const uint8_t *target)
{
    emit_patch_relative(&jit->emitter, link->site, target);
}

/* Where the link may enter. Budgets that are not exact need no check on the way
 * forward: every loop leads back somewhere. */
static const uint8_t *entry_for(const struct link *link, const struct translation *to)
{
    bool checked = (to->assumptions & ASSUME_EXACT) || to->eip <= link->from_eip;
    if (checked && to->unchecked) {
        return to->code;
    }
    return to->code + (link->live ? to->live : to->unchecked);
}

static gla_t page_of(gla_t address)
{
    return address & ~(gla_t)PAGE_OFFSET_MASK;
}

static struct link **page_list(struct link **lists, gla_t page)
{
    return &lists[(page >> PAGE_SHIFT) % JIT_PAGE_LISTS];
}

/* Leads the link through the jump table, for good. */
static void link_by_table(struct jit *jit, struct link *link)
{
    if (jit_has_room(jit)) {
        link->stub = emit_here(&jit->stubs);
        jit_emit_table_jump(&jit->stubs, link->eip);
        patch(jit, link, link->stub);
        host_unit_serialize();
    }
}

/* Lists of links: `next` leads on, `place` is where the link is pointed to. */
#define LIST(head, link, next, place)                                                  \
    do {                                                                               \
        struct link **list_head = (head);                                              \
        (link)->next = *list_head;                                                     \
        (link)->place = list_head;                                                     \
        if (*list_head) {                                                              \
            (*list_head)->place = &(link)->next;                                       \
        }                                                                              \
        *list_head = (link);                                                           \
    } while (0)

#define UNLIST(link, next, place)                                                      \
    do {                                                                               \
        *(link)->place = (link)->next;                                                 \
        if ((link)->next) {                                                            \
            (link)->next->place = (link)->place;                                       \
        }                                                                              \
        (link)->place = NULL;                                                          \
    } while (0)

static void join(struct jit *jit, struct link *link, struct translation *to)
{
    patch(jit, link, entry_for(link, to));
    link->to = to;
    LIST(&to->incoming, link, next_to, place);
    if (!(to->assumptions & ASSUME_USER)) {
        if (!link->listed) {
            link->listed = true;
            jit->supervisor_links[jit->supervisor_link_count++] = link;
        }
    } else if (page_of(link->from_eip) != page_of(link->eip)) {
        LIST(page_list(jit->links_from, link->from_eip), link, next_from, from_place);
        LIST(page_list(jit->links_into, link->eip), link, next_into, into_place);
    }
    jit->statistics.links++;
}

static void cut(struct jit *jit, struct link *link)
{
    patch(jit, link, link->stub);
    UNLIST(link, next_to, place);
    if (link->from_place) {
        UNLIST(link, next_from, from_place);
        UNLIST(link, next_into, into_place);
    }
    link->to = NULL;
    jit->statistics.unlinks++;
}

void jit_link(struct jit *jit, struct link *link, struct translation *to)
{
    enum { CUTS = 8 }; /* so often cut, the page is not the same for all who share it */
    gla_t page = page_of(link->from_eip), other = page_of(to->eip);
    bool user = to->assumptions & ASSUME_USER;
    uint64_t ram_page = to->block->ram_page;
    if (link->to) {
        return;
    }
    if (user && (to->block->next_host || link->from->block->next_host ||
                 ram_page >= VIEWS_NO_RAM || link->cuts >= CUTS)) {
        link_by_table(jit, link);
        return;
    }
    if (user && page != other) {
        views_forget_code_without(jit->cpu, page, other, ram_page);
    }
    join(jit, link, to);
}

void jit_cut_from(struct jit *jit, gla_t page)
{
    struct link *next;
    for (struct link *link = *page_list(jit->links_from, page); link; link = next) {
        next = link->next_from;
        if (page_of(link->from_eip) == page &&
            !views_shows_code(jit->cpu, page_of(link->eip),
                              link->to->block->ram_page)) {
            cut(jit, link);
            link->cuts++;
        }
    }
}

static void cut_into(struct jit *jit, unsigned view, gla_t page)
{
    struct link *next;
    for (struct link *link = *page_list(jit->links_into, page); link; link = next) {
        next = link->next_into;
        if (page_of(link->eip) == page &&
            views_has_code(jit->cpu, view, page_of(link->from_eip))) {
            cut(jit, link);
            link->cuts++;
        }
    }
}

/* Lest the lists fill with what dead processes have left. */
static void cut_all_from(struct jit *jit, gla_t page)
{
    struct link *next;
    for (struct link *link = *page_list(jit->links_from, page); link; link = next) {
        next = link->next_from;
        if (page_of(link->from_eip) == page) {
            cut(jit, link);
        }
    }
}

void jit_cut_at(struct jit *jit, unsigned view, gla_t page)
{
    cut_into(jit, view, page);
    if (!views_any_has_code(jit->cpu, page)) {
        cut_all_from(jit, page);
    }
}

void jit_emit_indirect(struct emitter *e, bool call)
{
    /* rorx r9d, r8d, rotation; lea r9d, [r8 + r9]; pext r9d, r9d, [r15 + index_mask] */
    EMIT(e, 0xc4, 0x43, 0x7b, 0xf0, 0xc8, JUMP_TABLE_ROTATION);
    EMIT(e, 0x47, 0x8d, 0x0c, 0x08);
    EMIT(e, 0xc4, 0x42, 0x32, 0xf5, 0x8f);
    emit32(e, (uint32_t)offsetof(struct cpu, translated.index_mask));
    /* call, jmp [r14 + r9 * 8 - bias] */
    EMIT(e, 0x43, 0xff, call ? 0x94 : 0xa4, 0xce);
    emit32(e, (uint32_t)jump_table_offset(0));
}

void jit_emit_table_jump(struct emitter *e, uint32_t eip)
{
    emit_constant32(e, HOST_R8, eip);
    EMIT(e, 0x41, 0xff, 0xa6); /* jmp [r14 + …] */
    emit32(e, (uint32_t)jump_table_offset(jump_table_index(eip)));
}

static void cut_incoming(struct jit *jit, struct translation *to)
{
    while (to->incoming) {
        cut(jit, to->incoming);
    }
}

void jit_forget_links(struct jit *jit)
{
    /* Most lists are empty: not all of them are cleared. */
    for (uint32_t i = 0; i < jit->link_count; i++) {
        *page_list(jit->links_from, jit->links[i]->from_eip) = NULL;
        *page_list(jit->links_into, jit->links[i]->eip) = NULL;
    }
    jit->link_count = jit->supervisor_link_count = 0;
}

void jit_unlink_supervisor(struct jit *jit)
{
    for (uint32_t i = 0; i < jit->supervisor_link_count; i++) {
        struct link *link = jit->supervisor_links[i];
        link->listed = false;
        if (link->to) {
            cut_incoming(jit, link->to);
        }
    }
    jit->supervisor_link_count = 0;
}

void jit_forget(struct jit *jit, struct translation *translation)
{
    cut_incoming(jit, translation);
    for (unsigned i = 0; i < VIEWS_MAXIMUM; i++) {
        const uint8_t **entries = jit->tables[i].entries;
        unsigned index = jump_table_index(translation->eip);
        if (entries && entries[index] == translation->indirect) {
            entries[index] = jit->exit_lookup;
        }
    }
}

static void empty(const struct jit *jit, const uint8_t **entries, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        entries[i] = jit->exit_lookup;
    }
}

static bool make_table(struct jump_table *table)
{
    uint8_t *memory = mmap(NULL, JUMP_TABLE_BYTES + JUMP_TABLE_GUARD, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED ||
        mprotect(memory, JUMP_TABLE_BYTES, PROT_READ | PROT_WRITE) != 0) {
        return false;
    }
    table->entries = (const uint8_t **)(void *)memory;
    return true;
}

struct jump_table *jit_table(struct jit *jit, unsigned view, uint32_t assumptions)
{
    struct jump_table *table = &jit->tables[view];
    if (table->entries && table->assumptions == assumptions) {
        return table;
    }
    if (!table->entries && !make_table(table)) {
        return NULL;
    }
    table->assumptions = assumptions;
    empty(jit, table->entries, JUMP_TABLE_ENTRIES);
    return table;
}

void jit_table_forget_page(struct jit *jit, unsigned view, gla_t page)
{
    enum { CROSSING = 15 }; /* instructions that begin before and end in the page */
    const uint8_t **entries = jit->tables[view].entries;
    if (!entries) {
        return;
    }
    gla_t first = (page & ~(gla_t)PAGE_OFFSET_MASK) - CROSSING;
    for (unsigned i = 0; i < CROSSING + PAGE_BYTES; i++) {
        entries[jump_table_index(first + i)] = jit->exit_lookup;
    }
}

void jit_table_forget_all(struct jit *jit, unsigned view)
{
    if (jit->tables[view].entries) {
        empty(jit, jit->tables[view].entries, JUMP_TABLE_ENTRIES);
    }
}
