/* Views: guest-linear memory as host mappings, by hand-made cases and at random. The
 * argument is how many random steps. */
#include "views_world.h"

#include <stdlib.h>

enum { STEPS_DEFAULT = 5000 };

int main(int argc, char **argv)
{
    unsigned steps = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : STEPS_DEFAULT;
    /* The engine shall have no views of its own. */
    setenv("FAUMACHINE_ENGINE", "interpreter", 1);
    return views_flush_tests() + views_pieces_tests() + views_code_tests() +
           views_limits_tests() + views_video_tests() + views_random_tests(steps);
}
