/* firmware/boot_rom.S: the option ROM that starts -kernel, in 16-bit real mode.
 *
 * A Plug and Play option ROM with a bootstrap entry vector (BEV): the BIOS calls it to
 * boot. It moves up to four pieces (setup, command line, kernel, initrd) from fw_cfg
 * to the addresses that fw_cfg names, by fw_cfg's DMA. If there is a setup piece it is
 * a Linux kernel, entered at its real-mode entry; else a Multiboot kernel, entered in
 * 32-bit protected mode after the BIOS's memory map has been put into its information
 * structure. The host prepared everything else; it also fills in the two checksums.
 *
 * Position independent: all offsets count from boot_rom, DS = CS. Low memory in use:
 * the stack below 0x7c00 and the memory map from MAP on.
 * Sources: Plug and Play BIOS Specification 1.0A, section 3 (header, BEV); Linux/x86
 * boot protocol ("Running the kernel"); Multiboot Specification 0.6.96, sections 3.2
 * and 3.3; fw_cfg: see devices/fw_cfg.c; INT 15h AX=E820h: ACPI 1.0b, chapter 14. */

        .set SETUP_ADDR, 0x16
        .set SETUP_SIZE, 0x17
        .set SETUP_DATA, 0x18
        .set CMDLINE_ADDR, 0x13
        .set CMDLINE_SIZE, 0x14
        .set CMDLINE_DATA, 0x15
        .set KERNEL_ADDR, 0x07
        .set KERNEL_SIZE, 0x08
        .set KERNEL_DATA, 0x11
        .set KERNEL_ENTRY, 0x10
        .set INITRD_ADDR, 0x0a
        .set INITRD_SIZE, 0x0b
        .set INITRD_DATA, 0x12

        .set DMA_PORT_HIGH, 0x514
        .set DMA_PORT_LOW, 0x518
        .set DMA_ERROR, 1
        .set DMA_READ_SELECTED, 0x0a    /* select the key, read */

        .set STACK, 0x7c00
        .set REAL_MODE_STACK, 0xfff0    /* Linux: 64 KiB for setup, heap and stack */
        .set MAP, 0x1000                /* entries of MAP_ENTRY bytes */
        .set MAP_ENTRY, 24
        .set MAP_END, MAP + 128 * MAP_ENTRY /* see BOOT_ROM_MAP_BYTES */
        .set SMAP, 0x534d4150
        .set CODE_SELECTOR, 8
        .set DATA_SELECTOR, 16
        .set MULTIBOOT_MAGIC, 0x2badb002
        .set INFO_MEM_LOWER, 4          /* offsets in the Multiboot information */
        .set INFO_MEM_UPPER, 8
        .set INFO_MMAP_LENGTH, 44
        .set INFO_MMAP_ADDR, 48

        .section .rodata
        .globl boot_rom, boot_rom_end
        .balign 512
        .code16
boot_rom:
        .byte 0x55, 0xaa
        .byte (boot_rom_end - boot_rom) / 512
        lretw                           /* initialization: nothing to do */
        .org boot_rom + 0x18
        .word 0                         /* no PCI data */
        .word pnp - boot_rom
        .balign 16
pnp:
        .ascii "$PnP"
        .byte 1                         /* revision */
        .byte 2                         /* length, in 16 bytes */
        .word 0                         /* no further header */
        .byte 0                         /* reserved */
        .byte 0                         /* checksum, by the host */
        .long 0                         /* device id */
        .word manufacturer - boot_rom
        .word product - boot_rom
        .byte 0, 0, 0                   /* device type */
        .byte 0x14                      /* initial program load device, not shared */
        .word 0, 0                      /* no boot connection, no disconnect vector */
        .word boot - boot_rom           /* bootstrap entry vector */
        .word 0, 0                      /* reserved; no static resources */

manufacturer:
        .asciz "FAUmachine"
product:
        .asciz "kernel given by -kernel"

pieces: /* keys of address, size, data */
        .word SETUP_ADDR, SETUP_SIZE, SETUP_DATA
        .word CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
        .word KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
        .word INITRD_ADDR, INITRD_SIZE, INITRD_DATA
pieces_end:

        .balign 8
descriptors:                            /* null; flat code and data, ring 0 */
        .quad 0
        .quad 0x00cf9b000000ffff
        .quad 0x00cf93000000ffff
descriptors_end:

boot:
        cli
        cld
        xorw %ax, %ax
        movw %ax, %ss
        movw $STACK, %sp
        movw %ax, %es
        pushw %cs
        popw %ds

        movw $(pieces - boot_rom), %si
