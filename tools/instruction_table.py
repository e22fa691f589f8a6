#!/usr/bin/env python3
"""Makes C of src/cpu/core/instructions.table.

usage: instruction_table.py TABLE ROWS.c HANDLERS.h

The head of the table explains its columns, cpu/core/instruction_table.h the C.
"""

import re
import sys

MAPS = ['1', '0F', '0F38', '0F3A', 'VEX_0F', 'VEX_0F38', 'VEX_0F3A']
PREFIXES = {'NP': 1, '66': 2, 'F3': 4, 'F2': 8, 'NFx': 1 | 2, None: 15}
MEMORY, L0, L1, W0, W1, NO_VVVV = 1, 2, 4, 8, 16, 32
VEX_WORDS = {'128': L0, '256': L1, 'LIG': 0, 'W0': W0, 'W1': W1}

FLAGS = {'o': 'OF', 's': 'SF', 'z': 'ZF', 'a': 'AF', 'p': 'PF', 'c': 'CF', 'd': 'DF',
         'i': 'IF'}
ATTRIBUTES = ['privileged', 'protected', 'iopl', 'ends', 'lock', 'string', 'rep', 'repcc',
              'bitstring', 'x87', 'mmx', 'sse', 'avx', 'waits', 'nowait', 'aligned',
              'unaligned']
FIXED = ['AL', 'AX', 'eAX', 'CL', 'DX', '1', 'ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'XMM0',
         'ST0', 'STi']
OPERAND = re.compile(r'(VM|sI|[ABCDEGHIJLMNOPQRSUVWXYZ])'
                     r'(b|w|d|q|dq|v|z|x|ps|pd|ss|sd|p|a|s|vw|dw|db|'
                     r'(?:16|32|64)int|(?:32|64|80)fp|80bcd|env|state|512)?$')
SIZED_16 = ['dq', 'x', 'ps', 'pd']


class TableError(Exception):
    pass


