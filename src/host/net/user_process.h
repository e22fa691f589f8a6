/* host/net/user_process.h: the process that is a guest's network of its own: a router,
 * DHCP, DNS and TFTP servers, and translation of its connections to the host's
 * (libslirp). Frames go back and forth over its socket, a message each.
 *
 * Its first message says how it began: empty, or a line for the user. */
#ifndef HOST_NET_USER_PROCESS_H
#define HOST_NET_USER_PROCESS_H

#include "base/types.h"

enum { USER_FORWARDS = 32 };

struct user_forward {
    bool is_udp;
    uint32_t host_address, guest_address; /* guest 0: the first that DHCP gives */
    uint16_t host_port, guest_port;
};

/* Addresses are in host order. Strings live as long as the process. */
struct user_network {
    bool ipv4, ipv6, restricted;
    uint32_t network, mask, host, dhcp_start, dns;
    const char *hostname, *domain_name, *tftp, *tftp_server_name, *boot_file;
    struct user_forward forwards[USER_FORWARDS];
    unsigned forward_count;
};

/* For struct companion_role; `network`: a struct user_network. */
int user_process(void *network, int socket);

#endif
