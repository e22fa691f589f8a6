/* A host process for each address space, on one CPU; ways to hand over. */
#define _GNU_SOURCE
#include "address_spaces.h"
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t turn_of(unsigned self)
{
    return __atomic_load_n(&world->turn[self], __ATOMIC_ACQUIRE);
}

static void set_turn(unsigned whose, uint32_t turn)
{
    __atomic_store_n(&world->turn[whose], turn, __ATOMIC_RELEASE);
}

static void futex_pass(unsigned to)
{
    set_turn(to, 1);
    syscall(SYS_futex, &world->turn[to], FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_await(unsigned self)
{
    while (!turn_of(self)) {
        syscall(SYS_futex, &world->turn[self], FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    set_turn(self, 0);
}

static void eventfd_pass(unsigned to)
{
    uint64_t one = 1;
    require(write(world->eventfd[to], &one, sizeof(one)) == sizeof(one), "write");
}

static void eventfd_await(unsigned self)
{
    uint64_t count;
    require(read(world->eventfd[self], &count, sizeof(count)) == sizeof(count), "read");
}

static void pipe_pass(unsigned to)
{
    require(write(world->pipe[to][1], "", 1) == 1, "write");
}

static void pipe_await(unsigned self)
{
    char byte;
    require(read(world->pipe[self][0], &byte, 1) == 1, "read");
}

static void yield_pass(unsigned to)
{
    set_turn(to, 1);
}

static void yield_await(unsigned self)
{
    while (!turn_of(self)) {
        sched_yield();
    }
    set_turn(self, 0);
}

const struct handover by_futex = {"futex: wake, wait", futex_pass, futex_await};
const struct handover by_eventfd = {"eventfd: write, read", eventfd_pass,
                                    eventfd_await};
const struct handover by_pipe = {"pipe: write, read", pipe_pass, pipe_await};
const struct handover by_yield = {"flag and sched_yield", yield_pass, yield_await};

bool switch_process(unsigned to)
{
    unsigned self = world->current;
    world->current = to;
    world->handover->pass(to);
    world->handover->await(self);
    return !world->over;
}

/* The child returns as the new space, and ends when it would switch back. */
bool switch_new_process(unsigned to)
{
    if (to == 0) {
        world->current = 0;
        _exit(0);
    }
    pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        world->current = to;
        return true;
    }
    require(waitpid(child, NULL, 0) == child, "waitpid");
    return true;
}

pid_t process_create(unsigned space, unsigned cpu, void (*work)(void))
{
    pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(cpu);
        world->handover->await(space);
        if (!world->over) {
            work();
        }
        _exit(0);
    }
    return child;
}

void all_over(void)
{
    world->over = true;
    for (unsigned i = 0; i < SPACES_MAXIMUM; i++) {
        world->handover->pass(i);
    }
}

void children_await(void)
{
    while (wait(NULL) > 0) {
    }
}
