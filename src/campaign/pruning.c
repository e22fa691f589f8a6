#define _GNU_SOURCE /* tdestroy() */
#include "campaign/pruning.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct pruned_class *)a)->key,
                  ((const struct pruned_class *)b)->key);
}

bool pruning_create(struct pruning *pruning, uint64_t planned)
{
    *pruning = (struct pruning){
        .planned = planned,
        .by_first = calloc(planned + 1, sizeof(struct pruned_class *)),
    };
    return pruning->by_first;
}

static void free_class(void *opaque)
{
    struct pruned_class *class = opaque;
    for (struct pruned *p; (p = pruning_take(class));) {
        pruned_free(p);
    }
    free(class->key);
    free(class->outcome);
    free(class);
}

void pruning_destroy(struct pruning *pruning)
{
    tdestroy(pruning->classes, free_class);
    free(pruning->by_first);
    *pruning = (struct pruning){0};
}

struct pruned_class *pruning_find(struct pruning *pruning, const char *key,
                                  uint64_t number)
{
    struct pruned_class *class = calloc(1, sizeof(*class));
    if (!class || !(class->key = strdup(key))) {
        free(class);
        return NULL;
    }
    class->first = number;
    struct pruned_class **found = tsearch(class, &pruning->classes, compare);
    if (found && *found == class) {
        pruning->by_first[number] = class;
        return class;
    }
    free_class(class);
    return found ? *found : NULL;
}

struct pruned_class *pruning_of(const struct pruning *pruning, uint64_t number)
{
    return number < pruning->planned ? pruning->by_first[number] : NULL;
}

void pruning_wait(struct pruned_class *class, uint64_t number, json_t *point)
{
    struct pruned *pruned = malloc(sizeof(*pruned));
    if (pruned) { /* else it is carried out when the campaign goes on */
        *pruned = (struct pruned){class->wait, number, json_incref(point)};
        class->wait = pruned;
    }
}

struct pruned *pruning_take(struct pruned_class *class)
{
    struct pruned *pruned = class->wait;
    if (pruned) {
        class->wait = pruned->next;
    }
    return pruned;
}

void pruned_free(struct pruned *pruned)
{
    json_decref(pruned->point);
    free(pruned);
}
