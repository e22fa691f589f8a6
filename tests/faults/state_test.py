#!/usr/bin/env python3
"""Faults in memory, registers and code: they arrive where and when they are wanted, and
nowhere else; who uses wrong values first is found out.

    state_test.py PROGRAM NASM
"""

import guest

LOOP = """
main:
    mov dword [DATA], 0x11111111
    mov ecx, 10
    xor eax, eax
again:
    add eax, [DATA]
counted:
    dec ecx
    jnz again
sum:
    show eax
    show [DATA]
    finish 1
"""
SUM = 10 * 0x11111111


class Memory(guest.TestCase):
    """target=ram."""

    def test_nothing(self):
        run = self.guest(LOOP).run()
        self.assertEqual([SUM, 0x11111111], run.shown)
        self.assertEqual([], run.reports)

    def test_flip_after_third_round(self):
        program = self.guest(LOOP)
        run = program.run("target=ram,address=0x200001,bit=3,model=flip,"
                          "when=execute:{counted},count=3")
        self.assertEqual([SUM + 7 * 0x800, 0x11111911], run.shown)
        report = self.check_injected(run, program.labels["counted"])
        self.assertEqual("0x11 -> 0x19", report["reason"])
        self.assertEqual(program.labels["again"], report["activated"]["eip"])
        self.assertEqual(report["injected"]["instructions"] + 2,
                         report["activated"]["instructions"])

    def test_models(self):
        for model, first in {
                "set,value=0x22": 0x11112211, "set,mask=0xf0,value=0x50": 0x11115111,
                "flip,mask=0x81": 0x11119011, "flip,bit=1,bits=3": 0x11111f11}.items():
            with self.subTest(model=model):
                run = self.guest(LOOP).run(
                    f"target=ram,address=0x200001,model={model},"
                    "when=execute:{again}")
                self.assertEqual([10 * first, first], run.shown)
        run = self.guest(LOOP).run("target=ram,address=0x200000,width=4,model=set,"
                                   "value=7,when=execute:{again}")
        self.assertEqual([70, 7], run.shown)

    def test_random_bits(self):
        fault = ("target=ram,address=0x200000,width=4,model=flip,bits=2,"
                 "when=execute:{again}")
        program = self.guest(LOOP)
        seen = set()
        for seed in range(5):
            first = program.run(fault, options=["-seed", str(seed)]).shown
            self.assertEqual(first, program.run(fault, options=["-seed", str(seed)]).shown)
            changed = first[1] ^ 0x11111111
            self.assertEqual(2, changed.bit_count())
            self.assertEqual(3, changed // (changed & -changed))
            seen.add(changed)
        self.assertGreater(len(seen), 1)
        self.assertEqual(program.run(fault + ",seed=3").shown,
                         program.run(fault + ",seed=3", options=["-seed", "9"]).shown)

    def test_stuck(self):
        source = """
        main:
            mov eax, 0x12345678
            mov [DATA], eax
        begin:
            mov ebx, [DATA]
            mov dword [DATA], 0xff
            mov ecx, [DATA]
            mov byte [DATA], 0
            mov edx, [DATA]
            show ebx
            show ecx
            show edx
            finish 1
        """
        program = self.guest(source)
        fault = "target=ram,address=0x200000,width=1,when=execute:{begin},"
        run = program.run(fault + "mask=0x81,model=stuck1,duration=permanent")
        self.assertEqual([0x123456f9, 0xff, 0x81], run.shown)
        run = program.run(fault + "mask=0x88,model=stuck0,duration=permanent")
        self.assertEqual([0x12345670, 0x77, 0], run.shown)
        # Only the write of 0 is not what the cell holds.
        run = program.run(fault + "mask=0x78,model=stuck1,duration=permanent")
        self.assertEqual([0x12345678, 0xff, 0x78], run.shown)
        report = self.check_injected(run, program.labels["begin"])
        self.assertEqual(1, report["uses"])
        self.assertEqual(report["injected"]["instructions"] + 4,
                         report["activated"]["instructions"])
        # Two instructions only: what it holds then stays until it is written.
        run = program.run(fault + "mask=0x81,model=stuck1,for=2")
        self.assertEqual([0x123456f9, 0xff, 0], run.shown)
        run = program.run(fault + "mask=0x01,model=toggle,duration=permanent")
        self.assertEqual([0x12345679, 0xff, 0], run.shown)

    def test_intermittent(self):
        source = """
        main:
            mov ecx, 40
        begin:
            mov al, [DATA]
            mov byte [DATA], 0
            shl ebx, 1
            or bl, al
            dec ecx
            test cl, cl
            nop
            nop
            nop
            jnz begin
            show ebx
            finish 1
        """
        run = self.guest(source).run(
            "target=ram,address=0x200000,bit=0,model=flip,duration=intermittent,"
            "period=40,when=execute:{begin}")
        self.assertEqual([0x88888888], run.shown)
        self.assertGreaterEqual(run.report["injections"], 10)

    def test_overwritten(self):
        source = """
        main:
            mov dword [DATA + 4], 5
        begin:
            mov eax, [DATA + 4]
            mov dword [DATA], 0
            mov ebx, [DATA]
            show ebx
            finish 1
        """
        program = self.guest(source)
        run = program.run("target=ram,address=0x200003,bit=0,model=flip,"
                          "when=execute:{begin}")
        self.check_injected(run, program.labels["begin"], "overwritten")
        self.assertEqual([0], run.shown)
        run = program.run("target=ram,address=0x200010,bit=0,model=flip,"
                          "when=execute:{begin}")
        self.check_injected(run, program.labels["begin"], "no")

    def test_code_is_activated_when_executed(self):
        source = """
        main:
            mov ecx, 3
        begin:
            nop
            nop
            inc eax
        target:
            dec ecx
            jnz begin
            show eax
            finish 1
        """
        program = self.guest(source)
        address = program.labels["target"] - 1  # 40, inc eax: 48 is dec eax
        run = program.run(f"target=ram,address={address},bit=3,model=flip,"
                          "when=execute:{begin},count=2")
        self.assertEqual([0xffffffff], run.shown)
        report = self.check_injected(run, program.labels["begin"])
        self.assertEqual(address, report["activated"]["eip"])

    def test_no_memory(self):
        run = self.guest(LOOP).run("target=ram,address=0xf0000000,bit=0,model=flip,"
                                   "when=execute:{again}")
        self.assertEqual([SUM, 0x11111111], run.shown)
        self.assertEqual("refused", run.report["state"])
        self.assertIn("no RAM", run.report["reason"])


class Module(guest.TestCase):
    """target=ram by rows, columns and chips; DATA is the begin of row 256."""

    SOURCE = """
    main:
        mov dword [DATA], 0x11111111
        mov dword [DATA + 4], 0x22222222
        mov dword [DATA + 8], 0x33333333
        mov dword [DATA + 0x2000], 0x44444444
    begin:
        nop
        show [DATA]
        show [DATA + 4]
        mov dword [DATA + 8], 0x55555555
        show [DATA + 8]
        show [DATA + 0x2000]
        finish 1
    """

    def test_models(self):
        program = self.guest(self.SOURCE)
        right = [0x11111111, 0x22222222, 0x55555555, 0x44444444]
        self.assertEqual(right, program.run().shown)
        for fault, shown, activation in (
                ("row=256,model=flip,bit=7", [0x91919191, 0xa2a2a2a2, *right[2:]],
                 "unknown"),
                ("row=256,column=0,chip=5,model=set,value=0", [right[0], 0x22220022,
                                                               *right[2:]], "unknown"),
                ("row=256,chip=2,model=stuck1,bit=3,duration=permanent",
                 [0x11191111, 0x22222222, 0x555d5555, 0x44444444], "yes"),
                ("row=256,chip=2,model=stuck0,bit=3,duration=permanent", right, "no"),
                ("row=256,column=1,model=stuck0,mask=0xff,for=1ms",
                 [*right[:2], 0, right[3]], "yes"),
                ("row=300,model=stuck0,mask=0xff,duration=permanent", right, "no")):
            run = program.run(f"target=ram,{fault},when=execute:{{begin}}")
            self.assertEqual(shown, run.shown, fault)
            self.check_injected(run, program.labels["begin"], activation)

    def test_lines(self):
        """Code and stack are there as well."""
        program = self.guest(self.SOURCE)
        run = program.run("target=ram,address-line=13,model=stuck0,duration=permanent,"
                          "when=execute:{begin}")
        self.assertEqual([0x11111111, 0x22222222, 0x55555555, 0x11111111], run.shown)
        self.check_injected(run, program.labels["begin"])
        run = program.run("target=ram,data-line=0,model=stuck0,for=1,"
                          "when=execute:{begin}")
        self.assertEqual([0x11111111, 0x22222222, 0x55555555, 0x44444444], run.shown)

    def test_refused(self):
        run = self.guest(self.SOURCE).run("target=ram,row=1024,model=flip")
        self.assertIn("memory has rows 0 to 1023", run.stderr)


class Watched(guest.TestCase):
    """Pages that are watched are no different for the guest."""

    SOURCE = """
    DIRECTORY equ 0x100000
    TABLE equ 0x101000
    main:
        vector 14, page_fault
        vector 0x80, handler
        mov edi, TABLE
        mov eax, 3
    map:
        mov [edi], eax
        add edi, 4
        add eax, 0x1000
        cmp eax, 0x400003
        jb map
        mov dword [DIRECTORY], TABLE | 3
        mov eax, DIRECTORY
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010000
        mov cr0, eax
        mov dword [0x300000], 5
        mov dword [0x301000], 6
    begin:
        mov eax, cr3
        mov cr3, eax
        show [0x300000]         ; by the table
        int 0x80                ; by the IDT and the stack
        mov esi, DATA
        mov edi, DATA + 0xffe
        mov ecx, 5
        rep movsd               ; across the page's end
        fild qword [DATA]       ; eight bytes
        fistp qword [DATA + 0x1c]
        show [DATA + 0x1000]
        show [DATA + 0x1c]
        show ebx
        finish 1
    handler:
        inc ebx
        iret
    page_fault:
        finish 7
    """

    def test_everything_works(self):
        program = self.guest(self.SOURCE)
        right = program.run().shown
        self.assertEqual([5, 0, 0, 1], right)
        for page in (0x100000, 0x101000, 0x40000, 0x4f000, 0x10000, 0x200000, 0x201000,
                     0x300000):
            run = program.run(f"target=ram,address={page + 0xff0},model=flip,bit=0,"
                              f"when=access:{page},length=4096,space=physical,"
                              "count=1000000")
            self.assertEqual(right, run.shown, hex(page))
            self.assertEqual(guest.status_of(1), run.status)

    def test_other_faults_there(self):
        """In code and registers, while code, stack and page tables are watched."""
        program = self.guest(LOOP)
        watch = ("target=ram,address=0x10fff,model=flip,bit=0,when=access:0x10000,"
                 "length=4096,space=physical,count=1000000")
        run = program.run(watch, "target=code,bit=3,model=flip,when=execute:{counted},"
                          "count=3")  # one more round for INC
        self.assertEqual(SUM + 2 * 0x11111111, run.shown[0])
        run = program.run(watch, "target=register,name=eax,bit=31,model=flip,"
                          "when=execute:{counted},count=3")
        self.assertEqual(SUM ^ 1 << 31, run.shown[0])
        self.assertEqual(program.labels["again"],
                         run.reports[1]["activated"]["eip"])

    def test_watched_tables(self):
        """What instructions do is found out while page tables are watched."""
        program = self.guest(self.SOURCE)
        watch = ("target=ram,address=0x101ff0,model=flip,bit=0,when=access:0x101000,"
                 "length=4096,space=physical,count=1000000")
        run = program.run(watch, "target=register,name=ebx,bit=4,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual([5, 0, 0, 17], run.shown)
        self.assertEqual(program.labels["handler"], run.reports[1]["activated"]["eip"])

    def test_overwrites_itself(self):
        """A repeated instruction ends where it has overwritten itself."""
        source = """
        main:
            mov dword [DATA], 0x90909090
            mov esi, DATA
            mov edi, again
            mov ecx, 4
        again:
            rep movsd
            times 16 nop
            show ecx
            finish 1
        """
        program = self.guest(source)
        self.assertEqual([3], program.run().shown)
        run = program.run("target=ram,address=0x10fff,model=flip,bit=0,when=access:"
                          "0x10000,length=4096,space=physical,count=1000000")
        self.assertEqual([3], run.shown)

    def test_page_table(self):
        """A page walk uses the wrong entry, and that is found out."""
        program = self.guest(self.SOURCE)
        fault = "target=ram,address=0x101c00,width=4,model=flip,when=execute:{begin},"
        run = program.run(fault + "bit=12")
        self.assertEqual(6, run.shown[0])
        report = self.check_injected(run, program.labels["begin"])
        self.assertEqual(report["injected"]["instructions"] + 2,
                         report["activated"]["instructions"])
        run = program.run(fault + "bit=0")
        self.assertEqual(guest.status_of(7), run.status)
        self.assertEqual("#PF", run.report["detected"]["exception"])
        self.assertEqual(program.labels["page_fault"], run.report["detected"]["eip"])

    def test_linear_and_physical(self):
        """Where they differ."""
        source = self.SOURCE.replace("begin:", """
            mov dword [TABLE + 0xc00], 0x301003
            mov eax, cr3
            mov cr3, eax
        begin:
            mov dword [0x300000], 9
        after:
        """)
        program = self.guest(source)
        for where, comes in (("0x300000", True), ("0x301000", False),
                             ("0x301000,space=physical", True),
                             ("0x300000,space=physical", False)):
            run = program.run("target=register,name=ebx,bit=4,model=flip,"
                              f"when=write:{where},length=4,equals=9,cr3=0x100000")
            if comes:
                self.check_injected(run, program.labels["after"])
            self.assertEqual(comes, run.report["injections"] == 1, where)


class Registers(guest.TestCase):
    """target=register."""

    def test_general(self):
        program = self.guest(LOOP)
        run = program.run("target=register,name=eax,bit=31,model=flip,"
                          "when=execute:{sum}")
        self.assertEqual(SUM ^ 1 << 31, run.shown[0])
        report = self.check_injected(run, program.labels["sum"])
        self.assertEqual(program.labels["sum"], report["activated"]["eip"])
        run = program.run("target=register,name=ecx,model=set,value=2,"
                          "when=execute:{counted}")
        self.assertEqual(2 * 0x11111111, run.shown[0])

    def test_every_general_register(self):
        source = """
        main:
            xor esi, esi
            xor edi, edi
            xor ebp, ebp
            xor ecx, ecx
            mov [DATA], esp
        begin:
            nop
            mov [DATA + 16], eax
            mov [DATA + 20], ecx
            mov [DATA + 24], edx
            mov [DATA + 28], ebx
            mov [DATA + 32], esp
            mov [DATA + 36], ebp
            mov [DATA + 40], esi
            mov [DATA + 44], edi
            mov esp, STACK
            show [DATA + 16]
            show [DATA + 20]
            show [DATA + 24]
            show [DATA + 28]
            show [DATA + 32]
            show [DATA + 36]
            show [DATA + 40]
            show [DATA + 44]
            finish 1
        """
        program = self.guest(source)
        names = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
        right = [0, 0, 0, 0, 0x50000, 0, 0, 0]
        for number, name in enumerate(names):
            with self.subTest(name=name):
                run = program.run(f"target=register,name={name},bit=20,model=flip,"
                                  "when=execute:{begin}")
                wanted = list(right)
                wanted[number] ^= 1 << 20
                self.assertEqual(wanted, run.shown)
                report = self.check_injected(run, program.labels["begin"])
                self.assertEqual(report["injected"]["instructions"] + 1 + number,
                                 report["activated"]["instructions"])

    def test_overwritten(self):
        source = """
        main:
            nop
        begin:
            mov al, 1
            mov ah, 2
            xor ebx, ebx
            mov eax, 3
            show eax
            finish 1
        """
        program = self.guest(source)
        for name, bit in (("eax", 20), ("eax", 9), ("ebx", 3)):
            run = program.run(f"target=register,name={name},bit={bit},model=flip,"
                              "when=execute:{begin}")
            self.check_injected(run, program.labels["begin"], "overwritten")
            self.assertEqual([3], run.shown)

    def test_flags(self):
        source = """
        main:
            cmp eax, eax
        begin:
            jz equal
            finish 2
        equal:
            finish 1
        """
        program = self.guest(source)
        run = program.run("target=register,name=eflags,bit=6,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual(guest.status_of(2), run.status)
        self.check_injected(run, program.labels["begin"])
        # The carry flag is of no interest to JZ.
        run = program.run("target=register,name=eflags,bit=0,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual(guest.status_of(1), run.status)
        run = program.run("target=register,name=eflags,bit=1,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual("refused", run.report["state"])

    def test_eip(self):
        source = """
        main:
            nop
            align 32
        begin:
            finish 1
            align 32
        other:
            finish 2
        """
        program = self.guest(source)
        self.assertEqual(32, program.labels["begin"] ^ program.labels["other"])
        run = program.run("target=register,name=eip,bit=5,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual(guest.status_of(2), run.status)
        self.check_injected(run, program.labels["begin"])

    def test_stuck(self):
        source = LOOP.replace("eax", "ebx")
        run = self.guest(source).run("target=register,name=ebx,bit=4,model=stuck0,"
                                     "duration=permanent,when=execute:{again}")
        total = 0
        for _ in range(10):
            total = (total + 0x11111111) & ~0x10
        self.assertEqual(total, run.shown[0])

    def test_system(self):
        source = """
        main:
            str eax
            mov ax, gs
        begin:
            mov eax, cr2
            show eax
            mov eax, dr1
            show eax
            xor eax, eax
            mov ax, gs
            show eax
            mov eax, cr4
            and eax, 4
            show eax
            finish 1
        """
        program = self.guest(source)
        right = [0, 0, 0, 0]
        for number, name in enumerate(["cr2", "dr1", "gs", "cr4"]):
            with self.subTest(name=name):
                run = program.run(f"target=register,name={name},bit=2,model=flip,"
                                  "when=execute:{begin}")
                wanted = list(right)
                wanted[number] ^= 4
                self.assertEqual(wanted, run.shown)
                self.check_injected(run, program.labels["begin"], "unknown")

    def test_floating_point(self):
        source = """
        main:
            fld1
            mov dword [DATA], 5
            movd xmm1, [DATA]
        begin:
            nop
            fstp dword [DATA]
            show [DATA]
            movd eax, xmm1
            show eax
            finish 1
        """
        program = self.guest(source)
        run = program.run("target=register,name=st0,bit=79,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual([0xbf800000, 5], run.shown)
        self.check_injected(run, program.labels["begin"], "unknown")
        run = program.run("target=register,name=xmm1,bit=3,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual([0x3f800000, 13], run.shown)
        self.check_injected(run, program.labels["begin"])

    def test_detected(self):
        source = """
        main:
            vector 13, handler
            mov eax, 0x10
        begin:
            nop
            mov ds, ax
            finish 1
        handler:
            finish 2
        """
        program = self.guest(source)
        run = program.run("target=register,name=eax,bit=9,model=flip,"
                          "when=execute:{begin}")
        self.assertEqual(guest.status_of(2), run.status)
        report = self.check_injected(run, program.labels["begin"])
        self.assertEqual("#GP", report["detected"]["exception"])
        self.assertEqual(program.labels["handler"], report["detected"]["eip"])


class Code(guest.TestCase):
    """target=code: one execution."""

    SOURCE = """
    main:
        mov ecx, 5
    begin:
        inc eax
        dec ecx
        jnz begin
        show eax
        movzx eax, byte [begin]
        show eax
        finish 1
    """

    def test_one_execution(self):
        program = self.guest(self.SOURCE)
        run = program.run("target=code,bit=3,model=flip,when=execute:{begin},count=2")
        self.assertEqual([3, 0x40], run.shown)  # one of five is DEC
        self.check_injected(run, program.labels["begin"])

    def test_undefined(self):
        program = self.guest(self.SOURCE)
        run = program.run("target=code,model=set,value=0xcc,when=execute:{begin},"
                          "count=2")  # INT3
        self.assertEqual(guest.EXCEPTION, run.status)
        self.check_injected(run, program.labels["begin"])


if __name__ == "__main__":
    guest.main()
