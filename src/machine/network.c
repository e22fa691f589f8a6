#include "machine/network.h"

#include "devices/e1000.h"
#include "devices/ne2k_pci.h"
#include "devices/virtio_net.h"
#include "host/net/net.h"
#include "machine/added_devices.h"
#include "machine/machine_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ID_BYTES = 64,
    CAPTURE_DEFAULT_BYTES = 65536,
    MACHINE_CARDS = MACHINE_NETWORKS + MACHINE_ADDED_DEVICES, /* at most */
    ROM_MINIMUM_BYTES = 4096,
    ROM_MAXIMUM_BYTES = 1 << 20,
    ROM_DATA_POINTER = 0x18, /* to what is known of the card */
    ROM_DATA_BYTES = 0x18,
    ROM_IDS = 4, /* in that */
    ROM_IDS_BYTES = 4,
    ROM_SPARE_BYTE = 6, /* of the ROM: what its sum is mended by */
};

/* What a cable leads to: a back end, with a capture before it if there is one. */
struct network {
    char id[ID_BYTES];
    struct net_backend *backend;
    struct net_capture *capture;
    struct network_port *card; /* NULL: none so far */
};

struct networks {
    struct network items[2 * MACHINE_NETWORKS]; /* -netdev and -nic */
    unsigned count;
    unsigned cards;               /* so far */
    uint8_t *roms[MACHINE_CARDS]; /* of cards; NULL: none */
};

struct card_model {
    const char *name;
    /* Returns the card's end of the cable. */
    struct network_port *(*create)(struct machine *machine, unsigned slot,
                                   const uint8_t *address);
};

/* -- models -- */

static struct network_port *create_e1000(struct machine *machine, unsigned slot,
                                         const uint8_t *address)
{
    return e1000_port(
        pc_add_device(machine, e1000_create(&machine->log, &machine->clock,
                                            machine->pci, slot, address)));
}

static struct network_port *create_ne2k(struct machine *machine, unsigned slot,
                                        const uint8_t *address)
{
    return ne2k_pci_port(pc_add_device(
        machine, ne2k_pci_create(&machine->log, machine->pci, slot, address)));
}

static struct network_port *create_virtio(struct machine *machine, unsigned slot,
                                          const uint8_t *address)
{
    return virtio_net_port(pc_add_device(
        machine, virtio_net_create(&machine->log, machine->pci, slot, address)));
}

/* The first one is the default of -nic. */
static const struct card_model models[] = {
    {"e1000", create_e1000},
    {"ne2k_pci", create_ne2k},
    {"virtio-net-pci", create_virtio},
};

#define MODEL_NAMES "e1000, ne2k_pci and virtio-net-pci"

/* -- networks -- */

static bool open_capture(struct machine *machine, struct network *network,
                         const char *path, uint64_t maximum, struct error *error)
{
    if (network->capture) {
        return error_set(error, "network '%s' is captured already", network->id);
    }
    network->capture =
        net_capture_open(path, maximum, &machine->clock, &machine->log, error);
    if (!network->capture) {
        return false;
    }
    network_connect(net_capture_outside(network->capture), net_port(network->backend));
    return true;
}

static struct network *find_network(struct networks *networks, const char *id)
{
    for (unsigned i = 0; i < networks->count; i++) {
        if (strcmp(networks->items[i].id, id) == 0) {
            return &networks->items[i];
        }
    }
    return NULL;
}

/* A back end of type properties->name; `id` may be empty. */
static struct network *open_network(struct machine *machine,
                                    struct properties *properties, const char *id,
                                    struct error *error)
{
    struct networks *networks = machine->networks;
    struct network *network = &networks->items[networks->count];
    const char *path = properties_take(properties, "capture");
    if (strlen(id) >= sizeof(network->id)) {
        error_set(error, "%s: id=%s: at most %d letters", properties->option, id,
                  ID_BYTES - 1);
        return NULL;
    }
    if (*id && find_network(networks, id)) {
        error_set(error, "%s: id=%s is taken; give each network its own",
                  properties->option, id);
        return NULL;
    }
    network->backend = net_open(
        properties->name, properties, machine->loop, &machine->log,
        networks->count ? networks->items[networks->count - 1].backend : NULL, error);
    if (!network->backend) {
        return NULL;
    }
    strcpy(network->id, id);
    networks->count++;
    if (path && !open_capture(machine, network, path, CAPTURE_DEFAULT_BYTES, error)) {
        return NULL;
    }
    return network;
}

/* -- cards -- */

static bool parse_address(const char *text, uint8_t *address)
{
    unsigned bytes[NETWORK_ADDRESS_BYTES];
    char rest;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1], &bytes[2],
               &bytes[3], &bytes[4], &bytes[5], &rest) != NETWORK_ADDRESS_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES; i++) {
        address[i] = (uint8_t)bytes[i];
    }
    return !network_is_multicast(address);
}

