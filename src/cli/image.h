/* cli/image.h: `faumachine image`: disk images from the command line. */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

/* `arguments`: what follows "image". Returns the exit status: 0, or 1 after a line
 * about what went wrong. */
int run_image(int count, char *const arguments[]);

#endif
