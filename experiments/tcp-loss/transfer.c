/* Sends bytes by TCP, and checks them at the other end.
 *
 *   transfer receive PORT                  takes one connection
 *   transfer send ADDRESS PORT BYTES       prints how long it took until all was there
 *
 * The receiver answers with a sum of the bytes when it has them all. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 16384 };

static void fail(const char *what)
{
    printf("broken: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* FNV-1a: depends on the order of the bytes. */
static uint32_t add_to_sum(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum = (sum ^ bytes[i]) * 16777619U;
    }
    return sum;
}

static const uint32_t empty_sum = 2166136261U;

static void fill(uint8_t *bytes, size_t count)
{
    static uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static int open_socket(const char *address, const char *port, struct sockaddr_in *name)
{
    *name = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(port))};
    inet_pton(AF_INET, address, &name->sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        fail("socket");
    }
    return fd;
}

static void receive(const char *port)
{
    static uint8_t buffer[BUFFER_BYTES];
    struct sockaddr_in name;
    int listener = open_socket("0.0.0.0", port, &name), fd;
    if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 ||
        listen(listener, 1) != 0) {
        fail("listen");
    }
    if ((fd = accept(listener, NULL, NULL)) < 0) {
        fail("accept");
    }
    uint32_t sum = empty_sum;
    ssize_t count;
    while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
        sum = add_to_sum(sum, buffer, (size_t)count);
    }
    if (count < 0 || write(fd, &sum, sizeof(sum)) != sizeof(sum)) {
        fail("receive");
    }
    close(fd);
}

static void send_bytes(const char *address, const char *port, size_t bytes)
{
    static uint8_t buffer[BUFFER_BYTES];
    struct sockaddr_in name;
    uint32_t sum = empty_sum, answer;
    int fd = open_socket(address, port, &name);
    uint64_t begin_us = now_us();
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        fail("connect");
    }
    for (size_t left = bytes; left > 0;) {
        size_t count = left < sizeof(buffer) ? left : sizeof(buffer);
        fill(buffer, count);
        sum = add_to_sum(sum, buffer, count);
        if (write(fd, buffer, count) != (ssize_t)count) {
            fail("send");
        }
        left -= count;
    }
    shutdown(fd, SHUT_WR);
    if (read(fd, &answer, sizeof(answer)) != sizeof(answer)) {
        fail("answer");
    }
    printf("sent %zu bytes in %llu us, sum %s\n", bytes,
           (unsigned long long)(now_us() - begin_us),
           sum == answer ? "right" : "wrong");
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "receive") == 0) {
        receive(arguments[2]);
    } else if (count == 5 && strcmp(arguments[1], "send") == 0) {
        send_bytes(arguments[2], arguments[3], strtoul(arguments[4], NULL, 10));
    } else {
        fputs("usage: transfer receive PORT, transfer send ADDRESS PORT BYTES\n",
              stderr);
        return 2;
    }
    return 0;
}
