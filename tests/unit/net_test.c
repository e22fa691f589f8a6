/* Cables, packet captures, hubs, and the back ends that are sockets, two of them
 * joined. */
#include "host/net/net.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { FRAME_BYTES = 1000, MANY = 3000, PATIENCE_MS = 10000 };

/* An end of a cable that counts, checks the order, and may be full. */
struct end {
    struct network_port port;
    bool is_full;
    unsigned received, resumes, link_changes;
};

struct fixture {
    struct lock lock;
    struct clock clock;
    struct log log;
    struct event_loop *loop;
    struct end ends[2];
    struct net_backend *backends[2];
};

static void make_frame(uint8_t *frame, uint32_t number)
{
    memset(frame, 0x5a, FRAME_BYTES);
    memcpy(frame + NETWORK_HEADER_BYTES, &number, sizeof(number));
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct end *end = opaque;
    uint8_t expected[FRAME_BYTES];
    if (end->is_full) {
        return false;
    }
    make_frame(expected, end->received++);
    assert_int_equal(bytes, FRAME_BYTES);
    assert_memory_equal(frame, expected, FRAME_BYTES);
    return true;
}

static bool can_receive(void *opaque)
{
    return !((struct end *)opaque)->is_full;
}

static void count_resume(void *opaque)
{
    ((struct end *)opaque)->resumes++;
}

static void count_change(void *opaque)
{
    ((struct end *)opaque)->link_changes++;
}

static const struct network_port_ops end_ops = {receive, can_receive, count_resume,
                                                count_change};

static void end_init(struct end *end)
{
    *end = (struct end){.port = {.ops = &end_ops, .opaque = end}};
}

static bool send_number(struct end *end, uint32_t number)
{
    uint8_t frame[FRAME_BYTES];
    make_frame(frame, number);
    return network_send(&end->port, frame, sizeof(frame));
}

/* -- the cable -- */

static void test_cable(void **state)
{
    struct end a, b;
    end_init(&a);
    end_init(&b);
    assert_true(send_number(&a, 0)); /* lost: no cable */
    network_connect(&a.port, &b.port);
    assert_true(network_link_is_up(&a.port));
    assert_int_equal(b.link_changes, 1);
    assert_true(send_number(&a, 0));
    assert_int_equal(b.received, 1);
    b.is_full = true;
    assert_false(network_can_send(&a.port));
    assert_false(send_number(&a, 1));
    b.is_full = false;
    network_resume(&b.port);
    assert_int_equal(a.resumes, 1);
    network_set_link(&b.port, false);
    assert_false(network_link_is_up(&a.port));
    assert_int_equal(a.link_changes, 2);
    assert_true(send_number(&a, 1)); /* lost */
    assert_int_equal(b.received, 1);
    network_disconnect(&a.port);
    assert_null(b.port.peer);
}

static void test_capture(void **state)
{
    char path[] = "/tmp/net-test-XXXXXX";
    struct clock clock;
    struct log log = {.show_guest_errors = false};
    struct error error;
    struct end a, b;
    uint8_t file[24 + 2 * (16 + 100) + 1];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    clock_init(&clock, CLOCK_KIND_MANUAL, 1000);
    end_init(&a);
    end_init(&b);
    struct net_capture *capture = net_capture_open(path, 100, &clock, &log, &error);
    assert_non_null(capture);
    network_connect(&a.port, net_capture_inside(capture));
    assert_false(network_link_is_up(&a.port)); /* nobody behind it yet */
    network_connect(net_capture_outside(capture), &b.port);
    assert_true(network_link_is_up(&a.port) && network_link_is_up(&b.port));
    clock_step_ns(&clock, 2 * NS_PER_SECOND + 3000);
    assert_true(send_number(&a, 0));
    a.is_full = true;
    assert_false(send_number(&b, 0)); /* not recorded */
    a.is_full = false;
    network_resume(&a.port);
    assert_int_equal(b.resumes, 1);
    assert_true(send_number(&b, 0));
    network_set_link(&b.port, false);
    assert_false(network_link_is_up(&a.port));
    net_capture_close(capture);
    assert_null(a.port.peer);
    assert_int_equal(read(fd, file, sizeof(file)), sizeof(file) - 1);
    const uint32_t header[] = {1002, 3, 100, FRAME_BYTES};
    assert_memory_equal(file + 24, header, sizeof(header));
    assert_memory_equal(file + 24 + 116, header, sizeof(header));
    close(fd);
    unlink(path);
}

