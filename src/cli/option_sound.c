/* Options that say where sound goes. What they contain is looked at when the machine is
 * made. */
#include "cli/option_sound.h"

bool option_apply_audiodev(struct parser *parser, const char *value,
                           struct error *error)
{
    const char **audiodevs = parser->options->machine.audiodevs;
    for (unsigned i = 0; i < MACHINE_AUDIODEVS; i++) {
        if (!audiodevs[i]) {
            audiodevs[i] = value;
            return true;
        }
    }
    return error_set(error, "-audiodev %s: that would be more than %d", value,
                     MACHINE_AUDIODEVS);
}

bool option_apply_audio(struct parser *parser, const char *value, struct error *error)
{
    const char **audio = &parser->options->machine.audio;
    if (*audio) {
        return error_set(error, "-audio %s: there may be one; use -audiodev for more",
                         value);
    }
    *audio = value;
    return true;
}
