#!/usr/bin/env python3
"""Faults of what the CPU reads and writes of devices, and of whole machines.

    device_test.py PROGRAM NASM
"""

import guest


class Ports(guest.TestCase):
    """target=port."""

    SOURCE = """
    main:
        mov al, 0x4f            ; the RTC's RAM
        out 0x70, al
        mov al, 0x35
        out 0x71, al
    begin:
        xor eax, eax
        in al, 0x71
        show eax
        in al, 0x71
        show eax
        xor ebx, ebx
        mov al, 0x12
        out 0x71, al
        in al, 0x71
        show eax
        in al, 0x71
        show eax
        finish 1
    """

    def check_shown(self, shown, fault):
        """What the program sees."""
        program = self.guest(self.SOURCE)
        run = program.run(f"target=port,address=0x71,when=execute:{{begin}},{fault}")
        self.assertEqual(shown, run.shown, fault)
        return self.check_injected(run, program.labels["begin"])

    def test_models(self):
        self.assertEqual([0x35, 0x35, 0x12, 0x12], self.guest(self.SOURCE).run().shown)
        report = self.check_shown([0x34, 0x35, 0x12, 0x12], "model=flip,bit=0")
        self.assertEqual(1, report["uses"])
        self.assertEqual("over", report["state"])
        report = self.check_shown([0x34, 0x34, 0x12, 0x12],
                                  "model=flip,bit=0,on=read,uses=2")
        self.assertEqual(2, report["uses"])
        self.check_shown([0x35, 0x35, 0x13, 0x13], "model=flip,bit=0,on=write")
        self.check_shown([0xb5, 0xb5, 0x92, 0x92],
                         "model=stuck1,bit=7,duration=permanent")
        report = self.check_shown([0x35, 0x35, 0x10, 0x10],
                                  "model=stuck0,bit=1,on=read,duration=permanent")
        self.assertEqual(2, report["uses"])  # twice the bit was 0 anyway
        self.check_shown([0x7f, 0x7f, 0x7f, 0x7f],
                         "model=set,value=0x7f,on=read,duration=permanent")
        self.check_shown([0x34, 0x35, 0x13, 0x12],
                         "model=toggle,bit=0,on=read,duration=permanent")
        self.check_shown([0xff, 0x35, 0x12, 0x12], "model=lost")
        self.check_shown([0x35, 0x35, 0x35, 0x35], "model=lost,on=write")

    def test_other_ports(self):
        run = self.guest(self.SOURCE).run("target=port,address=0x72,model=flip,bit=0,"
                                          "duration=permanent")
        self.assertEqual([0x35, 0x35, 0x12, 0x12], run.shown)
        self.assertEqual("no", run.report["activation"])


class Mmio(guest.TestCase):
    """target=mmio: the I/O APIC."""

    SOURCE = """
    APIC equ 0xfec00000
    main:
        mov dword [APIC], 0x10
        mov dword [APIC + 16], 0x10020
    begin:
        mov eax, [APIC + 16]
        show eax
        mov dword [APIC + 16], 0x10040
        mov eax, [APIC + 16]
        show eax
        finish 1
    """

    def test_models(self):
        program = self.guest(self.SOURCE)
        self.assertEqual([0x10020, 0x10040], program.run().shown)
        for fault, shown in {
                "model=flip,bit=0": [0x10021, 0x10040],
                "model=flip,bit=0,on=write": [0x10020, 0x10041],
                "model=stuck1,bit=1,on=read,duration=permanent": [0x10022, 0x10042],
                "model=lost,on=write": [0x10020, 0x10020],
                "model=lost": [0xffffffff, 0x10040],
                "model=set,value=5,width=4": [5, 0x10040]}.items():
            run = program.run("target=mmio,address=0xfec00010,when=execute:{begin},"
                              + fault)
            self.assertEqual(shown, run.shown, fault)
            self.check_injected(run, program.labels["begin"])