/* -- back ends -- */

static int setup(void **state)
{
    static struct fixture fixture;
    struct error error;
    fixture = (struct fixture){.loop = NULL};
    lock_init(&fixture.lock);
    clock_init(&fixture.clock, CLOCK_KIND_HOST, 0);
    fixture.loop = event_loop_create(&fixture.lock, &fixture.clock, &error);
    *state = &fixture;
    return fixture.loop ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    event_loop_stop(fixture->loop);
    net_close(fixture->backends[0]);
    net_close(fixture->backends[1]);
    event_loop_destroy(fixture->loop);
    lock_destroy(&fixture->lock);
    return 0;
}

static struct net_backend *open_backend(struct fixture *fixture, const char *format,
                                        unsigned first, unsigned second)
{
    char text[128];
    struct properties properties;
    struct error error;
    snprintf(text, sizeof(text), format, first, second);
    assert_true(properties_parse(&properties, "-netdev", text, &error));
    struct net_backend *backend =
        net_open("socket", &properties, fixture->loop, &fixture->log, NULL, &error);
    if (!backend) {
        fail_msg("%s", error.text);
    }
    return backend;
}

/* A port of the loopback that is free now. */
static unsigned free_port(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void join(struct fixture *fixture, const char *first, unsigned first_a,
                 unsigned first_b, const char *second, unsigned second_a,
                 unsigned second_b)
{
    struct error error;
    fixture->backends[0] = open_backend(fixture, first, first_a, first_b);
    fixture->backends[1] = open_backend(fixture, second, second_a, second_b);
    for (unsigned i = 0; i < 2; i++) {
        end_init(&fixture->ends[i]);
        network_connect(&fixture->ends[i].port, net_port(fixture->backends[i]));
    }
    assert_true(event_loop_start(fixture->loop, &error));
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* Waits until both cables have a link. */
static void wait_for_links(struct fixture *fixture)
{
    bool up = false;
    for (unsigned i = 0; i < PATIENCE_MS && !up; i++) {
        lock_take(&fixture->lock);
        up = network_link_is_up(&fixture->ends[0].port) &&
             network_link_is_up(&fixture->ends[1].port);
        lock_release(&fixture->lock);
        pause_ms(1);
    }
    assert_true(up);
}

/* Sends `count` frames from one end to the other, whose room comes and goes. */
static void send_many(struct fixture *fixture, unsigned from, unsigned count)
{
    struct end *sender = &fixture->ends[from], *receiver = &fixture->ends[1 - from];
    unsigned sent = 0, rounds = 0;
    receiver->received = 0;
    while (receiver->received < count && rounds++ < PATIENCE_MS) {
        lock_take(&fixture->lock);
        while (sent < count && send_number(sender, sent)) {
            sent++;
        }
        receiver->is_full = rounds % 4 == 0;
        if (!receiver->is_full) {
            network_resume(&receiver->port);
        }
        lock_release(&fixture->lock);
        pause_ms(1);
    }
    assert_int_equal(receiver->received, count);
}

static void test_stream(void **state)
{
    struct fixture *fixture = *state;
    unsigned port = free_port(SOCK_STREAM);
    join(fixture, "id=a,listen=:%u", port, 0, "id=b,connect=127.0.0.1:%u", port, 0);
    wait_for_links(fixture);
    send_many(fixture, 0, MANY);
    send_many(fixture, 1, MANY);
    /* One side goes: the other one loses its link. */
    lock_take(&fixture->lock);
    net_close(fixture->backends[1]);
    fixture->backends[1] = NULL;
    lock_release(&fixture->lock);
    event_loop_wake(fixture->loop); /* or the socket stays open while it is polled */
    bool up = true;
    for (unsigned i = 0; i < PATIENCE_MS && up; i++) {
        pause_ms(1);
        lock_take(&fixture->lock);
        up = network_link_is_up(&fixture->ends[0].port);
        lock_release(&fixture->lock);
    }
    assert_false(up);
}

/* Datagrams may get lost when there are many: a few at a time. */
static void test_datagrams(void **state)
{
    struct fixture *fixture = *state;
    unsigned a = free_port(SOCK_DGRAM), b = free_port(SOCK_DGRAM);
    join(fixture, "id=a,udp=127.0.0.1:%u,localaddr=127.0.0.1:%u", b, a,
         "id=b,udp=127.0.0.1:%u,localaddr=127.0.0.1:%u", a, b);
    send_many(fixture, 0, 20);
    send_many(fixture, 1, 20);
}

static void test_null(void **state)
{
    struct error error;
    struct end end;
    struct properties properties;
    end_init(&end);
    assert_true(properties_parse(&properties, "-netdev", "id=a", &error));
    struct net_backend *backend =
        net_open("null", &properties, NULL, NULL, NULL, &error);
    assert_non_null(backend);
    network_connect(&end.port, net_port(backend));
    assert_true(network_link_is_up(&end.port));
    assert_true(send_number(&end, 0));
    assert_false(net_brings_input("null"));
    assert_true(net_brings_input("user"));
    net_close(backend);
    assert_null(end.port.peer);
}

/* Three cards at one hub; a fourth at another. */
static void test_hub(void **state)
{
    const char *const texts[] = {"id=a", "id=b,hubid=0", "id=c,hubid=7", "id=d"};
    struct end ends[ARRAY_LENGTH(texts)];
    struct net_backend *backends[ARRAY_LENGTH(texts)], *previous = NULL;
    struct properties properties;
    struct error error;
    for (unsigned i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_true(properties_parse(&properties, "-netdev", texts[i], &error));
        backends[i] = net_open("hubport", &properties, NULL, NULL, previous, &error);
        previous = backends[i];
        assert_non_null(previous);
        end_init(&ends[i]);
        network_connect(&ends[i].port, net_port(previous));
    }
    assert_true(send_number(&ends[0], 0));
    assert_int_equal(ends[0].received, 0);
    assert_int_equal(ends[1].received, 1);
    assert_int_equal(ends[2].received, 0);
    assert_int_equal(ends[3].received, 1);
    /* Who has no room holds all up; nobody gets a frame twice. */
    ends[3].is_full = true;
    assert_false(network_can_send(&ends[0].port));
    assert_false(send_number(&ends[0], 1));
    assert_int_equal(ends[1].received, 1);
    ends[3].is_full = false;
    ends[0].resumes = ends[2].resumes = 0;
    network_resume(&ends[3].port);
    assert_int_equal(ends[0].resumes, 1);
    assert_int_equal(ends[2].resumes, 0);
    assert_true(send_number(&ends[0], 1));
    /* Who is unplugged, or gone, holds nobody up. */
    ends[3].is_full = true;
    network_set_link(net_port(backends[3]), false);
    assert_int_equal(ends[0].resumes, 2);
    assert_true(send_number(&ends[0], 2));
    net_close(backends[3]);
    assert_true(send_number(&ends[0], 3));
    assert_int_equal(ends[1].received, 4);
    net_close(backends[0]);
    assert_true(send_number(&ends[1], 0)); /* to nobody */
    assert_int_equal(ends[2].received, 0);
    assert_false(net_brings_input("hubport"));
    assert_true(properties_parse(&properties, "-netdev", "id=a,hubid=x", &error));
    assert_null(net_open("hubport", &properties, NULL, NULL, NULL, &error));
    net_close(backends[1]);
    net_close(backends[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cable),
        cmocka_unit_test(test_capture),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_datagrams, setup, teardown),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
