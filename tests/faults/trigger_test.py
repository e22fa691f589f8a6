#!/usr/bin/env python3
"""When faults come: each trigger is met exactly there and then.

    trigger_test.py PROGRAM NASM

The fault is the same everywhere: a bit of memory that nobody uses.
"""

import guest

FAULT = "target=ram,address=0x300000,bit=0,model=flip,when="

SOURCE = """
main:
    vector 0x80, handler
    mov ecx, 5
    mov esi, DATA
    xor ebx, ebx
    mov eax, ebx
again:
    inc ebx
    mov [esi + ebx * 4], ebx
written:
    mov edx, [DATA + 12]
read:
    add eax, edx
    int 0x80
back:
    mov al, bl
    out 0x80, al
sent:
    in al, 0x61
received:
    dec ecx
    jnz again
    lea edi, [DATA + 0x1000]
    mov ecx, 6
repeated:
    rep stosb
after:
    finish 1
handler:
    iret
"""


class Trigger(guest.TestCase):
    """The place of the injection."""

    def setUp(self):
        super().setUp()
        self.program = self.guest(SOURCE)

    def place(self, when, options=()):
        """Where and when it is injected."""
        run = self.program.run(FAULT + when, options=options)
        self.assertEqual(guest.status_of(1), run.status, run.stderr)
        self.assertEqual(1, run.report["injections"], run.report)
        return run.report["injected"]

    def check(self, when, label, offset):
        """It is at the label, so many instructions after the loop's begin."""
        start = self.place("execute:{again}")["instructions"]
        place = self.place(when)
        self.assertEqual(hex(self.program.labels[label]), hex(place["eip"]), when)
        self.assertEqual(start + offset, place["instructions"], when)

    def test_instruction(self):
        start = self.place("execute:{again}")
        for offset in range(14):
            place = self.place(f"instruction:{start['instructions'] + offset}")
            self.assertEqual(start["instructions"] + offset, place["instructions"])
        self.check(f"instruction:{start['instructions'] + 2}", "written", 2)
        self.assertEqual(0, self.place("instruction:0")["instructions"])
        self.assertEqual(0xfff0, self.place("now")["eip"])

    def test_time(self):
        start = self.place("execute:{again}")
        self.check(f"time:{start['ns'] + 3}ns", "read", 3)

    def test_execute(self):
        for count in range(1, 6):
            self.check(f"execute:{{written}},count={count}", "written",
                       2 + 11 * (count - 1))
        self.check("execute:{after}", "after", 5 * 11 + 2 + 6)
        run = self.program.run(FAULT + "execute:{written},count=6")
        self.assertEqual("waiting", run.report["state"])
        self.assertEqual(0, run.report["injections"])

    def test_repeated_instruction_is_one(self):
        self.check("execute:{repeated}", "repeated", 5 * 11 + 2)
        run = self.program.run(FAULT + "execute:{repeated},count=2")
        self.assertEqual(0, run.report["injections"])
        # Likewise where something else has it execute single steps.
        other = "target=ram,address=0x300008,bit=0,model=flip,when=read:0x310000"
        run = self.program.run(FAULT + "execute:{repeated},count=2", other)
        self.assertEqual(0, run.reports[0]["injections"])

    def test_cr3(self):
        self.check("execute:{written},cr3=0", "written", 2)
        run = self.program.run(FAULT + "execute:{written},cr3=0x1000")
        self.assertEqual(0, run.report["injections"])

    def test_process(self):
        """As Linux keeps them: a pointer per CPU leads to the task, which has a name."""
        program = self.guest("""
        main:
            vector 0x80, handler
            mov ebx, 3
        again:
            mov ebp, ebx
            mov dword [per_cpu + 0x1000], task_a
            int 0x80
            mov dword [per_cpu + 0x1000], task_b
        other:
            int 0x80
            mov [DATA], ebx
        stored:
            out 0x80, al
            dec ebx
            jnz again
            finish 1
        handler:
            iret
        per_cpu_offset:
            dd 0x1000
        per_cpu:
            times 0x1010 db 0
        init_task:
            times 700 db 0x55
            db "swapper/0", 0, 0, 0, 0, 0, 0, 0
        task_a:
            times 700 db 0x55
            db "init", 0, "old nam", 0, 0, 0, 0
        task_b:
            times 700 db 0x55
            db "longest-name-of", 0
        """)
        names = {"init_task": "init_task", "current_task": "per_cpu",
                 "__per_cpu_offset": "per_cpu_offset"}
        path = self.folder.name + "/System.map"
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{program.labels[label]:08x} D {name}\n"
                            for name, label in names.items())
        for when, place, ecx in (
                ("interrupt:0x80,process=init", "handler", 3),
                ("interrupt:0x80,process=init,count=3", "handler", 1),
                ("interrupt:0x80,process=longest-name-of,count=2", "handler", 2),
                ("execute:{other},process=longest-name-of", "other", 3),
                ("out:0x80,process=longest-name-of,count=3", None, 1),
                ("write:0x200000,process=longest-name-of", "stored", 3),
                ("write:0x200000,process=longest-name-of,space=physical", "stored", 3),
                ("execute:{other},process=init", None, None),
                ("interrupt:0x80,process=swapper/0", None, None),
                ("out:0x80,process=longest", None, None)):
            run = program.run("target=register,name=ebp,bit=31,model=flip,when=" + when,
                              options=["-fault-symbols", path])
            if ecx is None:
                self.assertEqual(0, run.report["injections"], when)
                continue
            if place:
                self.assertEqual(hex(program.labels[place]),
                                 hex(run.report["injected"]["eip"]), when)
            self.assertIn(f"0x{ecx:08x} ->", run.report["reason"], when)

    def test_memory(self):
        for space in ("linear", "physical"):
            with self.subTest(space=space):
                self.check(f"write:0x20000c,space={space}", "written", 2 * 11 + 2)
                self.check(f"read:0x20000c,space={space}", "read", 3)
                self.check(f"read:0x20000c,count=4,space={space}", "read", 3 * 11 + 3)
                self.check(f"access:0x20000c,count=4,space={space}", "read",
                           2 * 11 + 3)
                self.check(f"write:0x200000,length=32,count=4,space={space}", "written",
                           3 * 11 + 2)
                self.check(f"write:0x20000c,length=4,equals=3,space={space}",
                           "written", 2 * 11 + 2)
                run = self.program.run(
                    FAULT + f"write:0x20000c,length=4,equals=4,space={space}")
                self.assertEqual(0, run.report["injections"])

    def test_ports(self):
        self.check("out:0x80", "sent", 8)
        self.check("out:0x80,count=3", "sent", 2 * 11 + 8)
        self.check("out:0x80,equals=4", "sent", 3 * 11 + 8)
        self.check("in:0x60,length=4", "received", 9)
        self.check("in:0x61,count=5", "received", 4 * 11 + 9)
        run = self.program.run(FAULT + "in:0x80")
        self.assertEqual(0, run.report["injections"])

    def test_interrupt(self):
        self.check("interrupt:0x80", "handler", 5)
        self.check("interrupt:0x80,count=2", "handler", 11 + 5)

    def test_text(self):
        program = self.guest("""
        main:
            mov dx, 0x3f8
            mov esi, text
            cld
        next:
            lodsb
            out dx, al
        sent:
            test al, al
            jnz next
            finish 1
        text:
            db "aabaabaacab", 0
        """)
        for text, letters in {"a": 1, "aab": 3, "aabaac": 9, "cab": 11}.items():
            run = program.run(FAULT + f"text:{text}")
            first = program.run(FAULT + "execute:{next}")
            report = self.check_injected(run, program.labels["sent"], "no")
            self.assertEqual(
                first.report["injected"]["instructions"] + 4 * letters - 2,
                report["injected"]["instructions"])
        self.assertEqual(1, program.run(
            FAULT + "text:aab,count=2").report["injections"])
        self.assertEqual(0, program.run(
            FAULT + "text:aab,serial=1").report["injections"])

    def test_hardware_interrupt_in_between(self):
        """An interrupt before the instruction does not make it two executions."""
        program = self.guest("""
        main:
            vector 0x20, timer
            mov al, 0x11
            out 0x20, al
            mov al, 0x20
            out 0x21, al
            mov al, 4
            out 0x21, al
            mov al, 1
            out 0x21, al
            mov al, 0xfe
            out 0x21, al
            mov al, 0x14            ; every 20 us
            out 0x43, al
            mov al, 24
            out 0x40, al
            sti
            mov ecx, 100000
        again:
            dec ecx
            jnz again
            cli
            show ebx
            finish 1
        timer:
            inc ebx
            push eax
            mov al, 0x20
            out 0x20, al
            pop eax
            iret
        """)
        run = program.run("target=register,name=ecx,model=set,value=1,"
                          "when=execute:{again},count=99000")
        self.assertGreater(run.shown[0], 5)
        # ECX was 1001 then: it is injected at the 99000th of 100000 rounds.
        self.assertEqual("0x000003e9 -> 0x00000001", run.report["reason"])
        before = program.run("target=register,name=ebx,bit=9,model=flip,"
                             "when=interrupt:0x20,count=3")
        self.assertEqual("0x00000002 -> 0x00000202", before.report["reason"])
        self.check_injected(before, program.labels["timer"])

    def test_several(self):
        run = self.program.run(*(
            f"target=ram,address={0x300000 + 4 * i},bit=0,model=flip,"
            f"when=execute:{{written}},count={1 + i % 5}" for i in range(20)))
        self.assertEqual([1] * 20, [report["injections"] for report in run.reports])
        start = run.reports[0]["injected"]["instructions"]
        for i, report in enumerate(run.reports):
            self.assertEqual(start + 11 * (i % 5), report["injected"]["instructions"])


if __name__ == "__main__":
    guest.main()
