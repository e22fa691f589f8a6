/* Virtual calls: objects of many classes, each call through the table of its object's
 * class, most of them small; what object-oriented programs do all day. The order of the
 * objects is random but fixed, so that a branch predictor cannot learn much of it. */
#include "kinds.h"

enum { OBJECTS = 1024, PASSES = 200 };

struct object;

struct class
{
    uint32_t (*value)(const struct object *);
    void (*step)(struct object *, uint32_t);
    uint32_t (*combine)(const struct object *, const struct object *);
};

struct object {
    const struct class *class;
    uint32_t a, b;
};

static uint32_t sum_value(const struct object *object)
{
    return object->a + object->b;
}

static uint32_t product_value(const struct object *object)
{
    return object->a * object->b;
}

static uint32_t difference_value(const struct object *object)
{
    return object->a - object->b;
}

static void add_step(struct object *object, uint32_t by)
{
    object->a += by;
}

static void mix_step(struct object *object, uint32_t by)
{
    object->b ^= by >> 3;
    object->a += 1;
}

/* A call from within a call. */
static void swap_step(struct object *object, uint32_t by)
{
    uint32_t value = object->class->value(object);
    object->a = object->b;
    object->b = value + by;
}

static uint32_t both(const struct object *one, const struct object *other)
{
    return one->class->value(one) ^ other->class->value(other);
}

static uint32_t larger(const struct object *one, const struct object *other)
{
    uint32_t x = one->class->value(one), y = other->class->value(other);
    return x > y ? x : y;
}

static const struct class classes[] = {
    {sum_value, add_step, both},         {product_value, mix_step, larger},
    {difference_value, swap_step, both}, {sum_value, mix_step, larger},
    {product_value, swap_step, both},    {difference_value, add_step, larger},
};

enum { CLASSES = sizeof(classes) / sizeof(classes[0]) };

static uint32_t virtual_calls(void)
{
    static struct object objects[OBJECTS];
    uint32_t random = 1;
    for (uint32_t i = 0; i < OBJECTS; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        objects[i] = (struct object){&classes[random % CLASSES], random, i};
    }
    uint32_t sum = 0;
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        for (uint32_t i = 0; i < OBJECTS; i++) {
            struct object *one = &objects[i], *other = &objects[(i * 7) % OBJECTS];
            one->class->step(one, sum);
            sum += one->class->combine(one, other);
        }
    }
    return sum;
}

const struct kind calls_kinds[] = {{"virtual", virtual_calls, 1}, {0}};
