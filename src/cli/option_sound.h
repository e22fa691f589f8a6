/* cli/option_sound.h: the appliers of option_sound.c, for the table of options. */
#ifndef CLI_OPTION_SOUND_H
#define CLI_OPTION_SOUND_H

#include "cli/options_internal.h"

option_apply option_apply_audiodev, option_apply_audio;

#endif
