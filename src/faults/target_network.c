/* Networks: between a card and its cable, each direction for itself. */
#include "faults/faults_internal.h"

#include "bus/network.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_FRAMES = 1000, RETRY_NS = 100000, REORDER_NS = 10000000 };

/* A frame that comes later. */
struct frame {
    uint64_t due_ns;
    size_t bytes;
    struct frame *next;
    uint8_t data[];
};

/* What one end receives. */
struct direction {
    struct fault *fault;
    struct network_port *port;
    const struct network_port_ops *below;
    void *opaque;
    struct network_port_ops ops;
    bool wanted;
    bool in_burst;    /* Gilbert and Elliott's bad state */
    uint64_t free_ns; /* FAULT_RATE: when the line is free again */
    struct frame *first;
    unsigned count;
    struct timer timer;
};

struct broken_network {
    struct direction to_card, from_card;
    bool wrapped;
};

static bool deliver(struct direction *direction, const uint8_t *frame, size_t bytes)
{
    return direction->below->receive(direction->opaque, frame, bytes);
}

/* -- frames that wait -- */

static void keep(struct direction *direction, const uint8_t *data, size_t bytes,
                 uint64_t due_ns)
{
    struct frame *frame =
        direction->count < QUEUE_FRAMES ? malloc(sizeof(*frame) + bytes) : NULL;
    struct frame **place = &direction->first;
    if (!frame) {
        return; /* the line's buffer is full */
    }
    frame->due_ns = due_ns;
    frame->bytes = bytes;
    memcpy(frame->data, data, bytes);
    while (*place && (*place)->due_ns <= due_ns) {
        place = &(*place)->next;
    }
    frame->next = *place;
    *place = frame;
    direction->count++;
    timer_set_ns(&direction->timer, direction->first->due_ns);
}

/* False: the receiver has no room. */
static bool deliver_first(struct direction *direction)
{
    struct frame *frame = direction->first;
    if (!deliver(direction, frame->data, frame->bytes)) {
        return false;
    }
    direction->first = frame->next;
    direction->count--;
    free(frame);
    return true;
}

static void timer_fired(void *opaque)
{
    struct direction *direction = opaque;
    uint64_t now_ns = clock_now_ns(direction->timer.clock);
    bool room = true;
    while (room && direction->first && direction->first->due_ns <= now_ns) {
        room = deliver_first(direction);
    }
    if (direction->first) {
        timer_set_ns(&direction->timer,
                     room ? direction->first->due_ns : now_ns + RETRY_NS);
    }
}

/* -- models -- */

static bool deliver_wrong(struct direction *direction, const uint8_t *frame,
                          size_t bytes)
{
    struct fault *fault = direction->fault;
    const struct fault_spec *spec = &fault->spec;
    uint8_t copy[NETWORK_MAXIMUM_BYTES];
    memcpy(copy, frame, bytes);
    unsigned width = bytes < spec->width ? (unsigned)bytes : spec->width;
    fault_choose_bits(fault, width);
    size_t place = spec->address;
    if (spec->random_bits) {
        place = random_below(&fault->random, bytes - width + 1);
    }
    if (place + width <= bytes) {
        fault_apply(fault, copy + place, width);
    }
    return deliver(direction, copy, bytes);
}

/* Whether a frame is lost, and what becomes of the line. Source: E. O. Elliott,
 * "Estimates of error rates for codes on burst-noise channels", 1963. */
static bool loses(struct direction *direction)
{
    struct fault *fault = direction->fault;
    const struct fault_spec *spec = &fault->spec;
    bool lost = random_chance(&fault->random,
                              direction->in_burst ? spec->bad_loss : spec->good_loss);
    if (random_chance(&fault->random,
                      direction->in_burst ? spec->leave : spec->enter)) {
        direction->in_burst = !direction->in_burst;
    }
    return lost;
}

static void keep_for_rate(struct direction *direction, const uint8_t *frame,
                          size_t bytes, uint64_t now_ns)
{
    uint64_t takes_ns =
        clock_scale(bytes, NS_PER_SECOND, direction->fault->spec.bytes_per_second);
    uint64_t start_ns = direction->free_ns > now_ns ? direction->free_ns : now_ns;
    direction->free_ns = start_ns + takes_ns;
    keep(direction, frame, bytes, direction->free_ns);
}

