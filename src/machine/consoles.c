/* Serial lines and the debug console meet the host's character devices. */
#include "machine/consoles.h"

#include "machine/machine_internal.h"

#include <string.h>

static void transmit(void *opaque, uint8_t byte)
{
    struct character *character = opaque;
    character_write(character, &byte, 1);
}

static void accept_input(void *opaque)
{
    character_accept_input(opaque);
}

static void quit(void *opaque)
{
    machine_stop(opaque);
}

static bool open_one(struct machine *machine, struct machine_console *console,
                     const char *specification, bool multiplexed, struct error *error)
{
    const struct character_commands commands = {.quit = quit, .opaque = machine};
    console->character = character_open(specification ? specification : "null",
                                        multiplexed, multiplexed ? &commands : NULL,
                                        machine->loop, &machine->log, error);
    console->line = (struct serial_line){
        .transmit = transmit,
        .accept_input = accept_input,
        .opaque = console->character,
    };
    return console->character != NULL;
}

static bool is_shared(const struct machine_config *config, unsigned number)
{
    const char *specification = config->serial[number];
    return config->serial_multiplexed && specification &&
           strcmp(specification, "stdio") == 0;
}

struct character *machine_shared_console(const struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (is_shared(&machine->config, i)) {
            return machine->consoles[i].character;
        }
    }
    return NULL;
}

const char *machine_serial_specification(const struct machine *machine, unsigned number)
{
    return number < MACHINE_SERIAL_LINES ? machine->config.serial[number] : NULL;
}

bool consoles_open(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        const char *specification = config->serial[i];
        if (!open_one(machine, &machine->consoles[i], specification,
                      is_shared(config, i), error)) {
            return false;
        }
    }
    return !config->debug_console ||
           open_one(machine, &machine->consoles[CONSOLE_DEBUG], config->debug_console,
                    false, error);
}

void consoles_connect(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        const struct character_receiver receiver = {
            .room = ns16550a_room,
            .receive = ns16550a_receive,
            .line_break = ns16550a_break,
            .opaque = machine->uarts[i],
        };
        character_connect(machine->consoles[i].character, &receiver);
    }
}

void consoles_close(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        character_close(machine->consoles[i].character);
    }
}
