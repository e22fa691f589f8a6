#include "cpu/direct/policy.h"

#include "cpu/direct/direct.h"
#include "cpu/mmu/mmu.h"

enum {
    SLOWER_SHIFT = 2,      /* what is lost in translated code: a fourth of the time */
    GAIN_SHIFT = 3,        /* weight of the newest of the programs that began: 1/8 */
    WAY_IN_AND_OUT = 300,  /* cycles, of a direct visit */
    VISIT_SHIFT = 4,       /* weight of the newest visit: 1/16 */
    VISITS_UNSEEN = 15,    /* of brief ones, which take as long as to look at them */
    NO_BRIEF_VISIT = 4096, /* cycles: to begin with */
    VISITS_DIRECT = 4096,  /* after one that was spent in translating */
    EXPLORE_SELDOM = 64,   /* one of so many programs begins in the JIT, to see */
    EXPLORE_OFTEN = 4,     /* …if the last one was a surprise */
    FIRST_MAPPINGS = 16,   /* that any program has, whatever is mapped now */
    BUSY_MAPS = 500,       /* an owner computes if it has for so many pages' time */
    RECENT_MAPS = 1000,    /* …and ran within that of so many */
};

void policy_create(struct policy *policy, bool always, int fd)
{
    policy->always = always;
    policy->gain = 1;
    policy->explore = EXPLORE_SELDOM;
    direct_costs_measure(&policy->costs, fd);
}

static uint64_t page_cost(const struct policy *policy)
{
    return policy->costs.map + policy->costs.trap;
}

/* What the tenant has lost by running in the JIT. */
static uint64_t loss(const struct tenant *tenant)
{
    uint64_t running = tenant->in_jit - tenant->translating;
    return tenant->translating + (running >> SLOWER_SHIFT);
}

/* Of a program that runs directly from its beginning: pages of code have to be mapped,
 * which the JIT need not do; about as many as others. */
static uint64_t price_of_beginning(const struct policy *policy, uint64_t mappings)
{
    return (mappings / 2 + FIRST_MAPPINGS) * page_cost(policy);
}

/* Of what the window's owner will have to map again if it comes back. */
static uint64_t price_of_owner(const struct cpu *cpu, const struct policy *policy,
                               uint64_t now)
{
    const struct tenant *owner = &policy->tenants[policy->owner];
    uint64_t mappings = policy->owner ? views_mappings(cpu, policy->owner) : 0;
    bool recent = now - owner->last < RECENT_MAPS * page_cost(policy);
    return mappings * (policy->costs.unmap + (recent ? page_cost(policy) : 0));
}

static bool owner_is_busy(const struct policy *policy, uint64_t now)
{
    const struct tenant *owner = &policy->tenants[policy->owner];
    return policy->owner && owner->direct > BUSY_MAPS * page_cost(policy) &&
           now - owner->last < RECENT_MAPS * page_cost(policy);
}

/* Whether ring 3 is entered by the way back from a system call. */
static bool returns_from_call(struct cpu *cpu)
{
    uint32_t at = cpu->eip - 2;
    const uint8_t *page = mmu_peek_code(cpu, at & ~(uint32_t)PAGE_OFFSET_MASK);
    if (!page || (at & PAGE_OFFSET_MASK) == PAGE_OFFSET_MASK) {
        return true; /* not the first instruction of a program, surely */
    }
    const uint8_t *bytes = page + (at & PAGE_OFFSET_MASK);
    return (bytes[0] == 0xcd && bytes[1] == 0x80) ||
           (bytes[0] == 0x0f && (bytes[1] == 0x05 || bytes[1] == 0x34));
}

/* A program that began in the JIT has ended, or gets the window. */
static void learn(struct policy *policy, struct tenant *tenant, uint64_t mappings)
{
    if (tenant->began) {
        int64_t gain =
            (int64_t)loss(tenant) - (int64_t)price_of_beginning(policy, mappings);
        policy->explore =
            (gain > 0) == (policy->gain > 0) ? EXPLORE_SELDOM : EXPLORE_OFTEN;
        policy->gain += (gain - policy->gain) >> GAIN_SHIFT;
    }
    tenant->began = false;
}

static void take_window(struct cpu *cpu, struct policy *policy, unsigned id)
{
    struct tenant *before = &policy->tenants[policy->owner];
    *before = (struct tenant){.last = before->last, .visit = NO_BRIEF_VISIT};
    policy->owner = id;
    policy->tenants[id].in_jit = policy->tenants[id].translating = 0;
    policy->tenants[id].direct = 0;
    views_take_low(cpu);
    views_current(cpu);
}

/* Something has begun in this address space. Whether it gets the window at once. */
static bool begin(struct cpu *cpu, struct policy *policy, struct tenant *tenant,
                  uint64_t now)
{
    bool program = !returns_from_call(cpu);
    learn(policy, tenant, FIRST_MAPPINGS);
    *tenant = (struct tenant){.last = now,
                              .visit = NO_BRIEF_VISIT,
                              .began = program,
                              .owner_direct = policy->tenants[policy->owner].direct};
    if (!program || owner_is_busy(policy, now) ||
        ++policy->beginnings % policy->explore == 0) {
        return false;
    }
    return policy->gain > 0;
}