next_piece:
        movzwl (%si), %eax
        call read_number
        movl %eax, %ebx
        movzwl 2(%si), %eax
        call read_number
        movl %eax, %ecx
        testl %ecx, %ecx
        jz no_piece
        movl %ebx, %edi
        movzwl 4(%si), %eax
        call read_item
no_piece:
        addw $6, %si
        cmpw $(pieces_end - boot_rom), %si
        jb next_piece

        movl $SETUP_SIZE, %eax
        call read_number
        testl %eax, %eax
        jz multiboot

/* Linux: DS = ES = SS = the setup's segment, CS:IP = that + 0x20:0. */
        movl $SETUP_ADDR, %eax
        call read_number
        shrl $4, %eax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        movw $REAL_MODE_STACK, %sp
        addw $0x20, %ax
        pushw %ax
        pushw $0
        lretw

/* EAX = the item's first 32 bits; key in EAX. Changes ECX, EDX, EDI, BP. */
read_number:
        pushl $0
        movzwl %sp, %edi
        movl $4, %ecx
        call read_item
        popl %eax
        ret

/* Reads ECX bytes of the item EAX to physical address EDI. Changes EAX, EDX, BP. The
 * descriptor is on the stack; SS = 0, so SP is its address. */
read_item:
        movl %edi, %edx
        bswapl %edx
        pushl %edx                      /* address, low half behind the high one */
        pushl $0
        movl %ecx, %edx
        bswapl %edx
        pushl %edx                      /* length */
        shll $16, %eax
        orb $DMA_READ_SELECTED, %al
        bswapl %eax
        pushl %eax                      /* control */
        movw %sp, %bp
        xorl %eax, %eax
        movw $DMA_PORT_HIGH, %dx
        outl %eax, %dx
        movzwl %sp, %eax
        bswapl %eax
        movw $DMA_PORT_LOW, %dx
        outl %eax, %dx
transferring:
        movl (%bp), %eax
        bswapl %eax
        testl $~DMA_ERROR, %eax
        jnz transferring
        addw $16, %sp
        ret

/* Multiboot: ask the BIOS about memory, then go to protected mode. */
multiboot:
        movw $MAP, %di
        xorl %ebx, %ebx
next_range:
        movl $0xe820, %eax
        movl $SMAP, %edx
        movl $20, %ecx
        movl %ecx, %es:(%di)            /* size of what follows */
        addw $4, %di
        int $0x15
        jc ranges_end
        addw $(MAP_ENTRY - 4), %di
        testl %ebx, %ebx
        jz have_ranges
        cmpw $MAP_END, %di
        jb next_range
        jmp have_ranges
ranges_end:
        subw $4, %di
have_ranges:
        subw $MAP, %di
        pushw $0
        pushw %di                       /* mmap_length, 32 bits */

        xorl %eax, %eax
        int $0x12                       /* KiB below 640 KiB */
        movzwl %ax, %eax
        pushl %eax                      /* mem_lower */

        xorw %cx, %cx
        xorw %dx, %dx
        movw $0xe801, %ax
        int $0x15                       /* CX: KiB up to 16 MiB, DX: 64 KiB above */
        movzwl %cx, %ecx
        movzwl %dx, %edx
        cmpl $0x3c00, %ecx
        jb no_high_memory
        shll $6, %edx
        addl %edx, %ecx
no_high_memory:
        pushl %ecx                      /* mem_upper */

        movl $INITRD_ADDR, %eax
        call read_number
        pushl %eax
        movl $KERNEL_ENTRY, %eax
        call read_number
        movl %eax, %edx
        popl %ebx                       /* the information structure */
        cli                             /* the BIOS's services may have enabled */
        xorl %eax, %eax
        movw %cs, %ax
        shll $4, %eax                   /* linear address of the ROM */
        leal (descriptors - boot_rom)(%eax), %ecx
        pushl %ecx
        pushw $(descriptors_end - descriptors - 1)
        movw %sp, %bp
        lgdtl (%bp)
        addw $6, %sp
        leal (protected - boot_rom)(%eax), %ecx
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        pushl $CODE_SELECTOR
        pushl %ecx
        lretl

        .code32
protected:
        movl $DATA_SELECTOR, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %fs
        movl %eax, %gs
        movl %eax, %ss
        movzwl %sp, %esp
        popl INFO_MEM_UPPER(%ebx)
        popl INFO_MEM_LOWER(%ebx)
        popl %ecx
        movl %ecx, INFO_MMAP_LENGTH(%ebx)
        movl INFO_MMAP_ADDR(%ebx), %edi
        movl $MAP, %esi
        rep movsb
        movl $MULTIBOOT_MAGIC, %eax
        jmp *%edx

        .balign 512
boot_rom_end:
        .section .note.GNU-stack, "", @progbits
