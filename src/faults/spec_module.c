/* What the text form says of parts of a memory module. */
#include "faults/spec_internal.h"

/* One of the module's coordinates, or lines. */
static bool take_coordinate(struct properties *properties, const char *key,
                            uint64_t least, uint64_t most, int64_t *value,
                            struct error *error)
{
    uint64_t number = 0;
    *value = -1;
    if (!properties_take(properties, key)) {
        return true;
    }
    bool good = properties_take_number(properties, key, least, most, &number, error);
    *value = (int64_t)number;
    return good;
}

static bool check_module(struct properties *properties, const struct fault_spec *spec,
                         struct error *error)
{
    const struct fault_module *module = &spec->module;
    bool cells = module->row >= 0 || module->column >= 0 || module->chip >= 0;
    bool lines = module->data_line >= 0 || module->address_line >= 0;
    bool stuck = spec->model == FAULT_STUCK0 || spec->model == FAULT_STUCK1;
    if (properties_take(properties, "address") ||
        properties_take(properties, "width") ||
        cells + (module->data_line >= 0) + (module->address_line >= 0) != 1) {
        return error_set(
            error,
            "%s: target=ram: give address=, or row=, column= and chip=, or "
            "data-line=, or address-line=",
            properties->option);
    }
    return (stuck || (cells && spec->model != FAULT_TOGGLE)) ||
           error_set(error, "%s: target=ram: the models of %s are %sstuck0 and stuck1",
                     properties->option, lines ? "lines" : "rows, columns and chips",
                     lines ? "" : "flip, set, ");
}

/* A data line is a bit of a chip. */
static void choose_data_line(struct fault_spec *spec)
{
    struct fault_module *module = &spec->module;
    if (module->data_line >= 0) {
        module->chip = module->data_line / 8;
        spec->mask[0] = (uint8_t)(1U << (module->data_line % 8));
    }
}

bool fault_take_module(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    struct fault_module *module = &spec->module;
    int64_t column, chip, data_line, address_line;
    if (!take_coordinate(properties, "row", 0, UINT32_MAX, &module->row, error) ||
        !take_coordinate(properties, "column", 0, FAULT_MODULE_COLUMNS - 1, &column,
                         error) ||
        !take_coordinate(properties, "chip", 0, FAULT_MODULE_CHIPS - 1, &chip, error) ||
        !take_coordinate(properties, "data-line", 0, 63, &data_line, error) ||
        !take_coordinate(properties, "address-line", 3, 31, &address_line, error)) {
        return false;
    }
    module->is_meant = true;
    module->column = (int)column;
    module->chip = (int)chip;
    module->data_line = (int)data_line;
    module->address_line = (int)address_line;
    spec->width = 1;
    if (!check_module(properties, spec, error)) {
        return false;
    }
    choose_data_line(spec);
    return true;
}