class Dma(guest.TestCase):
    """target=dma: fw_cfg reads a descriptor, writes "QEMU" behind it, and its status."""

    SOURCE = """
    main:
        mov dword [DATA], 0x0a000000    ; big-endian: select item 0, and read
        mov dword [DATA + 4], 0x04000000
        mov dword [DATA + 12], 0x00012000
    begin:
        mov eax, 0x00002000
        mov dx, 0x518
        out dx, eax
        show [DATA + 0x100]
        show [DATA]
        finish 1
    """

    def test_models(self):
        program = self.guest(self.SOURCE)
        right = [0x554d4551, 0]
        self.assertEqual(right, program.run().shown)
        for fault, shown in {
                "model=flip,bit=0,on=write": [0x554d4550, 0],
                "model=flip,bit=0,on=write,uses=2": [0x554d4550, 1],
                "model=flip,bit=0,offset=3,on=write,name=fw_cfg": [0x544d4551, 0],
                "model=set,value=0x41,address=0x200102": [0x55414551, 0],
                "model=stuck1,mask=0x8080,address=0x200100,bytes=8,"
                "duration=permanent": [0x554dc5d1, 0],
                "model=stuck0,bit=0,address=0x200000,bytes=4K,on=write,"
                "duration=permanent": [0x554d4550, 0],
                "model=toggle,bit=0,on=write,duration=permanent": [0x554d4550, 0],
                "model=lost,on=write,address=0x200100,bytes=4": [0, 0],
                "model=lost,on=write,uses=2": [0, 0x0a000000],
                "model=flip,bit=2,offset=7,on=read": [0, 0],
                "model=flip,bit=0,address=0x200103,bytes=16,offset=1": right,
                "model=flip,bit=0,address=0x200104": right,
                "model=flip,bit=0,name=ac97": right}.items():
            run = program.run("target=dma,when=execute:{begin}," + fault)
            self.assertEqual(shown, run.shown, fault)
            self.check_injected(run, program.labels["begin"],
                                "no" if shown == right else "yes")

    def test_random(self):
        program = self.guest(self.SOURCE)
        fault = "target=dma,model=flip,address=0x200101,bytes=2,when=execute:{begin}"
        run = program.run(fault)
        self.assertEqual(1, (run.shown[0] ^ 0x554d4551).bit_count())
        self.assertEqual(0, (run.shown[0] ^ 0x554d4551) & 0xff0000ff)


class Serial(guest.TestCase):
    """target=serial."""

    SOURCE = """
    main:
        mov dx, 0x3f8
        mov al, 'a'
    next:
        out dx, al
    sent:
        inc al
        cmp al, 'f'
        jbe next
        finish 1
    """

    def test_models(self):
        program = self.guest(self.SOURCE)
        self.assertEqual("abcdef", program.run().serial)
        for fault, text in {
                "model=flip,bit=5": "abCdef", "model=lost": "abdef",
                "model=lost,uses=2": "abef",
                "model=stuck1,bit=0,duration=permanent": "abceeg",
                "model=flip,bit=5,when=text:c": "abcDef",
                "model=flip,bit=5,line=1": "abcdef"}.items():
            if "when" not in fault:
                fault += ",when=execute:{next},count=3"
            self.assertEqual(text, program.run("target=serial," + fault).serial, fault)


