# Generated: edit src/cli/args.rs or tests/generated/bash.rs instead.
_hwm() {
    local cur=$2 option=$3 equals='' prefix='' words='' i
    COMPREPLY=()
    # Nothing is an option any more: files, as where there is no other answer.
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -- ]] && return
    done
    # --option=value is three words, or one for who has taken = out of COMP_WORDBREAKS.
    if [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
        equals=1 cur=''
    elif [[ $option == = ]]; then
        equals=1 option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == --*=* ]]; then
        equals=1 option=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
    fi
    case $option in
        -B | --buffer-size | --buffer-records | --high-water | --low-water | --start-fill | --start-timeout | --linger | --sample | --red-max | --priority | --seed | --max-age | --mark-every | -L | --rate-limit | --burst | --delimiter | -s | --size | --block-timeout | --idle-timeout | --drain-timeout | --respawn-delay | -i | --interval | -N | --name | -A | --last-written | -F | --format | -m | --average-rate-window | -D | --delay-start | -w | --width | -H | --height | -Z | --error-skip-block)
            compopt +o default +o bashdefault 2>/dev/null
            ;;
        --when-full | --overflow | --policy)
            words='block drop-newest drop-oldest drop-buffer latest sample red priority fail'
            ;;
        --mark | --fail-on-loss | --respawn)
            if [[ $equals ]]; then compopt +o default +o bashdefault 2>/dev/null; else option=''; fi
            ;;
        --lost-to | --demand | --report-to | --events | --metrics-file | --chart | -o | --output | -P | --pidfile)
            [[ $prefix ]] || return; _hwm_files; return
            ;;
        -M | --monitor)
            words='in out both'
            ;;
        --then)
            words='drop-newest drop-oldest drop-buffer latest sample red priority'
            ;;
        --broken-pipe)
            words='signal ok drain wait'
            ;;
        --report)
            words='bar plain json summary none'
            ;;
        --on-pressure | --on-flow | --on-respawn)
            words=$(compgen -c -- "$cur")
            ;;
        -u | --bar-style)
            words='plain block granular shaded'
            ;;
        *) option='' ;;
    esac
    if [[ -z $option ]]; then
        # A FILE, unless it begins as an option does.
        [[ $cur == -* && -z $equals ]] || return
        words='-B --buffer-size --buffer-records --high-water --low-water --start-fill --start-timeout --linger --when-full --overflow --policy --sample --red-max --priority --seed --max-age --mark --mark-every --lost-to --fail-on-loss -L --rate-limit --burst --demand -M --monitor --delimiter -s --size --block-timeout --then --idle-timeout --drain-timeout --broken-pipe --respawn --respawn-delay --report --report-to --events --on-pressure --on-flow --on-respawn -i --interval -N --name --metrics-file --chart -A --last-written -F --format -u --bar-style -m --average-rate-window -D --delay-start -w --width -H --height -o --output -Z --error-skip-block -P --pidfile -C --no-splice -l --line-mode -0 --null -S --stop-at-size --idle-ok -f --force -q --quiet -v --stats --behind -p --progress -t --timer -e --eta -I --fineta -r --rate -a --average-rate -b --bytes -T --buffer-percent -n --numeric -8 --bits -k --si -g --gauge -W --wait -c --cursor -X --discard -E --skip-errors -Y --sync -h --help -V --version'
    fi
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
}

_hwm_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -P "$prefix" -f -- "$cur"))
}

if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -F _hwm -o nosort -o bashdefault -o default hwm
else
    complete -F _hwm -o bashdefault -o default hwm
fi
