# bash completion for faumachine(1)

_faumachine()
{
    local current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]}
    local options="-m -hda -hdb -hdc -hdd -snapshot -kernel -initrd -append -bios
        -nographic -display -serial -debugcon -device -no-reboot -no-shutdown
        -monitor -qmp -gdb -s -S -name -rtc -clock -engine
        -syscall-redirect -sandbox -d -D -stats -help -version"
    if [[ ${COMP_WORDS[1]} == lockstep ]]; then
        options+=" -engines -every -from -until"
    fi

    COMPREPLY=()
    # One dash or two; the words are the same.
    case ${previous/#--/-} in
    -m)
        mapfile -t COMPREPLY < <(compgen -W "64 128 256 512 1G 2G" -- "$current")
        return
        ;;
    -display)
        mapfile -t COMPREPLY < <(compgen -W "none" -- "$current")
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
        mapfile -t COMPREPLY < <(compgen -W "isa-debug-exit,iobase=0xf4" -- "$current")
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
    -append) return ;;
    -kernel | -initrd | -bios | -hd[abcd] | -D)
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
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "run lockstep" \
            -- "$current")
    fi
}

complete -F _faumachine faumachine
