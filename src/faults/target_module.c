/* Parts of a memory module: rows, columns, chips, and lines to them.
 *
 * The module has eight chips with eight data lines each, which give one byte each of
 * eight: physical address bits 0 to 2 are the chip, 3 to 12 the column, the others the
 * row. What is stuck is so on the way: for that all RAM becomes a region with
 * registers, which no engine reaches directly. */
#include "faults/faults_internal.h"

#include <string.h>

enum { COLUMN_SHIFT = 3, ROW_SHIFT = 13 };

static bool is_broken(const struct fault_spec *spec, gpa_t address)
{
    const struct fault_module *module = &spec->module;
    const int64_t chip = address & (FAULT_MODULE_CHIPS - 1);
    const int64_t column = (address >> COLUMN_SHIFT) & (FAULT_MODULE_COLUMNS - 1);
    return (module->chip < 0 || chip == module->chip) &&
           (module->column < 0 || column == module->column) &&
           (module->row < 0 || (int64_t)(address >> ROW_SHIFT) == module->row);
}

/* -- on the way -- */

static bool is_active(const struct fault *fault)
{
    return fault->spec.target == FAULT_RAM && fault->spec.module.is_meant &&
           fault->present;
}

/* Where the access goes: address lines may be stuck. */
static gpa_t reached(const struct fault *fault, gpa_t address)
{
    const int line = fault->spec.module.address_line;
    if (line < 0) {
        return address;
    }
    return fault->spec.model == FAULT_STUCK1 ? address | 1ULL << line
                                             : address & ~(1ULL << line);
}

static uint32_t changed(const struct fault *fault, gpa_t address, unsigned width,
                        uint32_t value)
{
    uint32_t result = value;
    for (unsigned i = 0; i < width; i++) {
        if (is_broken(&fault->spec, address + i)) {
            uint8_t byte = (uint8_t)(result >> (8 * i));
            fault_apply(fault, &byte, 1);
            result &= ~(0xffU << (8 * i));
            result |= (uint32_t)byte << (8 * i);
        }
    }
    return result;
}

static bool is_ram(const struct faults *faults, gpa_t address)
{
    return page_watch_ram(&faults->pages, address);
}

static uint32_t module_read(void *opaque, uint64_t address, unsigned width)
{
    struct faults *faults = opaque;
    const struct memory_map *map = faults->pages.map;
    uint32_t value = memory_read_below(map, address, width, MEMORY_PRIORITY_MODULE);
    if (!is_ram(faults, address)) {
        return value;
    }
    for (struct fault *f = faults->first; f; f = f->next) {
        const uint32_t right = value;
        if (!is_active(f)) {
            continue;
        }
        if (f->spec.module.address_line >= 0) {
            address = reached(f, address);
            value = memory_read_below(map, address, width, MEMORY_PRIORITY_MODULE);
        } else {
            value = changed(f, address, width, value);
        }
        if (value != right) {
            fault_note_use(f);
        }
    }
    return value;
}

static void module_write(void *opaque, uint64_t address, uint32_t value, unsigned width)
{
    struct faults *faults = opaque;
    bool ram = is_ram(faults, address);
    for (struct fault *f = faults->first; f && ram; f = f->next) {
        const uint32_t right = value;
        const gpa_t wanted = address;
        if (!is_active(f)) {
            continue;
        }
        address = reached(f, address);
        if (f->spec.module.data_line >= 0) {
            value = changed(f, address, width, value);
        }
        if (value != right || address != wanted) {
            fault_note_use(f);
        }
    }
    memory_write_below(faults->pages.map, address, value, width,
                       MEMORY_PRIORITY_MODULE);
}

static const struct memory_ops module_ops = {
    .read = module_read,
    .write = module_write,
    .widths = 1 | 2 | 4,
};

static bool update_region(struct faults *faults)
{
    struct memory_map *map = faults->pages.map;
    bool wanted = false;
    for (const struct fault *f = faults->first; f; f = f->next) {
        wanted |= is_active(f);
    }
    if (wanted == faults->has_module) {
        return true;
    }
    if (wanted && !page_watch_may_add(&faults->pages)) {
        return false;
    }
    faults->has_module = wanted;
    if (!wanted) {
        memory_remove(map, faults->module_handle);
        return true;
    }
    faults->module_handle = memory_add(map, &(struct memory_region){
                                                .name = "broken-module",
                                                .bytes = map->ram->bytes,
                                                .priority = MEMORY_PRIORITY_MODULE,
                                                .ops = &module_ops,
                                                .opaque = faults,
                                            });
    return true;
}

/* -- cells that change once -- */

/* All that are meant, of eight bytes in each of the module's columns. */
static uint64_t change_cells(struct fault *fault)
{
    const struct ram *ram = fault->owner->pages.map->ram;
    const struct fault_module *module = &fault->spec.module;
    const uint64_t row_bytes = 1ULL << ROW_SHIFT;
    uint64_t first = module->row < 0 ? 0 : (uint64_t)module->row * row_bytes;
    uint64_t end = module->row < 0 ? ram->bytes : first + row_bytes;
    uint64_t count = 0;
    for (uint64_t page = first; page < end; page += PAGE_BYTES) {
        uint64_t before = count;
        for (uint64_t address = page; address < page + PAGE_BYTES; address++) {
            if (is_broken(&fault->spec, address)) {
                uint8_t byte = ram->host[address];
                fault_apply(fault, &byte, 1);
                count += byte != ram->host[address];
                ram->host[address] = byte;
            }
        }
        if (count != before) {
            page_watch_changed(&fault->owner->pages, ram->host + page, PAGE_BYTES);
        }
    }
    return count;
}

/* -- begin and end -- */

static bool arm_module(struct fault *fault, struct error *error)
{
    const struct ram *ram = machine_ram(fault->owner->machine);
    const int64_t rows = (int64_t)(ram->bytes >> ROW_SHIFT);
    return fault->spec.module.row < rows ||
           error_set(error, "-fault: target=ram,row=%lld: memory has rows 0 to %lld",
                     (long long)fault->spec.module.row, (long long)rows - 1);
}

static bool begin_module(struct fault *fault)
{
    const enum fault_model model = fault->spec.model;
    fault_choose_bits(fault, 1);
    if (model == FAULT_STUCK0 || model == FAULT_STUCK1) {
        return update_region(fault->owner) ||
               fault_refuse(fault, "the map of memory is full");
    }
    fault->present = false;
    fault->report.activation = FAULT_ACTIVATION_UNKNOWN;
    fault_refuse(fault, "%llu bytes changed", (unsigned long long)change_cells(fault));
    return true;
}

static void end_module(struct fault *fault)
{
    update_region(fault->owner);
}

const struct fault_target fault_module = {
    .arm = arm_module,
    .begin = begin_module,
    .end = end_module,
};
