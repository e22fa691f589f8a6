/* Floating point as old programs have it: compiled for the x87's stack of registers. */
#pragma GCC target("fpmath=387")
#include "kinds.h"
#include <math.h>

enum { BODIES = 5, STEPS = 20000, SIDE = 128, ITERATIONS = 100 };

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static void attract(struct body *one, struct body *other, double dt)
{
    double dx = one->x - other->x, dy = one->y - other->y, dz = one->z - other->z;
    double square = dx * dx + dy * dy + dz * dz;
    double force = dt / (square * sqrt(square));
    one->vx -= dx * other->mass * force;
    one->vy -= dy * other->mass * force;
    one->vz -= dz * other->mass * force;
    other->vx += dx * one->mass * force;
    other->vy += dy * one->mass * force;
    other->vz += dz * one->mass * force;
}

/* A heavy body with four light ones around it. */
static uint32_t n_body(void)
{
    struct body bodies[BODIES] = {
        {0, 0, 0, 0, 0, 0, 40},           {5, -1, 0, 0.6, 2.8, 0, 0.04},
        {8, 4, 0, -1, 1.9, 0, 0.01},      {13, -15, 0, 1.1, 0.9, 0.1, 0.002},
        {15, -26, 0.2, 1, 0.6, 0, 0.002},
    };
    double dt = 0.01;
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < BODIES; i++) {
            for (uint32_t j = i + 1; j < BODIES; j++) {
                attract(&bodies[i], &bodies[j], dt);
            }
        }
        for (uint32_t i = 0; i < BODIES; i++) {
            bodies[i].x += dt * bodies[i].vx;
            bodies[i].y += dt * bodies[i].vy;
            bodies[i].z += dt * bodies[i].vz;
        }
    }
    return checksum(bodies, sizeof(bodies));
}

/* Iterations until a point of the Mandelbrot set's surroundings escapes. */
static uint32_t mandelbrot(void)
{
    uint32_t sum = 0;
    for (uint32_t row = 0; row < SIDE; row++) {
        for (uint32_t column = 0; column < SIDE; column++) {
            double cr = column * 3.0 / SIDE - 2, ci = row * 2.0 / SIDE - 1;
            double r = 0, i = 0;
            uint32_t count = 0;
            while (r * r + i * i < 4 && count < ITERATIONS) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
                count++;
            }
            sum = sum * 31 + count;
        }
    }
    return sum;
}

const struct kind x87_kinds[] = {
    {"nbody", n_body, 1}, {"mandelbrot", mandelbrot, 1}, {0}};
