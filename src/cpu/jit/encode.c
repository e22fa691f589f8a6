#include "cpu/jit/encode.h"

#include <stddef.h>

enum {
    SEGMENT_GS_PREFIX = 0x65,
    OPERAND_SIZE_PREFIX = 0x66,
    ADDRESS_SIZE_PREFIX = 0x67,
    LOCK_PREFIX = 0xf0,
    NO_REGISTER = HOST_RSP,
};

static enum segment_kind kind_of(unsigned segment, uint32_t assumptions)
{
    return (assumptions >> (ASSUME_SEGMENT_BITS * segment)) & 3;
}

/* FS and GS change too often to take anything for granted. */
static bool is_thread_segment(unsigned segment)
{
    return segment == SEGMENT_FS || segment == SEGMENT_GS;
}

bool encode_reaches(const struct instruction *instruction, uint32_t assumptions)
{
    return instruction->address_mask == UINT32_MAX &&
           (is_thread_segment(instruction->segment) ||
            kind_of(instruction->segment, assumptions) != SEGMENT_CHECKED);
}

static uint8_t address_register(unsigned guest)
{
    return guest == REGISTER_ZERO ? NO_REGISTER : (uint8_t)host_register_of(guest);
}

static void emit_opcode_bytes(struct emitter *e, const struct shape *shape)
{
    if (shape->map != OPCODE_MAP_1) {
        emit8(e, 0x0f);
    }
    if (shape->map == OPCODE_MAP_0F38) {
        emit8(e, 0x38);
    } else if (shape->map == OPCODE_MAP_0F3A) {
        emit8(e, 0x3a);
    }
    emit8(e, shape->opcode);
}

static void emit_immediate(struct emitter *e, const struct shape *shape)
{
    for (unsigned i = 0; i < shape->immediate_bytes; i++) {
        emit8(e, shape->immediate >> (8 * i) & 0xff);
    }
}

void encode_modrm_address(struct emitter *e, unsigned reg,
                          const struct address *address)
{
    enum { SIB = 4, NO_BASE = 5, NO_INDEX = 4 };
    int32_t displacement = (int32_t)address->displacement;
    unsigned base = address->base & 7, index = address->index & 7;
    unsigned sib = (unsigned)address->scale << 6 | index << 3 | base;
    bool has_index = address->index != NO_REGISTER;
    if (address->base == NO_REGISTER) {
        emit8(e, (reg & 7) << 3 | SIB);
        emit8(e, (unsigned)address->scale << 6 | (has_index ? index : NO_INDEX) << 3 |
                     NO_BASE);
        emit32(e, address->displacement);
        return;
    }
    bool short_form = displacement == (int8_t)displacement;
    unsigned mod = displacement == 0 && base != NO_BASE ? 0 : short_form ? 0x40 : 0x80;
    if (has_index) {
        emit8(e, mod | (reg & 7) << 3 | SIB);
        emit8(e, sib);
    } else {
        emit8(e, mod | (reg & 7) << 3 | base);
        if (base == SIB) {
            emit8(e, NO_INDEX << 3 | base);
        }
    }
    if (mod == 0x40) {
        emit8(e, (uint8_t)displacement);
    } else if (mod == 0x80) {
        emit32(e, address->displacement);
    }
}

static unsigned rex_of_address(const struct address *address)
{
    unsigned rex = 0;
    if (address->base != NO_REGISTER && (address->base & 8)) {
        rex |= REX_B;
    }
    if (address->index != NO_REGISTER && (address->index & 8)) {
        rex |= REX_X;
    }
    return rex;
}

void encode_reach(struct emitter *e, const struct address *address)
{
    emit8(e, SEGMENT_GS_PREFIX);
    if (!address->wide) {
        emit8(e, ADDRESS_SIZE_PREFIX);
    }
}