class Lines(guest.TestCase):
    """A non-maskable interrupt, and a break on a serial line."""

    SOURCE = """
    main:
        vector 2, handler
        mov dword [0xfee000f0], 0x1ff   ; the local APIC: on
        mov dword [0xfee00360], 0x400   ; LINT1 is NMI
        mov dx, 0x3f8 + 3
        mov al, 3
        out dx, al
        mov ecx, 5
    begin:
        mov dx, 0x3f8 + 5
        in al, dx
        and eax, 0x11           ; break, and data
        show eax
        mov dx, 0x3f8
        in al, dx
        loop begin
        show ebx
        finish 1
    handler:
        inc ebx
        iret
    """

    def test_nmi(self):
        program = self.guest(self.SOURCE)
        for duration, count in (("", 1), (",duration=intermittent,period=100us", 1),
                                (",duration=intermittent,period=50", 2)):
            run = program.run("target=irq,line=nmi,model=spurious,when=execute:{begin},"
                              "count=2" + duration)
            self.assertGreaterEqual(run.shown[-1], count)
            if count == 1:
                report = self.check_injected(run, program.labels["begin"])
                self.assertEqual(1, run.shown[-1])
                self.assertEqual("over" if not duration else "present",
                                 report["state"])
        run = program.run("target=irq,line=nmi,model=spurious,when=execute:{begin}",
                          "target=ram,address=0x300000,bit=0,model=flip,"
                          "when=interrupt:2")
        self.assertEqual(run.reports[0]["injected"]["instructions"],
                         run.reports[1]["injected"]["instructions"])

    def test_break(self):
        program = self.guest(self.SOURCE)
        self.assertEqual([0] * 6, program.run().shown)
        run = program.run("target=serial,model=break,when=execute:{begin},count=3")
        self.assertEqual([0, 0, 0x11, 0, 0, 0], run.shown)
        self.check_injected(run, program.labels["begin"])
        run = program.run("target=serial,line=1,model=break,when=execute:{begin}")
        self.assertEqual([0] * 6, run.shown)
        run = program.run("target=serial,line=2,model=break,when=execute:{begin}")
        self.assertEqual("refused", run.report["state"])


class Clocks(guest.TestCase):
    """target=clock: how far each has come between two looks, 30 us apart."""

    SOURCE = """
    PM equ 0x600
    main:
        mov eax, 0x80000b40     ; the power management's ports
        mov dx, 0xcf8
        out dx, eax
        mov eax, PM | 1
        mov dx, 0xcfc
        out dx, eax
        mov eax, 0x80000b80
        mov dx, 0xcf8
        out dx, eax
        mov eax, 1
        mov dx, 0xcfc
        out dx, eax
        mov dword [0xfed00010], 1       ; the HPET counts
        mov dword [0xfee000f0], 0x1ff
        mov dword [0xfee003e0], 0xb     ; so does the local APIC, undivided
        mov dword [0xfee00380], 0xffffffff
        mov al, 0x34
        out 0x43, al
        xor al, al
        out 0x40, al
        out 0x40, al
        mov edi, DATA
        call look
        mov ecx, 30000
    begin:
        loop begin
        mov edi, DATA + 0x100
        call look
        mov esi, DATA
    difference:
        mov eax, [esi + 0x100]
        sub eax, [esi]
        show eax
        add esi, 4
        cmp esi, DATA + 24
        jne difference
        finish 1
    look:
        xor eax, eax
        mov al, 0
        out 0x70, al
        in al, 0x71
        stosd                   ; BCD seconds
        xor eax, eax
        out 0x43, al
        in al, 0x40
        mov ah, al
        in al, 0x40
        xchg al, ah
        neg eax
        movzx eax, ax
        stosd
        mov eax, [0xfed000f0]
        stosd
        mov dx, PM + 8
        in eax, dx
        stosd
        mov eax, [0xfee00390]
        neg eax
        stosd
        rdtsc
        stosd
        ret
    """
    NAMES = ["rtc", "pit", "hpet", "pm", "apic", "tsc"]
    TICKS_PER_MS = [0, 1193, 100000, 3580, 1000000, 1000000]

    def setUp(self):
        super().setUp()
        self.program = self.guest(self.SOURCE)
        self.right = self.program.run().shown

    def differences(self, name, fault):
        """How much further than without the fault they have come."""
        run = self.program.run(f"target=clock,name={name},when=execute:{{begin}},{fault}",
                               options=["-rtc", "base=2024-01-01T00:00:00"])
        self.assertEqual(self.program.labels["begin"], run.report["injected"]["eip"])
        self.assertEqual("unknown", run.report["activation"])
        return [here - there for here, there in zip(run.shown, self.right)]

    def check_one(self, name, fault, wanted, tolerance):
        """Only that clock."""
        number = self.NAMES.index(name)
        differences = self.differences(name, fault)
        self.assertAlmostEqual(wanted, differences.pop(number), delta=tolerance,
                               msg=f"{name} {fault}")
        self.assertEqual([0] * 5, differences, f"{name} {fault}")

    def test_jump(self):
        for name, ticks in zip(self.NAMES, self.TICKS_PER_MS):
            if ticks:
                self.check_one(name, "model=jump,by=1ms", ticks, 1)
        self.check_one("rtc", "model=jump,by=5s", 5, 0)

    def test_drift_and_stop(self):
        for name, ticks in zip(self.NAMES[1:], self.right[1:]):
            rest = 1 + ticks / 100  # of that before the fault has come
            self.check_one(name, "model=drift,ppm=1000000,duration=permanent", ticks,
                           rest)
            self.check_one(name, "model=drift,ppm=-500000,for=10us", -ticks / 6, rest)
            self.check_one(name, "model=stop,duration=permanent", -ticks, rest)
            self.check_one(name, "model=stop,duration=intermittent,period=3us",
                           -ticks / 2, rest)

    def test_refused(self):
        for fault, says in (("name=watch,model=stop,for=1", "there is no such clock"),
                            ("name=rtc,model=jump", "has by=TIME"),
                            ("name=rtc,model=stop,for=1,ppm=3", "has ppm=N"),
                            ("name=rtc,model=drift,ppm=2000000,for=1", "has ppm=N")):
            run = self.program.run("target=clock," + fault)
            self.assertIn(says, run.stderr)
        run = self.program.run("target=clock,name=hpet,model=stop,for=1",
                               options=["-machine", "hpet=off"])
        self.assertIn("there is no such clock", run.stderr)


