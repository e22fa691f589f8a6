/* Accesses to memory, by whomever: the pages of the space's RAM become regions with
 * registers, which are handed on to what lies below. */
#include "campaign/trace_internal.h"

#include "faults/page_watch.h"
#include "machine/seams.h"

#include <string.h>

enum { ENTRY_PRESENT = 1, ENTRY_LARGE = 0x80 };

static bool is_in_space(const struct access_trace *trace, gpa_t address)
{
    const struct fault_space *space = trace->space;
    for (unsigned i = 0; i < space->row_count; i++) {
        const struct space_row *row = &space->rows[i];
        if (row->target == FAULT_RAM && address - row->address < row->bytes) {
            return true;
        }
    }
    return false;
}

static const struct traced_memory *find_memory(const struct access_trace *trace,
                                               gpa_t address)
{
    for (unsigned i = 0; i < trace->memory_count; i++) {
        const struct traced_memory *memory = &trace->memory[i];
        if (address - memory->first < memory->pages << PAGE_SHIFT) {
            return memory;
        }
    }
    return NULL;
}

/* NULL: not in the space, or there is no room. */
static struct access_list *take_cell(struct access_trace *trace, gpa_t address)
{
    const struct traced_memory *memory = find_memory(trace, address);
    if (!memory || !is_in_space(trace, address)) {
        return NULL;
    }
    struct access_list **page = &memory->cells[(address - memory->first) >> PAGE_SHIFT];
    if (!*page) {
        *page = trace_allocate(trace, PAGE_BYTES, sizeof(**page));
    }
    return *page ? &(*page)[address & PAGE_OFFSET_MASK] : NULL;
}

const struct access_list *trace_byte(const struct access_trace *trace, gpa_t address)
{
    const struct traced_memory *memory = find_memory(trace, address);
    const struct access_list *page =
        memory ? memory->cells[(address - memory->first) >> PAGE_SHIFT] : NULL;
    return page ? &page[address & PAGE_OFFSET_MASK] : NULL;
}

/* -- page tables: what the CPU has read of them it keeps for a while -- */

static const void *table_at(const struct access_trace *trace, gpa_t address)
{
    const struct page_watches memory = {.map =
                                            machine_memory_to_change(trace->machine)};
    return page_watch_ram(&memory, address & ~(gpa_t)PAGE_OFFSET_MASK);
}

static bool leads_to(uint64_t entry, gpa_t page)
{
    return (entry & ENTRY_PRESENT) && !(entry & ENTRY_LARGE) &&
           (entry & 0x0000000ffffff000ULL) == page;
}

static bool is_in_32_bit_tables(const struct access_trace *trace, gpa_t page)
{
    const gpa_t directory = machine_cpu(trace->machine)->cr3 & ~(gpa_t)PAGE_OFFSET_MASK;
    const uint32_t *entries = table_at(trace, directory);
    bool found = page == directory;
    for (unsigned i = 0; entries && i < PAGE_BYTES / sizeof(*entries); i++) {
        found |= leads_to(entries[i], page);
    }
    return found;
}

static bool is_in_pae_tables(const struct access_trace *trace, gpa_t page)
{
    const struct cpu *cpu = machine_cpu(trace->machine);
    bool found = false;
    for (unsigned i = 0; i < ARRAY_LENGTH(cpu->pdpte); i++) {
        const gpa_t directory = cpu->pdpte[i] & 0x0000000ffffff000ULL;
        if (!(cpu->pdpte[i] & ENTRY_PRESENT)) {
            continue;
        }
        const uint64_t *entries = table_at(trace, directory);
        found |= page == directory;
        for (unsigned j = 0; entries && j < PAGE_BYTES / sizeof(*entries); j++) {
            found |= leads_to(entries[j], page);
        }
    }
    return found;
}

static bool is_in_page_tables(const struct access_trace *trace, gpa_t address)
{
    const struct cpu *cpu = machine_cpu(trace->machine);
    const gpa_t page = address & ~(gpa_t)PAGE_OFFSET_MASK;
    if (!(cpu->cr0 & CR0_PG)) {
        return false;
    }
    return cpu->cr4 & CR4_PAE ? is_in_pae_tables(trace, page)
                              : is_in_32_bit_tables(trace, page);
}

/* -- accesses -- */

/* The CPU fetches byte by byte while no block runs, and more than it executes. */
static bool is_fetched(const struct access_trace *trace, gpa_t address, unsigned width)
{
    return trace->code_is_known && width == 1 &&
           address - trace->code < DISASSEMBLY_MOST_BYTES &&
           !machine_cpu(trace->machine)->block_start &&
           machine_on_cpu_thread(trace->machine);
}