static bool has_lost_enough(struct cpu *cpu, const struct policy *policy,
                            const struct tenant *tenant, unsigned id, uint64_t now)
{
    const struct tenant *owner = &policy->tenants[policy->owner];
    uint64_t owner_used =
        owner->direct > tenant->owner_direct ? owner->direct - tenant->owner_direct : 0;
    uint64_t price = price_of_owner(cpu, policy, now) +
                     (views_mappings(cpu, id) + FIRST_MAPPINGS) *
                         (policy->costs.unmap + page_cost(policy));
    return tenant->in_jit > 2 * owner_used && loss(tenant) > price;
}

/* To go in and out, and traps for what translated code does without, cost more than
 * translated code that is there already: for who does little between two system calls.
 */
static bool is_brief(struct tenant *tenant)
{
    if (tenant->not_brief) {
        tenant->not_brief--;
        return false;
    }
    return tenant->visit >> SLOWER_SHIFT < tenant->extra + WAY_IN_AND_OUT;
}

/* Traps are part of the way out: what the program does is the rest. Page faults of the
 * guest trap in translated code, too. */
static void note_visit(struct cpu *cpu, struct policy *policy, struct tenant *tenant,
                       uint64_t took, uint64_t translating)
{
    const struct direct_statistics *statistics = &cpu->direct->statistics;
    uint64_t traps = statistics->other_traps - policy->traps_since;
    uint64_t faults = statistics->soft_traps - policy->page_faults_since;
    int64_t own = (int64_t)(took - traps * policy->costs.trap);
    own = own > 0 ? own : 0;
    tenant->visit += (own - tenant->visit) >> VISIT_SHIFT;
    if (policy->directly) {
        /* Many in one visit are an exception: a program that asks what processor it
         * runs on as it begins. */
        int64_t extra = traps > faults ? (int64_t)policy->costs.trap : 0;
        tenant->extra += (extra - tenant->extra) >> VISIT_SHIFT;
    }
    if (translating > took / 2) {
        tenant->not_brief = VISITS_DIRECT;
    }
}

bool policy_knows_brief(const struct cpu *cpu, struct policy *policy)
{
    unsigned id = views_current_id(cpu);
    struct tenant *tenant = &policy->tenants[id];
    if (!tenant->unseen || views_mappings(cpu, id) == 0 || policy->current == id) {
        return false;
    }
    tenant->unseen--;
    return true;
}

bool policy_enter(struct cpu *cpu, struct policy *policy)
{
    unsigned id = views_current_id(cpu);
    struct tenant *tenant = &policy->tenants[id];
    uint64_t now = __builtin_ia32_rdtsc(), mappings = views_mappings(cpu, id);
    if (policy->owner == id && !views_is_low(cpu)) {
        policy->owner = 0; /* it has lost the window */
    }
    if (!views_is_low(cpu) && !views_may_be_low(cpu)) {
        return false;
    }
    if (policy->always) {
        if (!views_is_low(cpu)) {
            take_window(cpu, policy, id);
            policy->taken_late++;
        }
        return true;
    }
    if (!mappings && policy->current != id) {
        bool early = begin(cpu, policy, tenant, now);
        if (early && !views_is_low(cpu)) {
            take_window(cpu, policy, id);
            policy->taken_early++;
            tenant->began = false;
        }
    } else if (!views_is_low(cpu) && has_lost_enough(cpu, policy, tenant, id, now)) {
        learn(policy, tenant, mappings);
        take_window(cpu, policy, id);
        policy->taken_late++;
    }
    if (policy->current != id) {
        policy->current = id;
        policy->since = now;
        policy->translated_since = cpu->jit->statistics.translating_cycles;
        policy->traps_since = cpu->direct->statistics.other_traps;
        policy->page_faults_since = cpu->direct->statistics.soft_traps;
        policy->directly = false;
    }
    if (is_brief(tenant)) {
        tenant->unseen = VISITS_UNSEEN;
        return false;
    }
    policy->directly |= views_is_low(cpu);
    return views_is_low(cpu);
}

void policy_leave(struct cpu *cpu, struct policy *policy)
{
    if (!policy->current) {
        return;
    }
    struct tenant *tenant = &policy->tenants[policy->current];
    uint64_t now = __builtin_ia32_rdtsc(), took = now - policy->since;
    uint64_t translating =
        cpu->jit->statistics.translating_cycles - policy->translated_since;
    tenant->last = now;
    note_visit(cpu, policy, tenant, took, translating);
    if (policy->current == policy->owner) {
        tenant->direct += took;
    } else {
        tenant->in_jit += took;
        tenant->translating += translating;
    }
    policy->current = 0;
}
