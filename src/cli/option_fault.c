#include "cli/option_fault.h"

#include "cli/values.h"

bool option_apply_fault(struct parser *parser, const char *value, struct error *error)
{
    struct options *options = parser->options;
    struct fault_spec spec;
    if (options->fault_count == OPTIONS_FAULTS) {
        return error_set(error, "-fault: there can be %d of them", OPTIONS_FAULTS);
    }
    options->faults[options->fault_count++] = value;
    return fault_spec_parse(&spec, "-fault", value, error);
}

bool option_apply_fault_log(struct parser *parser, const char *value,
                            struct error *error)
{
    (void)error;
    parser->options->fault_config.log = value;
    return true;
}

bool option_apply_fault_symbols(struct parser *parser, const char *value,
                                struct error *error)
{
    (void)error;
    parser->options->fault_config.symbols = value;
    return true;
}

bool option_apply_seed(struct parser *parser, const char *value, struct error *error)
{
    struct options *options = parser->options;
    if (!value_parse_count("seed", value, &options->fault_config.seed, error)) {
        return false;
    }
    options->machine.seed = options->fault_config.seed;
    return true;
}

bool option_finish_faults(const struct parser *parser, struct error *error)
{
    return !parser->lockstep || parser->options->fault_count == 0 ||
           error_set(error, "-fault: lockstep looks for differences between engines, "
                            "and takes no faults");
}