/* A page walk reads 4 bytes at once. */
static bool may_be_walked(const struct access_trace *trace, gpa_t address,
                          unsigned width, bool write)
{
    return width == 4 && !write && is_in_page_tables(trace, address);
}

static void note_access(struct access_trace *trace, gpa_t address, unsigned width,
                        bool write)
{
    if (!write && is_fetched(trace, address, width) &&
        address - trace->code >= trace->uses.length) {
        trace->ahead |= 1U << (address - trace->code);
        return;
    }
    bool walked = may_be_walked(trace, address, width, write);
    for (unsigned i = 0; i < width; i++) {
        struct access_list *cell = take_cell(trace, address + i);
        if (cell) {
            cell->elusive |= walked;
            trace_note(trace, cell, write);
        }
    }
}

void trace_note_bytes(struct access_trace *trace, gpa_t address, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++) {
        struct access_list *cell = take_cell(trace, address + i);
        if (cell) {
            trace_note(trace, cell, false);
        }
    }
}

static uint32_t traced_read(void *opaque, uint64_t offset, unsigned width)
{
    const struct traced_memory *memory = opaque;
    const gpa_t address = memory->first + offset;
    note_access(memory->trace, address, width, false);
    return memory_read_below(machine_memory(memory->trace->machine), address, width,
                             MEMORY_PRIORITY_TRACE);
}

static void traced_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    const struct traced_memory *memory = opaque;
    const gpa_t address = memory->first + offset;
    note_access(memory->trace, address, width, true);
    memory_write_below(machine_memory_to_change(memory->trace->machine), address, value,
                       width, MEMORY_PRIORITY_TRACE);
}

static const struct memory_ops traced_ops = {
    .read = traced_read,
    .write = traced_write,
    .widths = 1 | 2 | 4,
};

/* -- regions -- */

/* The row's pages, with those of others that they touch. */
static void add_pages(struct access_trace *trace, const struct space_row *row)
{
    gpa_t first = row->address & ~(gpa_t)PAGE_OFFSET_MASK;
    gpa_t end =
        (row->address + row->bytes + PAGE_OFFSET_MASK) & ~(gpa_t)PAGE_OFFSET_MASK;
    for (unsigned i = 0; i < trace->memory_count;) {
        const struct traced_memory *other = &trace->memory[i];
        const gpa_t other_end = other->first + (other->pages << PAGE_SHIFT);
        if (other->first > end || first > other_end) {
            i++;
            continue;
        }
        first = other->first < first ? other->first : first;
        end = other_end > end ? other_end : end;
        trace->memory[i] = trace->memory[--trace->memory_count];
    }
    trace->memory[trace->memory_count++] = (struct traced_memory){
        .trace = trace, .first = first, .pages = (end - first) >> PAGE_SHIFT};
}

static unsigned free_regions(const struct memory_map *map)
{
    unsigned free = 0;
    for (unsigned i = 0; i < MEMORY_REGIONS; i++) {
        free += map->regions[i].name == NULL;
    }
    return free;
}

bool trace_watch_memory(struct access_trace *trace, struct error *error)
{
    enum { SPARE = 4 }; /* regions that devices may still want */
    const struct fault_space *space = trace->space;
    struct memory_map *map = machine_memory_to_change(trace->machine);
    for (unsigned i = 0; i < space->row_count; i++) {
        if (space->rows[i].target == FAULT_RAM) {
            add_pages(trace, &space->rows[i]);
        }
    }
    if (trace->memory_count + SPARE > free_regions(map)) {
        return error_set(error,
                         "faults: the rows of RAM are in too many places to trace "
                         "accesses; join some, or do without pruning");
    }
    for (unsigned i = 0; i < trace->memory_count; i++) {
        struct traced_memory *memory = &trace->memory[i];
        memory->cells = trace_allocate(trace, memory->pages, sizeof(*memory->cells));
        if (!memory->cells) {
            return error_set(error, "out of memory for the trace of the golden run");
        }
        memory->handle = memory_add(map, &(struct memory_region){
                                             .name = "traced-memory",
                                             .start = memory->first,
                                             .bytes = memory->pages << PAGE_SHIFT,
                                             .priority = MEMORY_PRIORITY_TRACE,
                                             .ops = &traced_ops,
                                             .opaque = memory,
                                         });
        memory->is_watched = true;
    }
    return true;
}

void trace_unwatch_memory(struct access_trace *trace)
{
    for (unsigned i = 0; i < trace->memory_count; i++) {
        if (trace->memory[i].is_watched) {
            memory_remove(machine_memory_to_change(trace->machine),
                          trace->memory[i].handle);
            trace->memory[i].is_watched = false;
        }
    }
}
