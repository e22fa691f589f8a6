/* host/confinement/filter_builder.h: filters of system calls, made of tables, by
 * libseccomp: the machine's (filter.c), and those of processes beside it
 * (companion_filters.c). Source: seccomp_rule_add(3). Thread: any. */
#ifndef HOST_CONFINEMENT_FILTER_BUILDER_H
#define HOST_CONFINEMENT_FILTER_BUILDER_H

#include <seccomp.h>

#include "base/types.h"
#include "host/confinement/confinement.h"

/* A filter in the making. */
struct filter {
    scmp_filter_ctx context;
    int why; /* it cannot be made: a negative error number; or 0 */
};

/* A call depending on an argument. */
struct filter_rule {
    int system_call;
    struct scmp_arg_cmp condition;
};

/* `otherwise`: what becomes of calls without a rule. Those of the i386 and x32
 * interfaces are SCMP_ACT_TRAP in any case. */
bool filter_begin(struct filter *filter, uint32_t otherwise, struct error *error);
/* `condition`: NULL for none. */
void filter_add(struct filter *filter, uint32_t action, int system_call,
                const struct scmp_arg_cmp *condition);
/* Whatever the arguments. */
void filter_add_calls(struct filter *filter, uint32_t action, const int *system_calls,
                      size_t count);
void filter_add_rules(struct filter *filter, uint32_t action,
                      const struct filter_rule *rules, size_t count);
/* kill() and tgkill(), to this process. */
void filter_allow_own_signals(struct filter *filter);
/* For all threads of the process; releases the filter in any case. */
bool filter_load(struct filter *filter, struct error *error);

#endif
