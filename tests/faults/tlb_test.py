#!/usr/bin/env python3
"""Wrong translations: until the guest has the CPU forget them, and of one page only.

    tlb_test.py PROGRAM NASM
"""

import guest

# Linear is physical, with small pages up to 4 MiB, and the frame's code above none of
# them changed; AGAIN is what the guest does before it looks again.
SOURCE = """
DIRECTORY equ 0x100000
TABLE equ 0x101000
main:
    vector 14, page_fault
    mov edi, TABLE
    mov eax, FLAGS
map:
    mov [edi], eax
    add edi, 4
    add eax, 0x1000
    cmp eax, 0x400000
    jb map
    mov dword [DIRECTORY], TABLE | 7
    mov dword [DIRECTORY + 4], 0x83     ; 4 MiB from there on
    mov eax, cr4
    or eax, 0x90                ; PSE, PGE
    mov cr4, eax
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    mov dword [0x300000], 5
    mov dword [0x301000], 6
    mov dword [0x302000], 7
    xor ebx, ebx
begin:
    nop
used:
    show [0x300000]
    show [0x302000]
    mov dword [0x300004], 9
    show [0x301004]
    AGAIN
again:
    show [0x300000]
    show ebx
    finish 1
page_fault:
    add esp, 4
    inc ebx
    cmp ebx, 3
    je end
    iret
end:
    show 0xdead
    finish 7
"""
FAULT = "target=tlb,address=0x300123,when=execute:{begin},"
WRONG = [6, 7, 9]


class Tlb(guest.TestCase):
    """target=tlb."""

    def program(self, again="nop", flags="7"):
        """The guest."""
        return self.guest(SOURCE.replace("AGAIN", again).replace("FLAGS", flags))

    def check(self, program, fault, shown, activation="yes"):
        """What it sees."""
        run = program.run(FAULT + fault)
        self.assertEqual(shown, run.shown, fault)
        return self.check_injected(run, program.labels["begin"], activation)

    def test_nothing(self):
        self.assertEqual([5, 7, 0, 5, 0], self.program().run().shown)

    def test_until_it_is_flushed(self):
        for again, flags, stays in (
                ("nop", "7", True),
                ("invlpg [0x300fff]", "7", False),
                ("invlpg [0x301000]", "7", True),
                ("mov eax, cr3\\nmov cr3, eax", "7", False),
                ("mov eax, cr3\\nmov cr3, eax", "0x107", True),   # global
                ("mov eax, cr4\\nxor al, 0x80\\nmov cr4, eax\\nxor al, 0x80\\n"
                 "mov cr4, eax", "0x107", False),
                ("mov dr0, eax", "7", True),
                ("mov dword [TABLE + 0xc00], 0x302007", "7", True)):
            again = again.replace("\\n", "\n")
            program = self.program(again, flags)
            report = self.check(program, "model=flip,bit=12",
                                WRONG + [6 if stays else 5, 0])
            self.assertEqual(1, report["uses"])
            self.assertEqual(program.labels["used"], report["activated"]["eip"])
            self.assertEqual(report["injected"]["instructions"] + 1,
                             report["activated"]["instructions"])

    def test_set(self):
        self.check(self.program(), "model=set,mask=0xfffff000,value=0x302000",
                   [7, 7, 0, 7, 0])
        self.check(self.program(), "model=set,mask=0xfffff000,value=0x300000",
                   [5, 7, 0, 5, 0], "overwritten")

    def test_random_bit(self):
        program = self.program()
        run = program.run(FAULT + "model=flip,seed=4")
        before, after = (int(word, 0) for word in run.report["reason"].split(" -> "))
        self.assertEqual(1, (before ^ after).bit_count())
        self.assertGreaterEqual(before ^ after, 1 << 12)

    def test_rights(self):
        """One page fault, and the CPU loads it again."""
        program = self.program()
        report = self.check(program, "model=flip,bit=1", [5, 7, 0, 5, 1])
        self.assertEqual("#PF", report["detected"]["exception"])
        # A page that may not be written is written.
        program = self.program("mov dword [0x302000], 8", "7")
        source = SOURCE.replace("AGAIN", "nop").replace("FLAGS", "7").replace(
            "    xor ebx, ebx\nbegin:",
            "    mov dword [TABLE + 0xc00], 0x300005\n    mov eax, cr3\n"
            "    mov cr3, eax\n    xor ebx, ebx\nbegin:")
        program = self.guest(source)
        self.assertEqual(guest.status_of(7), program.run().status)
        self.check(program, "model=flip,bit=1", [5, 7, 0, 5, 0])
        # One that is stuck faults for ever.
        run = self.program().run(FAULT + "model=stuck0,bit=1,duration=permanent")
        self.assertEqual([5, 7, 0xdead], run.shown)

    def test_stuck(self):
        again = "mov eax, cr3\nmov cr3, eax"
        self.check(self.program(again), "model=stuck1,bit=12,duration=permanent",
                   WRONG + [6, 0])
        self.check(self.program(again), "model=stuck0,bit=12,duration=permanent",
                   [5, 7, 0, 5, 0], "no")
        self.check(self.program(again), "model=stuck1,bit=12,for=3", [6, 7, 0, 5, 0])
        # It moves with the page tables.
        self.check(self.program("mov dword [TABLE + 0xc00], 0x302007\n" + again),
                   "model=stuck1,bit=12,duration=permanent", WRONG + [0, 0])

    def test_unused(self):
        program = self.program("mov eax, cr3\nmov cr3, eax")
        run = program.run("target=tlb,address=0x350000,model=flip,bit=12,"
                          "when=execute:{begin}")
        self.check_injected(run, program.labels["begin"], "overwritten")
        self.assertEqual([5, 7, 0, 5, 0], run.shown)

    def test_large_page_and_code(self):
        program = self.program("mov eax, [0x400000 + 0x300000]\nadd eax, 100\n"
                               "push eax\ncall show_number")
        run = program.run("target=tlb,address=0x700000,model=set,mask=0xfffff000,"
                          "value=0x302000,when=execute:{begin}")
        self.assertEqual([5, 7, 0, 107, 5, 0], run.shown)
        self.check_injected(run, program.labels["begin"])
        run = program.run("target=tlb,address=0x10000,model=set,mask=0xfffff000,"
                          "value=0x302000,when=execute:{begin}")
        report = self.check_injected(run, program.labels["begin"])
        self.assertEqual(program.labels["begin"], report["activated"]["eip"])

    def test_refused(self):
        program = self.program()
        for fault, says in (
                ("address=0xc0000000,model=flip,bit=12,when=execute:{begin}",
                 "no translation"),
                ("address=0x300000,model=flip,bit=5,when=execute:{begin}", "these bits"),
                ("address=0x300000,model=flip,bit=63,when=execute:{begin}",
                 "these bits"),
                ("address=0x300000,model=flip,bit=12,when=execute:{main}",
                 "paging is off")):
            run = program.run("target=tlb," + fault)
            self.assertEqual("refused", run.report["state"])
            self.assertIn(says, run.report["reason"])
            self.assertEqual([5, 7, 0, 5, 0], run.shown)


if __name__ == "__main__":
    guest.main()