class Row:
    """One line of the table."""

    def __init__(self, columns, defaults):
        if not 2 <= len(columns) <= 4:
            raise TableError('two to four columns are wanted')
        columns = columns + ['-', ''][len(columns) - 2:]
        self.mnemonic = columns[0]
        self.operands = [] if columns[2] == '-' else columns[2].split(', ')
        self.prefixes, self.demands, self.count = PREFIXES[None], 0, 1
        self.modrm, self.mask, self.value = False, 0, 0
        self.parse_encoding(columns[1].split())
        self.parse_attributes(defaults, columns[3].split())
        self.parse_operands()

    def parse_encoding(self, words):
        vex = words[0].startswith('VEX.')
        if vex:
            self.parse_vex(words.pop(0)[4:].split('.'))
        else:
            if words[0] in PREFIXES:
                self.prefixes = PREFIXES[words.pop(0)]
            self.map = '1'
            if words[0] == '0F' and len(words) > 1:
                self.map = words.pop(0)
                if words[0] in ('38', '3A'):
                    self.map += words.pop(0)
        opcode, _, many = words.pop(0).partition('+')
        self.opcode = int(opcode, 16)
        self.count = {'': 1, 'r': 8, 'cc': 16}[many]
        for word in words:
            self.modrm = True
            if word == '/r':
                pass
            elif word == 'r':
                self.mask, self.value = self.mask | 0xc0, self.value | 0xc0
            elif word[0] == '/':
                self.mask, self.value = 0x38, int(word[1:]) << 3
            elif word.endswith('+i'):
                self.mask, self.value = 0xf8, int(word[:-2], 16)
            else:
                self.mask, self.value = 0xff, int(word, 16)

    def parse_vex(self, words):
        for word in words:
            if word in VEX_WORDS:
                self.demands |= VEX_WORDS[word]
            elif word in PREFIXES:
                self.prefixes = PREFIXES[word]
            else:
                self.map = 'VEX_' + word
        self.demands |= NO_VVVV

    def parse_attributes(self, defaults, own):
        self.attributes, self.flags = set(), {'w': '', 'u': '', 'r': ''}
        self.features, self.exec = ['none'], None
        for word in defaults + own:
            if word.startswith('exec='):
                self.exec = word[5:]
            elif word.startswith('cpuid:'):
                self.features = word[6:].split('/')
            elif word[1:2] == ':' and word[0] in self.flags:
                self.flags[word[0]] = word[2:]
            elif word in ATTRIBUTES:
                self.attributes.add(word)
            else:
                raise TableError('unknown attribute ' + word)
        if self.exec is None:
            parts = [operand.removeprefix('s') for operand in self.operands]
            self.exec = '_'.join([self.mnemonic.lower()] + parts)
        if not self.exec.isidentifier():
            raise TableError('exec name %s' % self.exec)

    def parse_operands(self):
        self.kinds = []
        for operand in self.operands:
            if operand in FIXED:
                self.kinds.append((operand, ''))
                continue
            match = OPERAND.match(operand)
            if not match:
                raise TableError('unknown operand ' + operand)
            self.kinds.append((match[1], match[2] or ''))
        methods = dict(self.kinds)
        if methods.keys() & {'B', 'H'}:
            self.demands &= ~NO_VVVV
        if methods.keys() & {'M', 'VM'}:
            self.demands |= MEMORY
        if methods.keys() & {'N', 'U'}:
            self.mask, self.value = self.mask | 0xc0, self.value | 0xc0
        self.immediate = self.immediate_kind()
        memory = [methods[m] for m in ('M', 'W') if m in methods]
        if ('sse' in self.attributes and 'unaligned' not in self.attributes and
                memory and memory[0] in SIZED_16):
            self.attributes.add('aligned')
        if 'nowait' in self.attributes:
            self.attributes -= {'waits'}
        self.attributes -= {'nowait', 'unaligned'}
        if self.modrm:
            self.attributes.add('modrm')
        if 'VM' in methods:
            self.attributes.add('vsib')
        if 'R' in methods:
            self.attributes.add('register')
        if methods.keys() & {'VM', 'C', 'S'}:
            self.attributes.add('special')

    def immediate_kind(self):
        single = {'Ib': 'BYTE', 'sIb': 'SIGNED_BYTE', 'Iw': 'WORD', 'Iz': 'FULL',
                  'Iv': 'FULL', 'Jb': 'BRANCH_BYTE', 'Jz': 'BRANCH_FULL', 'Ap': 'FAR',
                  'Ob': 'MOFFS', 'Ov': 'MOFFS'}
        if self.operands == ['Iw', 'Ib']:
            return 'ENTER'
        for operand, (method, _) in zip(self.operands, self.kinds):
            if method == 'L':
                return 'REGISTER'
            if operand in single:
                return single[operand]
            if method in ('I', 'sI', 'J', 'A', 'O'):
                raise TableError('unknown immediate ' + operand)
        return 'NONE'

    def c(self, number):
        operands = ['{OPERAND_%s, SIZE_%s}' % (method.upper(), (size or 'none').upper())
                    for method, size in self.kinds]
        features = ['FEATURE_' + f.upper() for f in (self.features * 2)[:2]]
        attributes = ['ROW_' + a.upper() for a in sorted(self.attributes)]
        return ('    {   /* %d */\n'
                '        .mnemonic = "%s",\n'
                '        .attributes = %s,\n'
                '        .flags_written = %s,\n'
                '        .flags_undefined = %s,\n'
                '        .flags_read = %s,\n'
                '        .operands = {%s},\n'
                '        .handler = HANDLER_%s,\n'
                '        .feature = %s,\n'
                '        .feature_256 = %s,\n'
                '        .immediate = IMMEDIATE_%s,\n'
                '        .map = OPCODE_MAP_%s,\n'
                '        .opcode = 0x%02x,\n'
                '        .opcode_count = %d,\n'
                '    },\n') % (number, self.mnemonic, ' | '.join(attributes) or '0',
                               flags_c(self.flags['w']), flags_c(self.flags['u']),
                               flags_c(self.flags['r']),
                               ', '.join(operands) or '{OPERAND_NONE, SIZE_NONE}',
                               self.exec, features[0], features[1], self.immediate,
                               self.map, self.opcode, self.count)


def flags_c(letters):
    if letters == 'all':
        return 'EFLAGS_ARITHMETIC | EFLAGS_SYSTEM'
    return ' | '.join('EFLAGS_' + FLAGS[letter] for letter in letters) or '0'


