# What a user of gdb does: breakpoints, steps, watchpoints of both kinds, threads and
# their variables, a signal. debug.expected has what comes of it.
set pagination off
set width 0
set confirm off
set print address off
set print thread-events off
set startup-with-shell off
set debuginfod enabled off
set index-cache enabled off

echo == a breakpoint with a condition\n
break factorial if n == 2
run
backtrace
print own
info registers cs ss ds es fs gs
delete
finish

echo == a hardware breakpoint\n
hbreak *&stepped
continue
delete

echo == 200 steps\n
stepi 5
printf "at the loop: %d\n", $pc == (long)&stepped_loop
stepi 195
printf "ecx %d, eax %d, at the loop: %d\n", $ecx, $eax, $pc == (long)&stepped_loop

echo == a step for each turn of REP\n
tbreak *&stepped_string
continue
stepi 3
set $string = $pc
stepi 3
printf "ecx %d, same place: %d\n", $ecx, $pc == $string
stepi 3
printf "ecx %d, same place: %d\n", $ecx, $pc == $string
stepi
printf "ecx %d, behind: %d\n", $ecx, $pc == (long)&stepped_stack

echo == no step behind a load of SS\n
stepi
set $eax = 0
stepi
printf "eax %d\n", $eax
stepi
printf "eax %d\n", $eax

echo == PUSHF\n
stepi 2
printf "TF on the stack: %d\n", $edx & 0x100

echo == steps over what enters the kernel or leaves the processor\n
stepi 2
printf "behind INT 0x80: %d\n", $pc == (long)&stepped_call + 7
stepi 2
printf "behind CPUID: %d\n", $pc == (long)&stepped_end - 1
stepi
printf "at the end: %d\n", $pc == (long)&stepped_end

echo == a hardware watchpoint\n
watch words[2]
continue
backtrace 1
delete

echo == one that also sees reading\n
awatch words[3]
continue
continue
delete

echo == in a thread\n
break run_thread
continue
next
print own
delete

echo == a software watchpoint\n
set can-use-hw-watchpoints 0
watch counter
continue
continue
delete

echo == a signal\n
continue
print $_siginfo.si_signo
print $_siginfo._sifields._sigfault.si_addr
print own
set var own = 6
jump *&behind_fault