static bool receive_broken(struct direction *direction, const uint8_t *frame,
                           size_t bytes)
{
    struct fault *fault = direction->fault;
    uint64_t now_ns = clock_now_ns(direction->timer.clock);
    switch (fault->spec.model) {
    case FAULT_LOST:
    case FAULT_BURST:
        return true;
    case FAULT_DUPLICATE:
        keep(direction, frame, bytes, now_ns);
        return deliver(direction, frame, bytes);
    case FAULT_REORDER: /* behind the next one, or what time it would not be missed */
        keep(direction, frame, bytes, now_ns + REORDER_NS);
        return true;
    case FAULT_DELAY:
        keep(direction, frame, bytes, now_ns + fault->spec.delay_ns);
        return true;
    case FAULT_RATE:
        keep_for_rate(direction, frame, bytes, now_ns);
        return true;
    default:
        return deliver_wrong(direction, frame, bytes);
    }
}

/* -- the place of the port -- */

static bool has_room(void *opaque)
{
    const struct direction *direction = opaque;
    return !direction->below->can_receive ||
           direction->below->can_receive(direction->opaque);
}

/* A frame that is not hit; one that was held back comes behind it. */
static bool receive_right(struct direction *direction, const uint8_t *frame,
                          size_t bytes)
{
    bool taken = deliver(direction, frame, bytes);
    if (taken && direction->fault->spec.model == FAULT_REORDER && direction->first) {
        direction->first->due_ns = clock_now_ns(direction->timer.clock);
        timer_fired(direction);
    }
    return taken;
}

/* A sender without room keeps its frame and brings it again: that is one frame. */
static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct direction *direction = opaque;
    struct fault *fault = direction->fault;
    bool keeps = fault->spec.model == FAULT_DELAY || fault->spec.model == FAULT_RATE;
    if (!direction->wanted || !fault->present || (!keeps && !has_room(direction))) {
        return receive_right(direction, frame, bytes);
    }
    bool chosen = fault->spec.model != FAULT_BURST || loses(direction);
    return chosen && fault_strikes(fault) ? receive_broken(direction, frame, bytes)
                                          : receive_right(direction, frame, bytes);
}

static void resume(void *opaque)
{
    const struct direction *direction = opaque;
    if (direction->below->resume) {
        direction->below->resume(direction->opaque);
    }
}

static void link_changed(void *opaque)
{
    const struct direction *direction = opaque;
    if (direction->below->link_changed) {
        direction->below->link_changed(direction->opaque);
    }
}

static void prepare(struct direction *direction, struct fault *fault,
                    struct network_port *port, unsigned use)
{
    direction->fault = fault;
    direction->port = port;
    direction->wanted = fault->spec.uses_of & use;
    direction->ops = (struct network_port_ops){.receive = receive,
                                               .can_receive = has_room,
                                               .resume = resume,
                                               .link_changed = link_changed};
    timer_init(&direction->timer, machine_clock(fault->owner->machine), timer_fired,
               direction);
}

static bool arm_network(struct fault *fault, struct error *error)
{
    struct network_port *card =
        machine_network_card(fault->owner->machine, fault->spec.name);
    if (!card || !card->peer) {
        return error_set(error,
                         "-fault: target=network,name=%s: there is no network of that "
                         "id with a card; leave name= out for the first",
                         fault->spec.name);
    }
    struct broken_network *network = calloc(1, sizeof(*network));
    if (!network) {
        return error_set(error, "out of memory for a fault");
    }
    prepare(&network->to_card, fault, card, FAULT_ON_READ);
    prepare(&network->from_card, fault, card->peer, FAULT_ON_WRITE);
    fault->data = network;
    return true;
}

static void wrap(struct direction *direction)
{
    direction->below = direction->port->ops;
    direction->opaque = direction->port->opaque;
    direction->port->ops = &direction->ops;
    direction->port->opaque = direction;
}

static void unwrap(struct direction *direction)
{
    timer_cancel(&direction->timer);
    while (direction->first) {
        struct frame *frame = direction->first;
        direction->first = frame->next;
        free(frame);
    }
    direction->port->ops = direction->below;
    direction->port->opaque = direction->opaque;
}

static bool begin_network(struct fault *fault)
{
    struct broken_network *network = fault->data;
    if (!network->wrapped) {
        network->wrapped = true;
        wrap(&network->to_card);
        wrap(&network->from_card);
    }
    return true;
}

static void end_network(struct fault *fault)
{
    (void)fault; /* what is under way comes */
}

static void disarm_network(struct fault *fault)
{
    struct broken_network *network = fault->data;
    if (network->wrapped) {
        network->wrapped = false;
        unwrap(&network->to_card);
        unwrap(&network->from_card);
    }
}

const struct fault_target fault_network = {
    .arm = arm_network,
    .begin = begin_network,
    .end = end_network,
    .disarm = disarm_network,
};
