/* devices/e1000_internal.h: what the parts of the card share.
 *
 * Names of registers and bits are the manual's, chapter 13. */
#ifndef DEVICES_E1000_INTERNAL_H
#define DEVICES_E1000_INTERNAL_H

#include "devices/e1000.h"

/* Offsets of registers in bytes. */
enum e1000_register {
    REG_CTRL = 0x0000,
    REG_STATUS = 0x0008,
    REG_EECD = 0x0010,
    REG_EERD = 0x0014,
    REG_CTRL_EXT = 0x0018,
    REG_MDIC = 0x0020,
    REG_FCAL = 0x0028,
    REG_FCAH = 0x002c,
    REG_FCT = 0x0030,
    REG_VET = 0x0038,
    REG_ICR = 0x00c0,
    REG_ITR = 0x00c4,
    REG_ICS = 0x00c8,
    REG_IMS = 0x00d0,
    REG_IMC = 0x00d8,
    REG_RCTL = 0x0100,
    REG_FCTTV = 0x0170,
    REG_TXCW = 0x0178,
    REG_RXCW = 0x0180,
    REG_TCTL = 0x0400,
    REG_TIPG = 0x0410,
    REG_AIT = 0x0458,
    REG_LEDCTL = 0x0e00,
    REG_PBA = 0x1000,
    REG_FCRTL = 0x2160,
    REG_FCRTH = 0x2168,
    REG_RDFH = 0x2410,
    REG_RDFPC = 0x2430,
    REG_RDBAL = 0x2800,
    REG_RDBAH = 0x2804,
    REG_RDLEN = 0x2808,
    REG_RDH = 0x2810,
    REG_RDT = 0x2818,
    REG_RDTR = 0x2820,
    REG_RXDCTL = 0x2828,
    REG_RADV = 0x282c,
    REG_RSRPD = 0x2c00,
    REG_TDFH = 0x3410,
    REG_TDFPC = 0x3430,
    REG_TDBAL = 0x3800,
    REG_TDBAH = 0x3804,
    REG_TDLEN = 0x3808,
    REG_TDH = 0x3810,
    REG_TDT = 0x3818,
    REG_TIDV = 0x3820,
    REG_TXDCTL = 0x3828,
    REG_TADV = 0x382c,
    REG_TSPMT = 0x3830,
    REG_STATISTICS = 0x4000, /* all are cleared by reading */
    REG_MPC = 0x4010,        /* missed packets */
    REG_PRC64 = 0x405c,      /* received: 64 bytes, … 127, 255, 511, 1023, more */
    REG_GPRC = 0x4074,       /* received: packets, broadcasts, multicasts */
    REG_BPRC = 0x4078,
    REG_MPRC = 0x407c,
    REG_GPTC = 0x4080, /* transmitted */
    REG_GORCL = 0x4088,
    REG_GOTCL = 0x4090,
    REG_RNBC = 0x40a0, /* received without a buffer */
    REG_RUC = 0x40a4,
    REG_ROC = 0x40ac,
    REG_TORL = 0x40c0,
    REG_TOTL = 0x40c8,
    REG_TPR = 0x40d0,
    REG_TPT = 0x40d4,
    REG_PTC64 = 0x40d8,
    REG_MPTC = 0x40f0,
    REG_BPTC = 0x40f4,
    REG_TSCTC = 0x40f8,
    REG_STATISTICS_END = 0x4100,
    REG_RXCSUM = 0x5000,
    REG_MTA = 0x5200, /* 128: a bit for each hash of a multicast address */
    REG_RAL = 0x5400, /* 16 pairs: addresses */
    REG_RA_END = 0x5480,
    REG_VFTA = 0x5600, /* 128: a bit for each VLAN */
    REG_VFTA_END = 0x5800,
    REG_WUC = 0x5800,
    REG_WUFC = 0x5808,
    REG_WUS = 0x5810,
    REG_MANC = 0x5820,
    REG_END = 0x5a00, /* from here on there is nothing that we have */
};

enum {
    CTRL_SLU = 1 << 6,
    CTRL_RST = 1 << 26,
    CTRL_VME = 1 << 30,
    STATUS_FD = 1 << 0,
    STATUS_LU = 1 << 1,
    STATUS_SPEED_1000 = 2 << 6,
    STATUS_ASDV_1000 = 2 << 8,

    /* Causes of interrupts: ICR, ICS, IMS, IMC. */
    ICR_TXDW = 1 << 0,
    ICR_TXQE = 1 << 1,
    ICR_LSC = 1 << 2,
    ICR_RXDMT0 = 1 << 4,
    ICR_RXO = 1 << 6,
    ICR_RXT0 = 1 << 7,
    ICR_MDAC = 1 << 9,
    ICR_TXD_LOW = 1 << 15,
    ICR_ALL = 0x1ffff,

