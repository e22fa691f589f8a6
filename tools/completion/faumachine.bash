# bash completion for faumachine(1)

# What options of all commands that carry out scripts may be; false: it is none of these.
_faumachine_script_value()
{
    case $previous in
    --engine)
        mapfile -t COMPREPLY < <(compgen -W "jit interpreter" -- "$current")
        ;;
    --sandbox)
        mapfile -t COMPREPLY < <(compgen -W "on off" -- "$current")
        ;;
    --gdb)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "tcp::1234 unix:" -- "$current")
        ;;
    *) return 1 ;;
    esac
}

_faumachine_experiment()
{
    _faumachine_script_value && return
    case $previous in
    experiment)
        mapfile -t COMPREPLY < <(compgen -W "run replay" -- "$current")
        return
        ;;
    --fault)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "target=" -- "$current")
        return
        ;;
    --set | --set-file | --seed | --limit) return ;;
    esac
    if [[ $current == -* ]]; then
        local options="--results --engine --log --limit --gdb --sandbox"
        if [[ ${COMP_WORDS[2]} == run ]]; then
            options+=" --set --set-file --seed --fault"
        fi
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames
}

_faumachine_campaign()
{
    _faumachine_script_value && return
    if [[ ${COMP_WORDS[2]} == submit && $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--slurm --db -n -j --seed --set --set-file --engine
            --prune --waypoints --limit --sandbox --tasks --array-limit --cpus-per-task --time
            --partition --requeue --slurm-option --logs --output --dry-run" -- "$current")
        return
    fi
    case $previous in
    campaign)
        mapfile -t COMPREPLY < <(compgen -W "run replay report submit" -- "$current")
        return
        ;;
    --interval)
        mapfile -t COMPREPLY < <(compgen -W "wilson exact" -- "$current")
        return
        ;;
    --confidence)
        mapfile -t COMPREPLY < <(compgen -W "90 95 99" -- "$current")
        return
        ;;
    --failures)
        mapfile -t COMPREPLY < <(compgen -W "sdc,crash,hang" -- "$current")
        return
        ;;
    -n | --margin | -j | --seed | --set | --set-file | --waypoints | --shard | --limit)
        return
        ;;
    esac
    if [[ $current == -* ]]; then
        local options=--db
        case ${COMP_WORDS[2]} in
        run)
            options+=" -n --margin -j --seed --set --set-file --engine --prune --waypoints
                --shard --limit --sandbox"
            ;;
        replay) options+=" --log --gdb --engine --sandbox" ;;
        report) options+=" --html --csv --confidence --interval --failures" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames
}