void encode_memory(struct emitter *e, const struct shape *shape,
                   const struct address *address, bool lock, bool lea)
{
    unsigned rex = rex_of_address(address) | (shape->reg & 8 ? REX_R : 0);
    if (lock) {
        emit8(e, LOCK_PREFIX);
    }
    if (!lea) {
        encode_reach(e, address);
    }
    if (shape->sixteen) {
        emit8(e, OPERAND_SIZE_PREFIX);
    }
    if (shape->prefix) {
        emit8(e, shape->prefix);
    }
    if (rex) {
        emit8(e, REX | rex);
    }
    emit_opcode_bytes(e, shape);
    encode_modrm_address(e, shape->reg, address);
    emit_immediate(e, shape);
}

void encode_bare(struct emitter *e, const struct shape *shape)
{
    if (shape->prefix) {
        emit8(e, shape->prefix);
    }
    emit_opcode_bytes(e, shape);
}

void encode_register(struct emitter *e, const struct shape *shape)
{
    unsigned rex = (shape->reg & 8 ? REX_R : 0) | (shape->rm & 8 ? REX_B : 0);
    if (shape->sixteen) {
        emit8(e, OPERAND_SIZE_PREFIX);
    }
    if (shape->prefix) {
        emit8(e, shape->prefix);
    }
    if (rex) {
        emit8(e, REX | rex);
    }
    emit_opcode_bytes(e, shape);
    emit8(e, 0xc0 | (shape->reg & 7u) << 3 | (shape->rm & 7u));
    emit_immediate(e, shape);
}

struct address encode_offset(const struct instruction *instruction)
{
    return (struct address){
        .base = address_register(instruction->base),
        .index = address_register(instruction->index),
        .scale = instruction->scale,
        .displacement = instruction->displacement,
    };
}

#define SEGMENT_AT(segment, member)                                                    \
    ((int32_t)(offsetof(struct cpu, segments[0].member) +                              \
               sizeof(struct segment) * (segment)))

/* lea reg, [address], 32 bits */
static void emit_address_of(struct emitter *e, unsigned reg,
                            const struct address *address)
{
    const struct shape lea = {.opcode = 0x8d, .reg = (uint8_t)reg};
    encode_memory(e, &lea, address, false, true);
}

struct address encode_address(struct emitter *e, const struct instruction *instruction,
                              uint32_t assumptions)
{
    unsigned segment = instruction->segment;
    struct address address = encode_offset(instruction);
    if (!is_thread_segment(segment) && kind_of(segment, assumptions) == SEGMENT_FLAT) {
        return address;
    }
    if (address.base != NO_REGISTER && address.index != NO_REGISTER) {
        emit_address_of(e, HOST_R8, &address);
        address = (struct address){.base = HOST_R8, .index = NO_REGISTER};
    }
    emit_load32(e, HOST_R9, HOST_CPU, SEGMENT_AT(segment, base));
    if (address.base == NO_REGISTER) {
        address.base = HOST_R9;
    } else {
        address.index = HOST_R9;
        address.scale = 0;
    }
    if (is_thread_segment(segment)) {
        /* Added to what does not wrap, the barrier is no address at all. */
        emit_address_of(e, HOST_R8, &address);
        emit_load64(e, HOST_R10, HOST_CPU, SEGMENT_AT(segment, barrier));
        return (struct address){.base = HOST_R8, .index = HOST_R10, .wide = true};
    }
    return address;
}

static bool is_byte(enum operand_size size)
{
    return size == SIZE_B;
}

/* Registers and widths of ModRM operands, as the row tells. */
static void take_registers(struct shape *shape, const struct instruction *instruction,
                           const struct instruction_row *row)
{
    bool reg_byte = false, rm_byte = false, reg_general = false;
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        const struct operand_kind *operand = &row->operands[i];
        if (operand->method == OPERAND_G) {
            reg_general = true;
            reg_byte = is_byte(operand->size);
        } else if (operand->method == OPERAND_E) {
            rm_byte = is_byte(operand->size) || operand->size == SIZE_DB;
        }
    }
    shape->reg = instruction->reg;
    shape->rm = instruction->rm;
    if (reg_general) {
        shape->reg_high = reg_byte && instruction->reg >= 4;
        shape->reg =
            reg_byte ? instruction->reg : (uint8_t)host_register_of(instruction->reg);
    }
    if (!instruction->memory) {
        shape->rm_high = rm_byte && instruction->rm >= 4;
        shape->rm =
            rm_byte ? instruction->rm : (uint8_t)host_register_of(instruction->rm);
    }
}

