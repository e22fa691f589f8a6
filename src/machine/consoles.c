/* Serial lines, the parallel port and the debug console meet the host's character
 * devices. */
#include "machine/consoles.h"

#include "devices/debug_console.h"
#include "devices/parallel.h"
#include "machine/machine_internal.h"

#include <string.h>

enum {
    ALWAYS_THERE = 2, /* COM1 and COM2; the others if they are asked for */
    PORT_DEBUG_CONSOLE = 0x402,
    PORT_PARALLEL = 0x378,
    IRQ_PARALLEL = 7,
};

static void transmit(void *opaque, uint8_t byte)
{
    struct machine_console *console = opaque;
    struct machine *machine = console->machine;
    const struct console_listener *listener = &machine->console_listener;
    const struct serial_tap *tap = console->tap;
    if (tap && !tap->transmits(tap->opaque, console->number, &byte)) {
        return;
    }
    character_write(console->character, &byte, 1);
    if (listener->sent) {
        listener->sent(listener->opaque, (unsigned)(console - machine->consoles), byte);
    }
}

static void accept_input(void *opaque)
{
    struct machine_console *console = opaque;
    character_accept_input(console->character);
}

static size_t room(void *opaque)
{
    struct machine_console *console = opaque;
    return ns16550a_room(console->uart);
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct machine_console *console = opaque;
    const struct serial_tap *tap = console->tap;
    for (size_t i = 0; tap && i < count; i++) {
        uint8_t byte = bytes[i];
        if (tap->receives(tap->opaque, console->number, &byte)) {
            ns16550a_receive(console->uart, &byte, 1);
        }
    }
    if (!tap) {
        ns16550a_receive(console->uart, bytes, count);
    }
}

static void line_break(void *opaque)
{
    struct machine_console *console = opaque;
    ns16550a_break(console->uart);
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
        .opaque = console,
    };
    console->machine = machine;
    return console->character != NULL;
}

static bool serial_line_exists(const struct machine *machine, unsigned number)
{
    return number < ALWAYS_THERE || machine->config.serial[number];
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
        if (serial_line_exists(machine, i) &&
            !open_one(machine, &machine->consoles[i], config->serial[i],
                      is_shared(config, i), error)) {
            return false;
        }
    }
    const struct {
        const char *specification;
        unsigned console;
    } outputs[] = {
        {config->debug_console, CONSOLE_DEBUG},
        {config->parallel, CONSOLE_PARALLEL},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(outputs); i++) {
        if (outputs[i].specification &&
            !open_one(machine, &machine->consoles[outputs[i].console],
                      outputs[i].specification, false, error)) {
            return false;
        }
    }
    return true;
}

void communication_create(struct machine *machine)
{
    static const struct {
        uint16_t port;
        uint8_t irq;
    } uarts[MACHINE_SERIAL_LINES] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
    struct log *log = &machine->log;
    struct port_space *ports = &machine->ports;
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (serial_line_exists(machine, i)) {
            machine->uarts[i] = pc_add_device(
                machine,
                ns16550a_create(log, ports, &machine->clock, uarts[i].port,
                                isa_interrupts_line(&machine->isa, uarts[i].irq),
                                machine->consoles[i].line));
        }
    }
    if (machine->consoles[CONSOLE_PARALLEL].character) {
        pc_add_device(machine,
                      parallel_create(log, ports, PORT_PARALLEL,
                                      isa_interrupts_line(&machine->isa, IRQ_PARALLEL),
                                      machine->consoles[CONSOLE_PARALLEL].line));
    }
    if (machine->consoles[CONSOLE_DEBUG].character) {
        pc_add_device(machine,
                      debug_console_create(log, ports, PORT_DEBUG_CONSOLE,
                                           machine->consoles[CONSOLE_DEBUG].line));
    }
}

void consoles_connect(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (!machine->uarts[i]) {
            continue;
        }
        struct machine_console *console = &machine->consoles[i];
        const struct character_receiver receiver = {
            .room = room,
            .receive = receive,
            .line_break = line_break,
            .opaque = console,
        };
        console->uart = machine->uarts[i];
        console->number = i;
        character_connect(console->character, &receiver);
    }
}

void consoles_close(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        character_close(machine->consoles[i].character);
    }
}

void machine_listen_to_consoles(struct machine *machine,
                                const struct console_listener *listener)
{
    machine->console_listener = listener ? *listener : (struct console_listener){0};
}

bool machine_console_exists(const struct machine *machine, unsigned console)
{
    return console < MACHINE_CONSOLES && machine->consoles[console].character;
}

size_t machine_console_type(struct machine *machine, unsigned console,
                            const uint8_t *bytes, size_t count)
{
    bool listens = console < MACHINE_SERIAL_LINES && machine->uarts[console];
    return listens
               ? character_inject(machine->consoles[console].character, bytes, count)
               : 0;
}

bool machine_consoles_have_input(const struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (machine->uarts[i] &&
            character_input_waits(machine->consoles[i].character)) {
            return true;
        }
    }
    return false;
}

void machine_consoles_forget_input(struct machine *machine)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (machine->uarts[i]) {
            character_forget_input(machine->consoles[i].character);
        }
    }
}
