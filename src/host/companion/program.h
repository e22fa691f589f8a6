/* host/companion/program.h: companions that are programs of their own.
 *
 * So the machine's process does without the libraries that they need, and a build on a
 * host without such a library lacks one program. They are found beside faumachine (in
 * the folder of a build), or where `ninja install` puts them.
 * Thread: any. */
#ifndef HOST_COMPANION_PROGRAM_H
#define HOST_COMPANION_PROGRAM_H

#include "base/error.h"
#include "base/types.h"

/* The descriptors that such a program is started with, beside the standard ones. */
enum { COMPANION_SOCKET = 3, COMPANION_MEMORY = 4 };

/* Writes the program's path; false if it was not built. */
bool companion_program_exists(const char *program, char *path, size_t bytes);
/* Likewise; fails with a line that names `package`, Debian's package of the library
 * that it is built with. */
bool companion_find_program(const char *program, const char *package, char *path,
                            size_t bytes, struct error *error);

/* For a role's main(), with `memory` among the descriptors that it keeps: replaces the
 * process by the program. Returns only if that fails. */
void companion_become_program(const char *path, int socket, int memory);

#endif