class Disk(guest.TestCase):
    """target=disk and target=power: a guest that writes and reads sectors by PIO."""

    SOURCE = """
    %macro config 2             ; of the IDE controller, which the BIOS would set up
        mov eax, 0x80000900 + %1
        mov dx, 0xcf8
        out dx, eax
        mov eax, %2
        mov dx, 0xcfc
        out dx, eax
    %endmacro
    main:
        config 4, 1
        config 0x40, 0x80008000
        mov edi, DATA
        mov ecx, 128
        mov eax, 0x77777777
        rep stosd
        mov ebx, 3
        mov al, 0x30            ; WRITE SECTORS
        call command
        mov esi, DATA
        mov ecx, 256
        mov dx, 0x1f0
    write:
        outsw
        loop write
        call wait_for
        mov al, 0xe7            ; FLUSH CACHE
        mov dx, 0x1f7
        cmp dword [flush], 0
        je begin
        out dx, al
        call wait_for
    begin:
        mov ebx, 3
        mov al, 0x20            ; READ SECTORS
        call command
        call wait_for
        movzx eax, al
        show eax
        test al, 1
        jnz end
        mov edi, DATA
        mov ecx, 256
        mov dx, 0x1f0
    read:
        insw
        loop read
        show [DATA]
        show [DATA + 508]
    end:
        finish 1
    command:                    ; AL, of sector EBX
        mov ah, al
        mov dx, 0x1f6
        mov al, 0xe0
        out dx, al
        mov dx, 0x1f2
        mov al, 1
        out dx, al
        inc dx
        mov al, bl
        out dx, al
        inc dx
        xor al, al
        out dx, al
        inc dx
        out dx, al
        mov dx, 0x1f7
        mov al, ah
        out dx, al
    wait_for:
        mov dx, 0x1f7
    busy:
        in al, dx
        test al, 0x80
        jnz busy
        ret
    flush:
        dd FLUSH
    """

    def disk(self):
        """An image: its path, and what is in sector 3."""
        path = self.folder.name + "/disk"
        with open(path, "wb") as file:
            file.write(b"\x11" * 64 * 512)
        return path

    def sector(self):
        """What is in sector 3."""
        with open(self.folder.name + "/disk", "rb") as file:
            return file.read()[3 * 512:4 * 512]

    def run_disk(self, fault, flush=1):
        """A run of the guest."""
        program = self.guest(self.SOURCE.replace("FLUSH", str(flush)))
        return program.run(*([fault] if fault else []),
                           options=["-drive", f"file={self.disk()},format=raw"])

    def test_faults(self):
        right = [0x58, 0x77777777, 0x77777777]
        for fault, shown, kept in (
                (None, right, 0x77),
                ("target=disk,model=error,sector=3,on=read", [0x51], 0x77),
                ("target=disk,model=error,sector=4,on=read", right, 0x77),
                ("target=disk,model=lost,sector=3", [0x58, 0x11111111, 0x11111111],
                 0x11),
                ("target=disk,model=flip,sector=3,offset=508,bit=0,on=read",
                 [0x58, 0x77777777, 0x77777776], 0x77),
                ("target=disk,model=misdirect,sector=3,on=read",
                 [0x58, 0x11111111, 0x11111111], 0x77)):
            run = self.run_disk(fault)
            self.assertEqual(shown, run.shown, fault)
            self.assertEqual(bytes([kept]) * 512, self.sector(), fault)

    def test_delay(self):
        before = self.run_disk("target=ram,address=0x700000,model=flip,bit=0,"
                               "when=execute:{end}").report["injected"]["ns"]
        run = self.run_disk("target=disk,model=delay,delay=1ms,on=read")
        self.assertEqual(0x77777777, run.shown[1])
        run = self.guest(self.SOURCE.replace("FLUSH", "1")).run(
            "target=disk,model=delay,delay=1ms,on=read",
            "target=ram,address=0x700000,model=flip,bit=0,when=execute:{end}",
            options=["-drive", f"file={self.disk()},format=raw"])
        after = run.reports[1]["injected"]["ns"]
        self.assertGreater(after, before + 999000)
        self.assertLess(after, before + 1010000)

    def test_power_cut(self):
        for flush, kept in ((0, 0x11), (1, 0x77)):
            run = self.run_disk("target=power,model=cut,when=execute:{read}", flush)
            self.assertEqual([0x58], run.shown)
            self.assertEqual(bytes([kept]) * 512, self.sector())
            self.assertEqual(f"{1 - flush} writes lost", run.report["reason"])


