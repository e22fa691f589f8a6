/* monitor/keys.h: the names that QMP has for keys and buttons (QKeyCode, InputButton).
 *
 * The numbers of QMP's "number" keys are those of set 1, 0x80 added for extended ones.
 * Thread: any. Constant. */
#ifndef MONITOR_KEYS_H
#define MONITOR_KEYS_H

#include "base/types.h"

/* Linux's KEY_…; 0: there is no such key. */
uint16_t key_by_name(const char *name, size_t length);
uint16_t key_by_number(int64_t number);
/* Linux's BTN_…; 0: none. */
uint16_t button_by_name(const char *name);
/* Clicks of the wheel, as QMP has them as buttons; 0: none such. */
int wheel_by_name(const char *name);

#endif