_faumachine()
{
    local current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]}
    local options="-m -hda -hdb -hdc -hdd -cdrom -fda -fdb -drive -nodefaults -snapshot
        -boot -kernel -initrd -append -bios -nographic -display -vnc -screenshot -name
        -serial -parallel -debugcon -device -nic -netdev -net -object -audiodev -audio
        -watchdog-action -action -machine -M -no-reboot -no-shutdown -monitor -qmp -gdb
        -s -S -incoming -rtc -clock -engine
        -syscall-redirect -fault -fault-log -fault-symbols -seed -sandbox -d -D -stats
        -help -version"
    if [[ ${COMP_WORDS[1]} == lockstep ]]; then
        options+=" -engines -every -from -until"
    fi

    COMPREPLY=()
    if [[ ${COMP_WORDS[1]} == image ]]; then
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W "create info commit" -- "$current")
        elif [[ $previous == -[fF] ]]; then
            mapfile -t COMPREPLY < <(compgen -W "raw qcow2 vdi vmdk vhdx" -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames
        fi
        return
    fi
    if [[ ${COMP_WORDS[1]} == experiment ]]; then
        _faumachine_experiment
        return
    fi
    if [[ ${COMP_WORDS[1]} == campaign ]]; then
        _faumachine_campaign
        return
    fi
    # One dash or two; the words are the same.
    case ${previous/#--/-} in
    -m)
        mapfile -t COMPREPLY < <(compgen -W "64 128 256 512 1G 2G" -- "$current")
        return
        ;;
    -display)
        mapfile -t COMPREPLY < <(compgen -W "sdl sdl,full-screen=on vnc=:1 curses none" \
            -- "$current")
        return
        ;;
    -vnc)
        mapfile -t COMPREPLY < <(compgen -W ":1 :1,password-file=" -- "$current")
        return
        ;;
    -serial)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen \
            -W "stdio mon:stdio file: null none pty unix:" -- "$current")
        return
        ;;
    -monitor | -qmp)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "stdio unix: tcp: none" -- "$current")
        return
        ;;
    -gdb)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "tcp::1234 unix:" -- "$current")
        return
        ;;
    -debugcon)
        mapfile -t COMPREPLY < <(compgen -W "stdio file: null" -- "$current")
        return
        ;;
    -device)
        mapfile -t COMPREPLY < <(compgen \
            -W "isa-debug-exit,iobase=0xf4 i6300esb sb16 AC97 e1000 ne2k_pci virtio-net-pci
            virtio-blk-pci,drive=hda virtio-rng-pci virtio-keyboard-pci virtio-tablet-pci
            help" -- "$current")
        return
        ;;
    -parallel)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "file: null none" -- "$current")
        return
        ;;
    -machine | -M)
        mapfile -t COMPREPLY < <(compgen \
            -W "pc pc,apic=off pc,hpet=off pc,acpi=off pc,pcspk-audiodev=" -- "$current")
        return
        ;;
    -audiodev)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "sdl wav,path= none" -- "$current")
        return
        ;;
    -audio)
        mapfile -t COMPREPLY < <(compgen -W "sdl,model=AC97 sdl,model=sb16" -- "$current")
        return
        ;;
    -watchdog-action)
        mapfile -t COMPREPLY < <(compgen -W "reset shutdown poweroff pause inject-nmi none" \
            -- "$current")
        return
        ;;
    -action)
        mapfile -t COMPREPLY < <(compgen -P watchdog= \
            -W "reset shutdown poweroff pause inject-nmi none" -- "${current#watchdog=}")
        return
        ;;
    -drive)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen \
            -W "file= if=virtio,file= if=floppy,file= media=cdrom,file=" -- "$current")
        return
        ;;
    -boot)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "order= once=d menu=on" -- "$current")
        return
        ;;
    -nic)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen \
            -W "user user,model= user,hostfwd=tcp:: tap,ifname= socket,listen=
            socket,connect= hubport,hubid= null none" -- "$current")
        return
        ;;
    -netdev)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen \
            -W "user,id= tap,id= socket,id= hubport,id= null,id=" -- "$current")
        return
        ;;
    -net)
        mapfile -t COMPREPLY < <(compgen -W "none" -- "$current")
        return
        ;;
    -object)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "filter-dump,netdev=" -- "$current")
        return
        ;;
    -incoming)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W "file: defer" -- "$current")
        return
        ;;
    -rtc)
        mapfile -t COMPREPLY < <(compgen -W "base=utc base=localtime" -- "$current")
        return
        ;;
    -clock)
        mapfile -t COMPREPLY < <(compgen -W "host counted" -- "$current")
        return
        ;;
    -engine)
        mapfile -t COMPREPLY < <(compgen -W "auto interpreter" -- "$current")
        return
        ;;
    -syscall-redirect)
        mapfile -t COMPREPLY < <(compgen -W "auto copy sud seccomp sysemu ptrace" \
            -- "$current")
        return
        ;;
    -fault)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -P "target=" -S ",model=" \
            -W "ram register code port mmio irq disk network serial power" \
            -- "${current#target=}")
        return
        ;;
    -sandbox)
        mapfile -t COMPREPLY < <(compgen -W "on off" -- "$current")
        return
        ;;
    -engines)
        mapfile -t COMPREPLY < <(compgen \
            -W "interpreter,jit interpreter,interpreter" -- "$current")
        return
        ;;
    -every | -from | -until)
        mapfile -t COMPREPLY < <(compgen -W "1K 1M 10M 100M 1G" -- "$current")
        return
        ;;
    -d)
        local before=
        [[ $current == *,* ]] && before=${current%,*},
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -P "$before" \
            -W "in_asm out_asm int mmu exec guest_errors help" -- "${current##*,}")
        return
        ;;
    -append | -name) return ;;
    -kernel | -initrd | -bios | -hd[abcd] | -D | -screenshot)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    esac
    if [[ $current == --* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${options//-/--}" -- "$current")
        return
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames
    if ((COMP_CWORD == 1)); then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen \
            -W "run lockstep image experiment campaign" -- "$current")
    fi
}

complete -F _faumachine faumachine
