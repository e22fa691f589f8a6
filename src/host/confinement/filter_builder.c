#include "host/confinement/filter_builder.h"

#include <unistd.h>

enum { SORT_AS_TREE = 2 }; /* of SCMP_FLTATR_CTL_OPTIMIZE */

void filter_add(struct filter *filter, uint32_t action, int system_call,
                const struct scmp_arg_cmp *condition)
{
    if (!filter->why) {
        filter->why = seccomp_rule_add_array(filter->context, action, system_call,
                                             condition ? 1 : 0, condition);
    }
}

void filter_add_calls(struct filter *filter, uint32_t action, const int *system_calls,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        filter_add(filter, action, system_calls[i], NULL);
    }
}

void filter_add_rules(struct filter *filter, uint32_t action,
                      const struct filter_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        filter_add(filter, action, rules[i].system_call, &rules[i].condition);
    }
}

void filter_allow_own_signals(struct filter *filter)
{
    const struct scmp_arg_cmp to_us = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    filter_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), &to_us);
    filter_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &to_us);
}

static void set(struct filter *filter, enum scmp_filter_attr attribute, uint32_t value)
{
    if (!filter->why) {
        filter->why = seccomp_attr_set(filter->context, attribute, value);
    }
}

/* Old kernels slow down what runs under a filter, lest it speculate. We do not want
 * that, and they may not know. */
static void allow_speculation(struct filter *filter)
{
    seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_SSB, 1);
}

bool filter_begin(struct filter *filter, uint32_t otherwise, struct error *error)
{
    *filter = (struct filter){.context = seccomp_init(otherwise)};
    if (!filter->context) {
        return error_set(error, "out of memory for a filter of system calls");
    }
    set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
    set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    set(filter, SCMP_FLTATR_CTL_OPTIMIZE, SORT_AS_TREE);
    allow_speculation(filter);
    return true;
}

bool filter_load(struct filter *filter, struct error *error)
{
    int why = filter->why ? filter->why : seccomp_load(filter->context);
    seccomp_release(filter->context);
    return why == 0 || error_set_errno(error, -why,
                                       "the host does not let us give up system calls "
                                       "(-sandbox off does without)");
}