static void take_immediate(struct shape *shape, const struct instruction *instruction,
                           const struct instruction_row *row)
{
    shape->immediate = instruction->immediate;
    switch (row->immediate) {
    case IMMEDIATE_BYTE:
    case IMMEDIATE_SIGNED_BYTE:
        shape->immediate_bytes = 1;
        break;
    case IMMEDIATE_WORD:
        shape->immediate_bytes = 2;
        break;
    case IMMEDIATE_FULL:
        shape->immediate_bytes = instruction->operand_bytes;
        break;
    default:
        break;
    }
}

/* A high byte register and a REX prefix exclude each other. */
static bool is_encodable(const struct shape *shape, unsigned rex)
{
    rex |= (shape->reg & 8) | (shape->rm & 8);
    return !((shape->reg_high || shape->rm_high) && rex);
}

/* One-byte opcodes with ModRM that do the same on the host. */
static bool is_plain_map_1(unsigned opcode, unsigned extension)
{
    if (opcode < 0x40) {
        return (opcode & 7) < 4;
    }
    switch (opcode) {
    case 0x69:
    case 0x6b:
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x83:
    case 0x84:
    case 0x85:
    case 0x86:
    case 0x87:
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xc7:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xf6:
    case 0xf7:
        return true;
    case 0xfe:
    case 0xff:
        return extension < 2;
    default:
        return false;
    }
}

static bool is_plain_map_0f(unsigned opcode, bool memory)
{
    if (opcode >= 0x40 && opcode < 0x50) { /* CMOVcc */
        return true;
    }
    if (opcode >= 0x90 && opcode < 0xa0) { /* SETcc */
        return true;
    }
    switch (opcode) {
    case 0xa3: /* with a memory operand they reach far: to be checked */
    case 0xab:
    case 0xb3:
    case 0xbb:
        return !memory;
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
    case 0xaf:
    case 0xb0:
    case 0xb1:
    case 0xb6:
    case 0xb7:
    case 0xb8:
    case 0xba:
    case 0xbc:
    case 0xbd:
    case 0xbe:
    case 0xbf:
    case 0xc0:
    case 0xc1:
    case 0xc7:
        return true;
    default:
        return false;
    }
}

/* xchg low, high: of EAX, ECX, EDX, EBX. */
static void emit_swap_bytes(struct emitter *e, unsigned high)
{
    EMIT(e, 0x86, 0xc0 | (high & 3) << 3 | high);
}

/* AH, CH, DH or BH and a memory operand whose address needs a REX prefix: by a scratch
 * register. What it does to memory comes before it changes a register. */
static bool encode_high(struct emitter *e, const struct shape *shape,
                        const struct address *address, bool lock)
{
    unsigned opcode = shape->opcode;
    bool arithmetic = opcode < 0x40;
    bool to_memory = shape->map == OPCODE_MAP_1 && ((arithmetic && (opcode & 7) == 0) ||
                                                    opcode == 0x88 || opcode == 0x84);
    bool compare = shape->map == OPCODE_MAP_1 && opcode == 0x3a;
    bool to_register = shape->map == OPCODE_MAP_1 &&
                       ((arithmetic && (opcode & 7) == 2) || opcode == 0x8a);
    struct shape scratch = *shape;
    scratch.reg = HOST_R11;
    if (to_memory || compare) {
        /* rorx r11d, reg, 8 */
        EMIT(e, 0xc4, 0x63, 0x7b, 0xf0, 0xd8 | (shape->reg & 3), 8);
        encode_memory(e, &scratch, address, lock, false);
        return true;
    }
    if (to_register) {
        const struct shape last = {
            .opcode = (uint8_t)opcode, .reg = shape->reg & 3, .rm = HOST_R11};
        scratch.opcode = 0x8a;
        encode_memory(e, &scratch, address, false, false);
        emit_swap_bytes(e, shape->reg);
        encode_register(e, &last);
        emit_swap_bytes(e, shape->reg);
        return true;
    }
    return false;
}

