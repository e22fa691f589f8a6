/* campaign/pruning.h: which experiments of a campaign need not be carried out, as one
 * of their class is (classes.h). Thread: one. */
#ifndef CAMPAIGN_PRUNING_H
#define CAMPAIGN_PRUNING_H

#include "base/types.h"

#include <jansson.h>

/* An experiment whose outcome is that of another. */
struct pruned {
    struct pruned *next;
    uint64_t number;
    json_t *point;
};

struct pruned_class {
    char *key;
    uint64_t first;      /* the experiment that is carried out */
    char *outcome;       /* of that; NULL: not known yet */
    struct pruned *wait; /* for it */
};

struct pruning {
    void *classes; /* a tree of struct pruned_class, for tsearch() */
    struct pruned_class **by_first;
    uint64_t planned;
};

/* False: out of memory. */
bool pruning_create(struct pruning *pruning, uint64_t planned);
void pruning_destroy(struct pruning *pruning);

/* The class of that name; `number` is its first if there is none yet. NULL: out of
 * memory. */
struct pruned_class *pruning_find(struct pruning *pruning, const char *key,
                                  uint64_t number);
/* The class that `number` is carried out for; NULL: none. */
struct pruned_class *pruning_of(const struct pruning *pruning, uint64_t number);
/* Has `number` wait for the class's outcome. Takes a reference of the point. */
void pruning_wait(struct pruned_class *class, uint64_t number, json_t *point);
/* Takes one that waits off; NULL: none. To be freed with pruned_free(). */
struct pruned *pruning_take(struct pruned_class *class);
void pruned_free(struct pruned *pruned);

#endif