class Machine(guest.TestCase):
    """Whole machines."""

    COUNTING = """
    main:
        mov esi, DATA
        inc dword [esi]
        show [esi]
        cmp dword [esi], 3
        je done
    begin:
        nop
        jmp begin
    done:
        finish 1
    """

    def test_reset(self):
        run = self.guest(self.COUNTING).run(
            "target=power,model=reset,when=execute:{begin}",
            "target=power,model=reset,when=execute:{begin},count=10",
            options=["-action", "watchdog=none"])
        self.assertEqual([1], run.shown)  # -no-reboot: it ends

    def test_symbols(self):
        program = self.guest(self.COUNTING)
        path = self.folder.name + "/System.map"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{program.labels['begin']:08x} T begin\n"
                       f"{program.labels['main']:08x} T main\n")
        run = program.run("target=register,name=esi,bit=30,model=flip,"
                          "when=execute:{begin},count=5",
                          "target=power,model=reset,when=execute:{begin},count=9",
                          options=["-fault-symbols", path])
        self.assertEqual("begin+0x0", run.reports[0]["injected"]["symbol"])

    def test_report_for_people(self):
        program = self.guest(self.COUNTING)
        run = program.run("target=power,model=reset,when=execute:{begin}",
                          options=["-fault-log", "/dev/stderr"])
        self.assertIn('"target":"power"', run.stderr)

    def test_errors(self):
        program = self.guest(self.COUNTING)
        for fault, says in {
                "target=ram": "the models are",
                "target=disk,model=error": "there is no such disk"}.items():
            run = program.run(fault)
            self.assertEqual(1, run.status)
            self.assertIn(says, run.stderr)
            self.assertEqual(1, run.stderr.count("\n"))


if __name__ == "__main__":
    guest.main()
