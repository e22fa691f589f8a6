/* campaign/message.h: objects of JSON between a campaign and its workers, by a socket
 * that keeps the bounds of messages (SOCK_SEQPACKET).
 * Thread: any; one at a time for each end. */
#ifndef CAMPAIGN_MESSAGE_H
#define CAMPAIGN_MESSAGE_H

#include "base/types.h"

#include <jansson.h>

enum { MESSAGE_BYTES = 1 << 17 };

/* Takes the object. False: the other end is gone, or the message is too long. */
bool message_send(int fd, json_t *object);
/* NULL: the other end is gone, or sends what is no object. Waits. */
json_t *message_receive(int fd);

#endif