static bool encode_modrm(struct emitter *e, const struct instruction *instruction,
                         const struct instruction_row *row, uint32_t assumptions)
{
    struct shape shape = {
        .map = row->map,
        .opcode = instruction->opcode,
        .sixteen = instruction->operand_bytes == 2,
    };
    if (row->handler == HANDLER_popcnt_Gv_Ev || row->handler == HANDLER_tzcnt_Gv_Ev ||
        row->handler == HANDLER_lzcnt_Gv_Ev) {
        shape.prefix = 0xf3;
    }
    if (instruction->opcode == 0x82 && row->map == OPCODE_MAP_1) {
        shape.opcode = 0x80;
    }
    take_registers(&shape, instruction, row);
    take_immediate(&shape, instruction, row);
    if (!instruction->memory) {
        if (!is_encodable(&shape, 0)) {
            return false;
        }
        encode_register(e, &shape);
        return true;
    }
    shape.rm = 0;
    if (!encode_reaches(instruction, assumptions)) {
        return false;
    }
    struct emitter start = *e;
    struct address address = encode_address(e, instruction, assumptions);
    bool lock = instruction->prefixes & PREFIX_LOCK;
    if (is_encodable(&shape, rex_of_address(&address))) {
        encode_memory(e, &shape, &address, lock, false);
        return true;
    }
    if (encode_high(e, &shape, &address, lock)) {
        return true;
    }
    *e = start;
    return false;
}

/* Opcodes whose register is in their low bits, and such without ModRM. */
static bool encode_short(struct emitter *e, const struct instruction *instruction,
                         uint32_t assumptions)
{
    unsigned opcode = instruction->opcode;
    bool sixteen = instruction->operand_bytes == 2;
    unsigned reg = host_register_of(instruction->reg);
    struct shape shape = {.sixteen = sixteen, .rm = (uint8_t)reg};
    if (opcode >= 0x40 && opcode < 0x50) { /* INC, DEC */
        shape.opcode = 0xff;
        shape.reg = opcode >= 0x48;
        encode_register(e, &shape);
        return true;
    }
    if (opcode > 0x90 && opcode < 0x98) { /* XCHG with EAX */
        shape.opcode = 0x87;
        shape.reg = HOST_RAX;
        encode_register(e, &shape);
        return true;
    }
    if (opcode >= 0xb0 && opcode < 0xb8) { /* MOV to a byte register */
        emit8(e, opcode);
        emit8(e, instruction->immediate & 0xff);
        return true;
    }
    if (opcode >= 0xb8 && opcode < 0xc0) {
        if (sixteen) {
            shape.opcode = 0xc7;
            shape.immediate = instruction->immediate;
            shape.immediate_bytes = 2;
            encode_register(e, &shape);
        } else {
            emit_constant32(e, reg, instruction->immediate);
        }
        return true;
    }
    bool accumulator = opcode < 0x40 && ((opcode & 7) == 4 || (opcode & 7) == 5);
    if (accumulator || opcode == 0xa8 || opcode == 0xa9) {
        bool byte = !(opcode & 1);
        if (sixteen && !byte) {
            emit8(e, OPERAND_SIZE_PREFIX);
        }
        emit8(e, opcode);
        shape.immediate = instruction->immediate;
        shape.immediate_bytes = byte ? 1 : instruction->operand_bytes;
        emit_immediate(e, &shape);
        return true;
    }
    switch (opcode) {
    case 0x90: /* NOP, PAUSE: where time is counted nobody gains by the host's */
        if ((instruction->prefixes & PREFIX_REP) && !(assumptions & ASSUME_EXACT)) {
            emit8(e, 0xf3);
        }
        emit8(e, opcode);
        return true;
    case 0xfc: /* CLD */
        return assumptions & ASSUME_UPWARD;
    case 0x98: /* CBW, CWDE, CWD, CDQ */
    case 0x99:
        if (sixteen) {
            emit8(e, OPERAND_SIZE_PREFIX);
        }
        emit8(e, opcode);
        return true;
    case 0x9e: /* SAHF, LAHF, CMC, CLC, STC */
    case 0x9f:
    case 0xf5:
    case 0xf8:
    case 0xf9:
        emit8(e, opcode);
        return true;
    default:
        return false;
    }
}

