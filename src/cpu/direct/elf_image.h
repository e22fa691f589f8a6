/* cpu/direct/elf_image.h: where the code is in an ELF image that is in memory with its
 * headers.
 *
 * That is so of the guest kernel's vDSO, which has code and data in one page. Of other
 * files the section headers are not in memory. Thread: the CPU's own. */
#ifndef CPU_DIRECT_ELF_IMAGE_H
#define CPU_DIRECT_ELF_IMAGE_H

#include "cpu/core/cpu.h"

/* If the page belongs to such an image: true, and the part of it that holds all the
 * code in it, from `*first` up to `*end`. Otherwise these keep what they have. True if
 * the image's sections told. */
bool elf_image_find_code(struct cpu *cpu, gla_t page, unsigned *first, unsigned *end);

#endif
