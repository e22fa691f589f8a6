/* Work for a network card: a TCP connection with the server of bench/devices.py, which
 * is told by a byte what to do.
 *
 * An operation is a KiB. */
#include "blocks.h"
#include "kinds.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KIB = 1024, CHUNK_BYTES = 64 << 10, TRANSFER_BYTES = 16 << 20 };

/* `place`: ADDRESS:PORT. -1 if there is no way there. */
static int connect_to(const char *place, char request)
{
    char address[INET_ADDRSTRLEN];
    unsigned port = 0;
    struct sockaddr_in server = {.sin_family = AF_INET};
    if (sscanf(place, "%15[0-9.]:%u", address, &port) != 2 ||
        inet_pton(AF_INET, address, &server.sin_addr) != 1) {
        return -1;
    }
    server.sin_port = htons((uint16_t)port);
    int line = socket(AF_INET, SOCK_STREAM, 0);
    if (line >= 0 && (connect(line, (struct sockaddr *)&server, sizeof(server)) != 0 ||
                      write(line, &request, 1) != 1)) {
        close(line);
        return -1;
    }
    return line;
}

static uint32_t receive(const char *place)
{
    static uint8_t data[CHUNK_BYTES];
    int line = connect_to(place, 'r');
    uint32_t right = 0, done = 0;
    while (line >= 0 && done < TRANSFER_BYTES &&
           recv(line, data, CHUNK_BYTES, MSG_WAITALL) == CHUNK_BYTES) {
        right += blocks_right(data, CHUNK_BYTES, done / BLOCK_BYTES);
        done += CHUNK_BYTES;
    }
    close(line);
    return right == TRANSFER_BYTES / BLOCK_BYTES ? right : 0;
}

/* The server answers when it has all, and all is right. */
static uint32_t send_all(const char *place)
{
    static uint8_t data[CHUNK_BYTES];
    int line = connect_to(place, 's');
    uint8_t answer = 0;
    for (uint32_t done = 0; line >= 0 && done < TRANSFER_BYTES; done += CHUNK_BYTES) {
        blocks_fill(data, CHUNK_BYTES, done / BLOCK_BYTES);
        if (send(line, data, CHUNK_BYTES, MSG_NOSIGNAL) != CHUNK_BYTES) {
            break;
        }
    }
    bool all_right = line >= 0 && read(line, &answer, 1) == 1 && answer == 'y';
    close(line);
    return all_right ? TRANSFER_BYTES / BLOCK_BYTES : 0;
}

const struct kind network_kinds[] = {
    {"e1000-receive", .round_at = receive, .operations = TRANSFER_BYTES / KIB},
    {"e1000-send", .round_at = send_all, .operations = TRANSFER_BYTES / KIB},
    {"virtio-net-receive", .round_at = receive, .operations = TRANSFER_BYTES / KIB},
    {"virtio-net-send", .round_at = send_all, .operations = TRANSFER_BYTES / KIB},
    {0},
};
