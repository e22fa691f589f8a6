/* Ctrl-A commands, as QEMU has them with -nographic. */
#include "host/console/character_internal.h"

#include <ctype.h>
#include <string.h>

enum { ESCAPE_KEY = 0x01 /* Ctrl-A */ };

static void print(struct character *character, const char *text)
{
    character_write(character, (const uint8_t *)text, strlen(text));
}

static void toggle_second(struct character *character)
{
    const struct character_receiver *second = &character->second;
    if (!second->receive) {
        print(character, "\r\nfaumachine: this machine has no monitor here\r\n");
        return;
    }
    character->second_listens = !character->second_listens;
    if (character->second_listens) {
        second->opened(second->opaque);
    } else {
        second->closed(second->opaque);
    }
}

/* A key that is no command: to whoever listens. */
static void pass_on(struct character *character, uint8_t byte)
{
    if (character->second_listens) {
        character->second.receive(character->second.opaque, &byte, 1);
    } else {
        character_queue_input(character, byte);
    }
}

static void run_command(struct character *character, uint8_t key)
{
    const struct character_commands *commands = &character->commands;
    switch (tolower(key)) {
    case 'h':
    case '?':
        print(character, "\r\n"
                         "Ctrl-A H       this help\r\n"
                         "Ctrl-A X       end the simulator\r\n"
                         "Ctrl-A B       send a break on the serial line\r\n"
                         "Ctrl-A C       to the monitor, and back\r\n"
                         "Ctrl-A Ctrl-A  send Ctrl-A\r\n");
        break;
    case 'x':
        print(character, "\r\nfaumachine: ended by Ctrl-A X\r\n");
        if (commands->quit) {
            commands->quit(commands->opaque);
        }
        break;
    case 'b':
        character_queue_input(character, INPUT_BREAK);
        break;
    case 'c':
        toggle_second(character);
        break;
    case ESCAPE_KEY:
        pass_on(character, ESCAPE_KEY);
        break;
    default: /* no command: neither key reaches the guest */
        break;
    }
}

void multiplexer_input(struct character *character, uint8_t byte)
{
    if (character->escape_pending) {
        character->escape_pending = false;
        run_command(character, byte);
    } else if (byte == ESCAPE_KEY) {
        character->escape_pending = true;
    } else {
        pass_on(character, byte);
    }
}