static bool encode_lea(struct emitter *e, const struct instruction *instruction)
{
    if (!instruction->memory || instruction->address_mask != UINT32_MAX) {
        return false;
    }
    const struct address address = encode_offset(instruction);
    const struct shape shape = {
        .sixteen = instruction->operand_bytes == 2,
        .opcode = 0x8d,
        .reg = (uint8_t)host_register_of(instruction->reg),
    };
    encode_memory(e, &shape, &address, false, true);
    return true;
}

/* MOV between the accumulator and an absolute address. */
static bool encode_absolute(struct emitter *e, const struct instruction *instruction,
                            uint32_t assumptions)
{
    if (!encode_reaches(instruction, assumptions)) {
        return false;
    }
    static const uint8_t opcodes[4] = {0x8a, 0x8b, 0x88, 0x89};
    const struct shape shape = {
        .sixteen = instruction->operand_bytes == 2,
        .opcode = opcodes[instruction->opcode & 3],
        .reg = HOST_RAX,
    };
    struct address address = encode_address(e, instruction, assumptions);
    encode_memory(e, &shape, &address, false, false);
    return true;
}

bool encode_plain(struct emitter *e, const struct instruction *instruction,
                  uint32_t assumptions)
{
    const struct instruction_row *row = instruction_row(instruction);
    unsigned opcode = instruction->opcode;
    bool vector = row->attributes & (ROW_X87 | ROW_MMX | ROW_SSE | ROW_AVX);
    if (vector || (instruction->vex_flags & INSTRUCTION_VEX)) {
        return false;
    }
    if (row->map == OPCODE_MAP_0F) {
        if (opcode >= 0xc8 && opcode < 0xd0) { /* BSWAP */
            if (instruction->operand_bytes == 2) {
                return false;
            }
            const struct shape shape = {
                .map = OPCODE_MAP_0F,
                .opcode = 0xc8 | (host_register_of(instruction->reg) & 7),
            };
            if (host_register_of(instruction->reg) & 8) {
                emit8(e, REX | REX_B);
            }
            emit_opcode_bytes(e, &shape);
            return true;
        }
        if (row->handler == HANDLER_nop_Ev || row->handler == HANDLER_nop) {
            return true; /* hints touch nothing */
        }
        bool fence = row->handler == HANDLER_lfence || row->handler == HANDLER_mfence ||
                     row->handler == HANDLER_sfence;
        if (fence) {
            EMIT(e, 0x0f, 0xae, instruction->modrm);
            return true;
        }
        bool compares8 = opcode == 0xc7;
        if (compares8 && (instruction->reg != 1 || !instruction->memory)) {
            return false;
        }
        if (!is_plain_map_0f(opcode, instruction->memory)) {
            return false;
        }
        return encode_modrm(e, instruction, row, assumptions);
    }
    if (row->map != OPCODE_MAP_1) {
        return false;
    }
    if (opcode == 0x8d) {
        return encode_lea(e, instruction);
    }
    if (opcode >= 0xa0 && opcode <= 0xa3) {
        return encode_absolute(e, instruction, assumptions);
    }
    if (!(row->attributes & ROW_MODRM)) {
        return encode_short(e, instruction, assumptions);
    }
    return is_plain_map_1(opcode, instruction->reg) &&
           encode_modrm(e, instruction, row, assumptions);
}