def read_table(path):
    """All rows, in order. Dies with the line's number if one is wrong."""
    rows, defaults = [], []
    with open(path, encoding='utf-8') as table:
        for number, line in enumerate(table, 1):
            line = line.strip()
            try:
                if not line or line.startswith('#'):
                    continue
                if line.startswith('['):
                    defaults = line.partition(']')[2].split()
                else:
                    rows.append(Row(re.split(r'\s{2,}', line), defaults))
            except (TableError, KeyError, ValueError, AttributeError) as error:
                sys.exit('%s:%d: %s' % (path, number, error))
    return rows


def candidates_of(rows):
    """(map, opcode) -> numbers of the rows to try, in order."""
    slots = {}
    for number, row in enumerate(rows):
        for opcode in range(row.opcode, row.opcode + row.count):
            slots.setdefault((row.map, opcode), []).append(number)
    # NOP is one of the XCHGs.
    slots[('1', 0x90)] = [n for n in slots[('1', 0x90)] if rows[n].count == 1]
    for (opcode_map, opcode), numbers in slots.items():
        if len({rows[n].modrm for n in numbers}) != 1:
            sys.exit('map %s, opcode %02X: some rows have ModRM, some have not'
                     % (opcode_map, opcode))
        keys = [(rows[n].prefixes, rows[n].demands, rows[n].mask, rows[n].value)
                for n in numbers]
        if len(set(keys)) != len(keys):
            sys.exit('map %s, opcode %02X: two rows are alike' % (opcode_map, opcode))
    return slots


def write_rows(path, rows, handlers):
    slots = candidates_of(rows)
    with open(path, 'w', encoding='utf-8') as out:
        out.write('/* Generated by tools/instruction_table.py. */\n'
                  '#include "cpu/core/instruction_table.h"\n\n'
                  'const struct instruction_row instruction_rows[] = {\n')
        for number, row in enumerate(rows):
            out.write(row.c(number))
        out.write('};\n\nconst unsigned instruction_row_count = %d;\n\n' % len(rows))
        out.write('const struct instruction_candidate instruction_candidates[] = {\n')
        first = {}
        total = 0
        for slot, numbers in sorted(slots.items()):
            first[slot] = total
            for number in numbers:
                row = rows[number]
                out.write('    {%d, 0x%x, 0x%02x, 0x%02x, 0x%02x}, /* %s %02x %s */\n'
                          % (number, row.prefixes, row.demands, row.mask, row.value,
                             slot[0], slot[1], row.mnemonic))
            total += len(numbers)
        out.write('};\n\nconst struct opcode_entry '
                  'opcode_entries[OPCODE_MAP_COUNT][256] = {\n')
        for opcode_map in MAPS:
            out.write('    [OPCODE_MAP_%s] = {\n' % opcode_map)
            for opcode in range(256):
                numbers = slots.get((opcode_map, opcode))
                if numbers:
                    out.write('        [0x%02x] = {%d, %d, %s},\n'
                              % (opcode, first[(opcode_map, opcode)], len(numbers),
                                 'true' if rows[numbers[0]].modrm else 'false'))
            out.write('    },\n')
        out.write('};\n\nconst char *const handler_names[HANDLER_COUNT] = {\n')
        for name in handlers:
            out.write('    "%s",\n' % name)
        out.write('};\n')


def write_handlers(path, handlers):
    with open(path, 'w', encoding='utf-8') as out:
        out.write('/* Generated by tools/instruction_table.py: every exec name. */\n'
                  '#ifndef CPU_CORE_INSTRUCTION_HANDLERS_H\n'
                  '#define CPU_CORE_INSTRUCTION_HANDLERS_H\n\n'
                  '#define INSTRUCTION_HANDLERS(X)')
        for name in handlers:
            out.write(' \\\n    X(%s)' % name)
        out.write('\n\n#endif\n')


def main():
    table, rows_path, handlers_path = sys.argv[1:]
    rows = read_table(table)
    handlers = sorted({row.exec for row in rows})
    write_rows(rows_path, rows, handlers)
    write_handlers(handlers_path, handlers)


main()
