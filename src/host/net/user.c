/* "user,net=,host=,dhcpstart=,dns=,hostname=,domainname=,restrict=,tftp=,bootfile=,
 * hostfwd=…": a network of the guest's own, as QEMU has it. It lives in a process
 * beside the machine's, which may open connections. */
#include "host/companion/companion.h"
#include "host/net/net_internal.h"
#include "host/net/user_process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    DEFAULT_NETWORK = 0x0a000200, /* 10.0.2.0/24 */
    DEFAULT_MASK = 0xffffff00,
    HOST_NUMBER = 2,
    DNS_NUMBER = 3,
    DHCP_NUMBER = 15,
    LOOPBACK = 0x7f000001,
};

struct net_of_user {
    struct companion companion;
    struct net_frames frames;
    struct log *log;
};

static bool take_address(struct properties *properties, const char *key,
                         const struct user_network *network, uint32_t *address,
                         struct error *error)
{
    const char *text = properties_take(properties, key);
    if (!text) {
        return true;
    }
    if (!net_parse_ipv4(text, address, NULL)) {
        return error_set(error, "%s: %s=%s: give an address such as 10.0.2.9",
                         properties->option, key, text);
    }
    return (*address & network->mask) == network->network ||
           error_set(error, "%s: %s=%s is not in the guest's network; see net=",
                     properties->option, key, text);
}

static bool take_addresses(struct properties *properties, struct user_network *network,
                           struct error *error)
{
    const char *text = properties_take(properties, "net");
    network->network = DEFAULT_NETWORK;
    network->mask = DEFAULT_MASK;
    if (text && (!net_parse_ipv4(text, &network->network, &network->mask) ||
                 network->mask == 0 || ~network->mask < DHCP_NUMBER)) {
        return error_set(error, "%s: net=%s: give a network such as 10.0.2.0/24",
                         properties->option, text);
    }
    network->network &= network->mask;
    network->host = network->network | HOST_NUMBER;
    network->dns = network->network | DNS_NUMBER;
    network->dhcp_start = network->network | DHCP_NUMBER;
    return take_address(properties, "host", network, &network->host, error) &&
           take_address(properties, "dns", network, &network->dns, error) &&
           take_address(properties, "dhcpstart", network, &network->dhcp_start, error);
}

/* Splits "first DELIMITER rest" in place; NULL without a delimiter. */
static char *split(char *text, char delimiter)
{
    char *at = text ? strchr(text, delimiter) : NULL;
    if (!at) {
        return NULL;
    }
    *at = '\0';
    return at + 1;
}

/* tcp|udp:[host address]:port-[guest address]:port. Without an address of the host only
 * the host itself can connect. */
static bool parse_forward(char *text, struct user_forward *forward)
{
    char *host = split(text, ':');
    char *host_port = split(host, ':');
    char *guest = split(host_port, '-');
    char *guest_port = split(guest, ':');
    forward->is_udp = strcmp(text, "udp") == 0;
    forward->host_address = LOOPBACK;
    if (!guest_port || (!forward->is_udp && *text && strcmp(text, "tcp") != 0)) {
        return false;
    }
    return (!*host || net_parse_ipv4(host, &forward->host_address, NULL)) &&
           (!*guest || net_parse_ipv4(guest, &forward->guest_address, NULL)) &&
           net_parse_port(host_port, &forward->host_port) &&
           net_parse_port(guest_port, &forward->guest_port) && forward->guest_port > 0;
}

static bool take_forwards(struct properties *properties, struct user_network *network,
                          struct error *error)
{
    const char *text;
    while ((text = properties_take_next(properties, "hostfwd"))) {
        char copy[PROPERTIES_TEXT_BYTES];
        if (network->forward_count == USER_FORWARDS) {
            return error_set(error, "%s: more than %d hostfwd", properties->option,
                             USER_FORWARDS);
        }
        strcpy(copy, text);
        if (!parse_forward(copy, &network->forwards[network->forward_count++])) {
            return error_set(error,
                             "%s: hostfwd=%s: give tcp or "
                             "udp:[ADDRESS]:PORT-[GUEST ADDRESS]:PORT, as in "
                             "hostfwd=tcp::2222-:22",
                             properties->option, text);
        }
    }
    return true;
}

static bool take_all(struct properties *properties, struct user_network *network,
                     struct error *error)
{
    network->ipv4 = network->ipv6 = true;
    network->hostname = properties_take(properties, "hostname");
    network->domain_name = properties_take(properties, "domainname");
    network->tftp = properties_take(properties, "tftp");
    network->tftp_server_name = properties_take(properties, "tftp-server-name");
    network->boot_file = properties_take(properties, "bootfile");
    return properties_take_switch(properties, "ipv4", &network->ipv4, error) &&
           properties_take_switch(properties, "ipv6", &network->ipv6, error) &&
           properties_take_switch(properties, "restrict", &network->restricted,
                                  error) &&
           take_addresses(properties, network, error) &&
           take_forwards(properties, network, error);
}

static void ended(void *opaque)
{
    struct net_of_user *user = opaque;
    log_warning(user->log, "the process of the guest's network has ended: the guest "
                           "goes on without one");
}

/* Waits for the first message. */
static bool has_begun(struct companion *companion, struct error *error)
{
    ssize_t length = recv(companion->socket, error->text, sizeof(error->text) - 1, 0);
    if (length <= 0) {
        return error_set(error, "the process of the guest's network does not start");
    }
    error->text[length] = '\0';
    return error->text[0] == '\0';
}

static bool open_user(struct net_backend *backend, struct properties *properties,
                      struct error *error)
{
    struct user_network network = {.restricted = false};
    struct net_of_user *user = calloc(1, sizeof(*user));
    const struct companion_role role = {
        .name = "net",
        .main = user_process,
        .opaque = &network,
    };
    if (!user) {
        return error_set(error, "%s: no memory", properties->option);
    }
    if (!take_all(properties, &network, error) ||
        !companion_start(&user->companion, &role, error)) {
        free(user);
        return false;
    }
    if (!has_begun(&user->companion, error)) {
        companion_stop(&user->companion);
        free(user);
        return false;
    }
    user->log = backend->log;
    user->frames = (struct net_frames){
        .input_fd = user->companion.socket,
        .output_fd = user->companion.socket,
        .is_socket = true,
        .ended = ended,
        .opaque = user,
    };
    backend->own = user;
    net_frames_start(&user->frames, backend);
    return true;
}

static void close_user(struct net_backend *backend)
{
    struct net_of_user *user = backend->own;
    net_frames_stop(&user->frames);
    companion_stop(&user->companion);
    free(user);
}

const struct net_kind net_user = {
    .type = "user",
    .properties = "id, net, host, dns, dhcpstart, hostname, domainname, ipv4, ipv6, "
                  "restrict, tftp, tftp-server-name, bootfile and hostfwd",
    .brings_input = true,
    .open = open_user,
    .close = close_user,
};
