/* Runs all topics, or what the command line asks for: "only=TOPIC", "skip=TOPIC";
 * "seed=HEX" for the random numbers. */
#include "torture.h"

#define PLAIN(name)                                                                    \
    static void name##_plain(void)                                                     \
    {                                                                                  \
        paging_begin(false);                                                           \
        torture_##name();                                                              \
        paging_end();                                                                  \
    }
#define BOTH(name)                                                                     \
    PLAIN(name)                                                                        \
    static void name##_pae(void)                                                       \
    {                                                                                  \
        paging_begin(true);                                                            \
        torture_##name();                                                              \
        paging_end();                                                                  \
    }
BOTH(remaps)
BOTH(rights)
BOTH(accessed)
BOTH(splits)
BOTH(roots)
BOTH(globals)
BOTH(many)
BOTH(recursive)
BOTH(cow)
BOTH(demand)
BOTH(code)
BOTH(code_pages)
BOTH(faults)
BOTH(strings)
BOTH(rings)
BOTH(timer)
BOTH(wraps)
BOTH(limits)
BOTH(random)

#define TOPICS(name)                                                                   \
    {#name, name##_plain},                                                             \
    {                                                                                  \
#name "_pae", name##_pae                                                       \
    }
static const struct topic topics[] = {
    TOPICS(remaps), TOPICS(rights),  TOPICS(accessed), TOPICS(splits),
    TOPICS(roots),  TOPICS(globals), TOPICS(many),     TOPICS(recursive),
    TOPICS(cow),    TOPICS(demand),  TOPICS(code),     TOPICS(code_pages),
    TOPICS(faults), TOPICS(strings), TOPICS(rings),    TOPICS(timer),
    TOPICS(wraps),  TOPICS(limits),  TOPICS(random),
};

static uint32_t hexadecimal(const char *text)
{
    uint32_t value = 0;
    for (;; text++) {
        if (*text >= '0' && *text <= '9') {
            value = value << 4 | (uint32_t)(*text - '0');
        } else if (*text >= 'a' && *text <= 'f') {
            value = value << 4 | (uint32_t)(*text - 'a' + 10);
        } else {
            return value;
        }
    }
}

void main(const uint32_t *multiboot)
{
    const char *line = boot(multiboot);
    const char *seed = boot_argument(line, "seed=");
    if (seed) {
        random_seed = hexadecimal(seed);
    }
    set_cr4(CONTROL4);
    topic("kernel");
    begin("seed");
    put(" %x", random_seed);
    run_topics(topics, sizeof(topics) / sizeof(topics[0]), line);
    leave(any_bad());
}
