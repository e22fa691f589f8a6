/* faumachine-vnc: the picture for VNC clients, by libvncserver.
 *
 * One thread: it sleeps in poll() over the machine's socket and those of the clients.
 * Sources: RFC 6143; rfb/rfb.h. */
#include "host/confinement/confinement.h"
#include "host/display/vnc_input.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/select.h>

#include <rfb/rfb.h>

enum {
    FIRST_WIDTH = 720,
    FIRST_HEIGHT = 400,
    SLOWEST_CLIENT_MS = 5000, /* to take a message: the others wait */
};

struct server {
    struct viewer viewer;
    struct vnc_input input;
    struct display_size size;
    bool has_position;
    rfbScreenInfoPtr screen;
    unsigned clients;
    char *passwords[2]; /* as libvncserver wants them: a list that ends in NULL */
};

static void key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    struct server *server = client->screen->screenData;
    vnc_input_key(&server->input, keysym, down);
}

static void pointer(int buttons, int x, int y, rfbClientPtr client)
{
    struct server *server = client->screen->screenData;
    vnc_input_pointer(&server->input, (unsigned)buttons, x, y, &server->size,
                      server->has_position);
}

static void client_left(rfbClientPtr client)
{
    struct server *server = client->screen->screenData;
    if (--server->clients == 0) {
        vnc_input_release(&server->input);
        viewer_tell_watching(&server->viewer, false);
    }
}

static enum rfbNewClientAction client_came(rfbClientPtr client)
{
    struct server *server = client->screen->screenData;
    client->clientGoneHook = client_left;
    if (server->clients++ == 0) {
        viewer_tell_watching(&server->viewer, true);
    }
    return RFB_CLIENT_ACCEPT;
}

/* 0x00RRGGBB, as bus/display.h has it. */
static void set_pixel_format(rfbScreenInfoPtr screen)
{
    screen->serverFormat.redShift = 16;
    screen->serverFormat.greenShift = 8;
    screen->serverFormat.blueShift = 0;
}

static void update(struct server *server, const struct view_update *update)
{
    const struct display_size *size = &update->size;
    const struct display_rectangle *changed = &update->changed;
    rfbScreenInfoPtr screen = server->screen;
    if (size->width != server->size.width || size->height != server->size.height) {
        server->size = *size;
        rfbNewFramebuffer(screen, (char *)server->viewer.pixels, (int)size->width,
                          (int)size->height, 8, 3, 4);
        set_pixel_format(screen);
    }
    rfbMarkRectAsModified(screen, (int)changed->x, (int)changed->y,
                          (int)(changed->x + changed->width),
                          (int)(changed->y + changed->height));
}

/* False at the end of the machine. */
static bool message(struct server *server)
{
    struct view_message message;
    if (!viewer_receive(&server->viewer, &message)) {
        return false;
    }
    if (message.kind == VIEW_STATE) {
        server->has_position = message.state.has_position;
    } else if (message.kind == VIEW_UPDATE) {
        update(server, &message.update);
        rfbProcessEvents(server->screen, 0); /* sends it */
        viewer_tell(&server->viewer, VIEW_SHOWN);
    }
    return true;
}

static void run(struct server *server)
{
    rfbScreenInfoPtr screen = server->screen;
    int socket = server->viewer.socket;
    for (;;) {
        fd_set ready = screen->allFds;
        FD_SET(socket, &ready);
        int last = screen->maxFd > socket ? screen->maxFd : socket;
        if (select(last + 1, &ready, NULL, NULL, NULL) < 0) {
            continue;
        }
        if (FD_ISSET(socket, &ready) && !message(server)) {
            return;
        }
        rfbProcessEvents(screen, 0);
    }
}

static bool find_address(struct server *server, in_addr_t *address)
{
    const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    const char *host = server->viewer.settings.host;
    struct addrinfo *found;
    int why = getaddrinfo(host, NULL, &wanted, &found);
    if (why) {
        viewer_tell_failure(&server->viewer, "-vnc: no address of '%s' (%s)", host,
                            gai_strerror(why));
        return false;
    }
    *address =
        ((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr.s_addr;
    freeaddrinfo(found);
    return true;
}

static bool listen_for_clients(struct server *server)
{
    struct view_settings *settings = &server->viewer.settings;
    rfbScreenInfoPtr screen =
        rfbGetScreen(NULL, NULL, FIRST_WIDTH, FIRST_HEIGHT, 8, 3, 4);
    if (!screen) {
        viewer_tell_failure(&server->viewer, "-vnc: out of memory");
        return false;
    }
    server->screen = screen;
    if (!find_address(server, &screen->listenInterface)) {
        return false;
    }
    screen->screenData = server;
    screen->frameBuffer = (char *)server->viewer.pixels;
    screen->desktopName = settings->name;
    screen->port = settings->port;
    screen->ipv6port = 0;
    screen->cursor = NULL; /* it is in the picture */
    screen->alwaysShared = TRUE;
    screen->deferUpdateTime = 0;
    screen->maxClientWait = SLOWEST_CLIENT_MS;
    screen->kbdAddEvent = key;
    screen->ptrAddEvent = pointer;
    screen->newClientHook = client_came;
    set_pixel_format(screen);
    if (settings->has_password) {
        server->passwords[0] = settings->password;
        screen->authPasswdData = server->passwords;
        screen->passwordCheck = rfbCheckPasswordByList;
    }
    rfbInitServer(screen);
    if (screen->listenSock == RFB_INVALID_SOCKET) {
        viewer_tell_failure(&server->viewer,
                            "-vnc: cannot listen at %s, port %d: perhaps another "
                            "program does; take another display number",
                            settings->host, settings->port);
        return false;
    }
    return true;
}

int main(int count, char *arguments[])
{
    struct server server = {.size = {FIRST_WIDTH, FIRST_HEIGHT}};
    (void)count;
    rfbLogEnable(FALSE);
    if (!viewer_open(&server.viewer, arguments[0])) {
        return 1;
    }
    server.input.viewer = &server.viewer;
    if (!listen_for_clients(&server)) {
        return 1;
    }
    confinement_enter_companion(CONFINEMENT_VNC);
    viewer_tell(&server.viewer, VIEW_READY);
    run(&server);
    rfbShutdownServer(server.screen, TRUE);
    return 0;
}
