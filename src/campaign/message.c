#include "campaign/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool message_send(int fd, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    size_t length = text ? strlen(text) : 0;
    ssize_t sent = -1;
    if (length && length <= MESSAGE_BYTES) {
        do {
            sent = write(fd, text, length);
        } while (sent < 0 && errno == EINTR);
    }
    free(text);
    return sent == (ssize_t)length;
}

json_t *message_receive(int fd)
{
    char text[MESSAGE_BYTES];
    ssize_t length;
    do {
        length = read(fd, text, sizeof(text));
    } while (length < 0 && errno == EINTR);
    json_t *object = length > 0 ? json_loadb(text, (size_t)length, 0, NULL) : NULL;
    if (object && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}