    DESCRIPTOR_BYTES = 16,
    RING_BYTES_MASK = 0xfff80,
    REGISTERS = REG_END / 4,
    EEPROM_WORDS = 64,
    PHY_REGISTERS = 32,
    ADDRESSES = 16,
    /* A TCP packet of 64 KiB with headers; longer ones are not sent. */
    PACKET_BYTES = (64 << 10) + 256,
    NO_DEADLINE = 0,
};

/* The last context descriptor: how checksums and segmentation are done. */
struct e1000_context {
    uint8_t ip_start, ip_checksum;
    uint16_t ip_end;
    uint8_t transport_start, transport_checksum;
    uint16_t transport_end;
    uint32_t payload_bytes;
    uint16_t segment_bytes;
    uint8_t header_bytes;
    uint8_t command;
};

/* A packet on its way out: what its descriptors have brought so far, and, once it is
 * complete, how much of it has left. */
struct e1000_packet {
    struct e1000_context context;
    uint32_t length;   /* bytes there are */
    uint32_t position; /* of the payload, when it leaves in segments */
    bool is_begun, is_complete, is_too_long;
    bool is_segmented, wants_ip_checksum, wants_transport_checksum, wants_tag;
    uint8_t checksum_start, checksum_place; /* of legacy descriptors; place 0: none */
    uint16_t tag;
};

/* Bits that the driver shifts in and out of the EEPROM, one by one. */
struct e1000_eeprom_port {
    uint32_t shifted; /* in: start bit, operation, address */
    uint8_t bits_in, bits_out;
    uint16_t word;
    bool is_reading;
};

struct e1000 {
    struct device device;
    struct clock *clock;
    struct network_port port;
    uint8_t address[NETWORK_ADDRESS_BYTES];
    uint16_t eeprom[EEPROM_WORDS];
    struct timer interrupt_timer, receive_timer, transmit_timer, link_timer;
    bool transmitting; /* guards against resume() from within */

    /* saved */
    struct pci_function function;
    uint32_t registers[REGISTERS];
    uint16_t phy[PHY_REGISTERS];
    uint32_t io_address; /* BAR 1 */
    struct e1000_eeprom_port eeprom_port;
    bool is_up;                 /* the link has been negotiated */
    uint64_t link_deadline_ns;  /* it will be; NO_DEADLINE: no */
    uint64_t next_interrupt_ns; /* not before: ITR */
    uint64_t interrupt_deadline_ns;
    /* Interrupts held back until then, and at the latest until then. */
    uint64_t receive_deadline_ns, receive_latest_ns;
    uint64_t transmit_deadline_ns, transmit_latest_ns;
    struct e1000_packet packet;
    uint8_t bytes[PACKET_BYTES]; /* of the packet; only `length` are saved */
};

static inline uint32_t *e1000_register(struct e1000 *card, unsigned offset)
{
    return &card->registers[offset / 4];
}

/* Notes causes; the interrupt follows when the mask and ITR allow. */
void e1000_raise(struct e1000 *card, uint32_t causes);

/* Adds to a statistic, which sticks at its maximum; a pair of registers is 64 bits. */
void e1000_count(struct e1000 *card, unsigned offset, uint32_t amount);
void e1000_count_octets(struct e1000 *card, unsigned low_offset, uint32_t amount);
/* The bin of a frame of `bytes`, check sequence included: PRC64 or PTC64 is first. */
void e1000_count_size(struct e1000 *card, unsigned first_offset, size_t bytes);

/* e1000_transmit.c */
void e1000_transmit(struct e1000 *card);
void e1000_resume(void *card);

/* e1000_receive.c */
bool e1000_can_receive(void *card);
bool e1000_receive(void *card, const uint8_t *frame, size_t bytes);
/* The driver has given buffers, or switched the receiver on. */
void e1000_buffers_added(struct e1000 *card);

/* e1000_phy.c */
void e1000_eeprom_fill(struct e1000 *card);
uint32_t e1000_eeprom_read_port(const struct e1000 *card);
void e1000_eeprom_write_port(struct e1000 *card, uint32_t value);
uint32_t e1000_eeprom_read_word(const struct e1000 *card, uint32_t command);
void e1000_phy_reset(struct e1000 *card);
/* Carries out what was written to MDIC. */
uint32_t e1000_phy_access(struct e1000 *card, uint32_t command);
/* The link is to be negotiated anew, or is gone. */
void e1000_phy_link_changed(void *card);
void e1000_phy_link_timer(void *card);

#endif