static bool take_address(struct machine *machine, struct properties *properties,
                         uint8_t *address, struct error *error)
{
    const char *text = properties_take(properties, "mac");
    /* QEMU's, from a range for virtual machines. */
    const uint8_t first[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    memcpy(address, first, sizeof(first));
    address[5] = (uint8_t)(address[5] + machine->networks->cards++);
    return !text || parse_address(text, address) ||
           error_set(error, "%s: mac=%s: give an address such as 52:54:00:12:34:56",
                     properties->option, text);
}

/* The firmware executes a ROM only if that names the card, and iPXE's are for several:
 * writes the card's ids into it, and keeps the sum of all bytes. Source: PCI Firmware
 * Specification 3.0, section 5.1. */
static void name_card(uint8_t *rom, size_t bytes, const struct pci_function *function)
{
    size_t place = (size_t)(rom[ROM_DATA_POINTER] | rom[ROM_DATA_POINTER + 1] << 8);
    if (place + ROM_DATA_BYTES > bytes || memcmp(rom + place, "PCIR", 4) != 0) {
        return;
    }
    for (unsigned i = 0; i < ROM_IDS_BYTES; i++) {
        uint8_t *id = rom + place + ROM_IDS + i;
        rom[ROM_SPARE_BYTE] += (uint8_t)(*id - function->config[PCI_VENDOR_ID + i]);
        *id = function->config[PCI_VENDOR_ID + i];
    }
}

/* A boot ROM, such as iPXE's: the firmware executes it. */
static bool add_rom(struct machine *machine, const char *path, unsigned slot,
                    struct error *error)
{
    struct networks *networks = machine->networks;
    struct firmware_image image;
    size_t bytes = ROM_MINIMUM_BYTES;
    if (!firmware_read_file(path, "boot ROM", ROM_MAXIMUM_BYTES, &image, error)) {
        return false;
    }
    while (bytes < image.length) {
        bytes *= 2;
    }
    uint8_t *rom = aligned_alloc(PAGE_BYTES, bytes);
    assert(rom);
    memset(rom, 0xff, bytes);
    memcpy(rom, image.bytes, image.length);
    firmware_image_free(&image);
    networks->roms[networks->cards - 1] = rom;
    struct pci_function *function =
        machine->pci->functions[slot * PCI_FUNCTIONS_PER_SLOT];
    name_card(rom, bytes, function);
    pci_function_set_rom(function, rom, (uint32_t)bytes);
    return true;
}

/* `network` NULL: a card without a cable. */
static bool add_card(struct machine *machine, const struct card_model *model,
                     struct properties *properties, struct network *network,
                     struct error *error)
{
    uint8_t address[NETWORK_ADDRESS_BYTES];
    unsigned slot = 0;
    if (!take_address(machine, properties, address, error) ||
        !added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    const char *rom = properties_take(properties, "romfile");
    struct network_port *port = model->create(machine, slot, address);
    if (rom && *rom && !add_rom(machine, rom, slot, error)) {
        return false;
    }
    if (network) {
        network->card = port;
        network_connect(port, network->capture ? net_capture_inside(network->capture)
                                               : net_port(network->backend));
    }
    return true;
}

static const struct card_model *find_model(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
        if (strcmp(models[i].name, name) == 0) {
            return &models[i];
        }
    }
    return NULL;
}

/* -- options -- */

static bool add_netdev(struct machine *machine, const char *text, struct error *error)
{
    struct properties properties;
    if (!properties_parse_repeated(&properties, "-netdev", text, NET_REPEATED_PROPERTY,
                                   error)) {
        return false;
    }
    const char *id = properties_take(&properties, "id");
    if (!id || !*id) {
        return error_set(error,
                         "-netdev %s: give it an id, as in -netdev %s,id=net0 "
                         "-device e1000,netdev=net0",
                         text, properties.name);
    }
    return open_network(machine, &properties, id, error) &&
           properties_finish(&properties, net_properties(properties.name), error);
}

static bool add_nic(struct machine *machine, const char *text, struct error *error)
{
    struct properties properties;
    if (!properties_parse_repeated(&properties, "-nic", text, NET_REPEATED_PROPERTY,
                                   error)) {
        return false;
    }
    const char *name = properties_take(&properties, "model");
    const char *id = properties_take(&properties, "id");
    const struct card_model *model = find_model(name ? name : models[0].name);
    if (!model) {
        return error_set(error, "-nic: model=%s: the models are " MODEL_NAMES, name);
    }
    struct network *network = open_network(machine, &properties, id ? id : "", error);
    if (!network || !add_card(machine, model, &properties, network, error)) {
        return false;
    }
    char known[512];
    snprintf(known, sizeof(known), "model, mac, addr, romfile, capture, %s",
             net_properties(properties.name));
    return properties_finish(&properties, known, error);
}

static bool add_capture(struct machine *machine, const char *text, struct error *error)
{
    struct properties properties;
    uint64_t maximum = CAPTURE_DEFAULT_BYTES;
    /* The name is its kind. */
    if (!properties_parse(&properties, "-object", text, error)) {
        return false;
    }
    const char *id = properties_take(&properties, "netdev");
    const char *path = properties_take(&properties, "file");
    properties_take(&properties, "id");
    struct network *network = id ? find_network(machine->networks, id) : NULL;
    if (!id || !path) {
        return error_set(error, "-object %s: give netdev=ID and file=FILE", text);
    }
    if (!network) {
        return error_set(error, "-object %s: there is no -netdev with id=%s", text, id);
    }
    return properties_take_number(&properties, "maxlen", 1, UINT32_MAX, &maximum,
                                  error) &&
           properties_finish(&properties, "id, netdev, file and maxlen", error) &&
           open_capture(machine, network, path, maximum, error);
}

bool networks_create(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    machine->networks = calloc(1, sizeof(*machine->networks));
    assert(machine->networks);
    for (unsigned i = 0; i < MACHINE_NETWORKS && config->netdevs[i]; i++) {
        if (!add_netdev(machine, config->netdevs[i], error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MACHINE_NETWORKS && config->captures[i]; i++) {
        if (!add_capture(machine, config->captures[i], error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MACHINE_NETWORKS && config->nics[i]; i++) {
        if (!add_nic(machine, config->nics[i], error)) {
            return false;
        }
    }
    return true;
}

struct network_port *network_card(struct machine *machine, const char *id)
{
    struct networks *networks = machine->networks;
    for (unsigned i = 0; i < networks->count; i++) {
        struct network *network = &networks->items[i];
        if (network->card && (!*id || strcmp(network->id, id) == 0)) {
            return network->card;
        }
    }
    return NULL;
}

void networks_destroy(struct machine *machine)
{
    struct networks *networks = machine->networks;
    for (unsigned i = 0; networks && i < networks->count; i++) {
        net_capture_close(networks->items[i].capture);
        net_close(networks->items[i].backend);
    }
    for (unsigned i = 0; networks && i < networks->cards; i++) {
        free(networks->roms[i]);
    }
    free(networks);
}

bool machine_set_cable(struct machine *machine, const char *id, bool plugged,
                       struct error *error)
{
    struct network *network = *id ? find_network(machine->networks, id) : NULL;
    if (!network) {
        return error_set(
            error, "there is no network with id=%s; -nic and -netdev give one", id);
    }
    network_set_link(net_port(network->backend), plugged);
    return true;
}

uint32_t networks_cables(const struct machine *machine)
{
    const struct networks *networks = machine->networks;
    uint32_t cables = 0;
    for (unsigned i = 0; networks && i < networks->count; i++) {
        const struct network_port *port = net_port(networks->items[i].backend);
        cables |= (uint32_t)!port->switched_off << i;
    }
    return cables;
}

void networks_set_cables(struct machine *machine, uint32_t cables)
{
    const struct networks *networks = machine->networks;
    for (unsigned i = 0; networks && i < networks->count; i++) {
        network_set_link(net_port(networks->items[i].backend), cables >> i & 1);
    }
}

/* -- -device -- */

static bool add_device(struct machine *machine, const char *model,
                       struct properties *properties, struct error *error)
{
    const char *id = properties_take(properties, "netdev");
    struct network *network = id ? find_network(machine->networks, id) : NULL;
    properties_take(properties, "id");
    if (id && !network) {
        return error_set(error, "-device %s: there is no -netdev with id=%s", model,
                         id);
    }
    if (network && network->card) {
        return error_set(error, "-device %s: netdev=%s has a card already", model, id);
    }
    return add_card(machine, find_model(model), properties, network, error);
}

static bool add_e1000(struct machine *machine, struct properties *properties,
                      struct error *error)
{
    return add_device(machine, "e1000", properties, error);
}

static bool add_ne2k(struct machine *machine, struct properties *properties,
                     struct error *error)
{
    return add_device(machine, "ne2k_pci", properties, error);
}

static bool add_virtio(struct machine *machine, struct properties *properties,
                       struct error *error)
{
    return add_device(machine, "virtio-net-pci", properties, error);
}

#define CARD_PROPERTIES "id, netdev, mac, addr and romfile"

const struct added_device e1000_added = {
    .name = "e1000",
    .properties = CARD_PROPERTIES,
    .help = "network card Intel 82540EM",
    .create = add_e1000,
};

const struct added_device ne2k_pci_added = {
    .name = "ne2k_pci",
    .properties = CARD_PROPERTIES,
    .help = "network card Realtek RTL8029 (NE2000)",
    .create = add_ne2k,
};

const struct added_device virtio_net_added = {
    .name = "virtio-net-pci",
    .properties = CARD_PROPERTIES,
    .help = "network card, virtio",
    .create = add_virtio,
};
