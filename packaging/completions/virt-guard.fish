# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_virt_guard_global_optspecs
    string join \n root= color= h/help V/version
end

function __fish_virt_guard_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_virt_guard_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_virt_guard_using_subcommand
    set -l cmd (__fish_virt_guard_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c virt-guard -n "__fish_virt_guard_needs_command" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_needs_command" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_needs_command" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -s V -l version -d 'Print version'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "status" -d 'Show what is guarded, by which engine, and whether it is in order'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "check" -d 'Hold the kernel against the policy and name every difference'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "apply" -d 'Put the rules of all guests that run, or of one, into the kernel'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "show" -d 'Print the rules as text that can be replayed by hand'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "explain" -d 'Say what becomes of one packet, and which rule decides'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "floating" -d 'List, associate and disassociate floating IPs'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "flows" -d 'List the connections of guests, or cut some'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "services" -d 'Show which of the host\'s own services guests can reach, and keep them from guests'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "daemon" -d 'Watch, and put back whatever differs from the policy'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "doctor" -d 'Find out why something might not be guarded, and what to do about it'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "events" -d 'Show what the daemon saw and did, oldest first'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "nwfilter" -d 'Check and show nwfilters, keep them in libvirt and their rules in the kernel'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "preserve" -d 'Look after the chains of other agents that [[preserve]] in the policy names'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "install" -d 'Have libvirt run virt-guard-hook, on a machine without packages'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "uninstall" -d 'Take away what install put there'
complete -c virt-guard -n "__fish_virt_guard_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand status" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand status" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand status" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand check" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand check" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand check" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l confirm-within -d 'Undo it unless somebody confirms it in this time, such as 60s: by Enter on this terminal, or by virt-guard apply --confirm from another session. What is undone are the files of /etc/virt-guard, and the rules with them: they are put back as they were last known to be good' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l early -d 'Do not ask libvirt, which is not there yet at boot; with a broken policy close the bridges that were guarded last'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l dry-run -d 'Only print the differences and the steps that would be taken'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l confirm -d 'Keep what waits to be confirmed. Exits with 1 if nothing does'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand show" -l engine -d 'For this engine [default: the one that the configuration and the kernel agree on]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand show" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand show" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand show" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l guest -d 'The guest, by name or UUID' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l domain-xml -d 'A domain\'s XML, for a guest that is not known yet' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l interface -d 'The guest\'s interface, by port or MAC address [default: the one that has the guest\'s address]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l direction -d 'The way of the packet: in to the guest, or out of it' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l from -d 'The source: an address, a guest or host [default: the guest\'s own address]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l to -d 'The destination, likewise' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l protocol -d 'What the packet carries: tcp, udp, sctp, icmp, icmpv6, … or a number' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l port -d 'The destination port of tcp, udp or sctp' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l source-port -d 'The source port [default: 49152]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l icmp-type -d 'Type, or type/code, of an ICMP message [default: echo request]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l state -d 'What conntrack says of the packet\'s connection [default: new]' -r -f -a "new\t'The first packet of a connection'
established\t'Both sides have been seen'
related\t'Another connection caused it, as an ICMP error is'
invalid\t'It belongs nowhere'
untracked\t'Conntrack does not look at it, as with neighbour discovery'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l mac -d 'The frame\'s source MAC address [default: the sender\'s own]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l reply -d 'The packet goes back to the one who began the connection'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -f -a "list" -d 'List all floating IPs and where they lead now'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -f -a "associate" -d 'Have an address lead to a guest, now and after every start'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -f -a "disassociate" -d 'Take an address away again, and cut every connection by it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and not __fish_seen_subcommand_from list associate disassociate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from list" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from list" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l fixed -d 'The guest\'s own address; without it the guest\'s first of the family' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l interface -d 'The interface of this host on which the address is reached; found without it' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l dry-run -d 'Only say whether it could be done'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from associate" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from disassociate" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from disassociate" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from disassociate" -l dry-run -d 'Only say what would be cut'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from disassociate" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from disassociate" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all floating IPs and where they lead now'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from help" -f -a "associate" -d 'Have an address lead to a guest, now and after every start'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from help" -f -a "disassociate" -d 'Take an address away again, and cut every connection by it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand floating; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -f -a "list" -d 'List them, each with the rule that admits it today. Exits with 1 if one was answered that no rule admits'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -f -a "kill" -d 'Cut connections, whatever the rules say of them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and not __fish_seen_subcommand_from list kill help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from list" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from list" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l floating -d 'All by this floating IP, in both directions' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l tuple -d 'The one that began so, as `tcp,198.51.100.7:40000,203.0.113.10:22`' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l dry-run -d 'Only name them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from help" -f -a "list" -d 'List them, each with the rule that admits it today. Exits with 1 if one was answered that no rule admits'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from help" -f -a "kill" -d 'Cut connections, whatever the rules say of them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand flows; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "audit" -d 'List every listening socket of this host, judged: EXPOSED (guests reach it, and the policy does not allow it), allowed (by the rule named), filtered (guests would reach it without the host\'s wall), pinned (its unit keeps guests from it), local (bound to what no guest reaches). Exits with 1 if one is EXPOSED'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "probe" -d 'Prove from a guest\'s place which of this host\'s services guests reach'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "pin" -d 'Keep services from guests by their own configuration and by systemd'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "unpin" -d 'Give pinned services back: their files as they were before, byte for byte'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "pins" -d 'List the services that are pinned: where to, since when, whether that is confirmed, and whether a probe has proven it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "confirm" -d 'Keep the pins that wait to be confirmed. Exits with 1 if none does'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and not __fish_seen_subcommand_from audit probe pin unpin pins confirm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from audit" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from audit" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from audit" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from audit" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l bridge -d 'Only from this bridge; may be given several times' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l html -d 'Write the matrix to this file as well, as a page for browsers' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l without-walls -d 'Without the walls around the probe\'s own port: what services do by themselves. Guests\' ports stay as they are'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l to -d 'Where they listen from then on: an address or an interface of this host where no guest is. May be given several times [default: all addresses that are on no guest-facing bridge]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l confirm-within -d 'Undo it unless somebody confirms it in this time, such as 60s: by Enter on this terminal, or by virt-guard services confirm from another session' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l all -d 'All that guests reach, or would reach without the host\'s wall, and that has a unit; what the policy allows guests is left alone'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l dry-run -d 'Only show what would be changed'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l all -d 'All that are pinned'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l force -d 'Replace files that somebody has changed since, too; a copy is kept beside each'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l dry-run -d 'Only say what would be put back'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from unpin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pins" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pins" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pins" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from pins" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from confirm" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from confirm" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from confirm" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from confirm" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "audit" -d 'List every listening socket of this host, judged: EXPOSED (guests reach it, and the policy does not allow it), allowed (by the rule named), filtered (guests would reach it without the host\'s wall), pinned (its unit keeps guests from it), local (bound to what no guest reaches). Exits with 1 if one is EXPOSED'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "probe" -d 'Prove from a guest\'s place which of this host\'s services guests reach'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "pin" -d 'Keep services from guests by their own configuration and by systemd'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "unpin" -d 'Give pinned services back: their files as they were before, byte for byte'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "pins" -d 'List the services that are pinned: where to, since when, whether that is confirmed, and whether a probe has proven it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "confirm" -d 'Keep the pins that wait to be confirmed. Exits with 1 if none does'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand daemon" -l connect -d 'libvirt\'s URI' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand daemon" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand daemon" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand daemon" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand doctor" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand doctor" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand doctor" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -s n -l lines -d 'Only the last so many' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -s f -l follow -d 'Go on as more happens, until interrupted'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -l json -d 'Print one JSON object for each event, on a line of its own'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand events" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "check" -d 'Say what is wrong with filters, each in a file'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "show" -d 'Print the rules that a filter becomes at a port'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "list" -d 'List the definitions in /etc/virt-guard/nwfilter and how libvirt has them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "diff" -d 'Show how libvirt\'s filters differ from the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "sync" -d 'Bring libvirt\'s filters in step with the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "verify" -d 'Say whether libvirt\'s own rules of each filtered port are in the kernel'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "rebuild" -d 'Have libvirt put its own rules of ports into the kernel again'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and not __fish_seen_subcommand_from check show list diff sync verify rebuild help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l param -d 'A value of a variable; again for more values of a list' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l mac -d 'The interface\'s MAC address, which is $MAC' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l engine -d 'Only ask this engine [default: both]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l param -d 'A value of a variable; again for more values of a list' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l mac -d 'The interface\'s MAC address, which is $MAC' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l port -d 'The name of the port' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l engine -d 'For this engine [default: the one that the configuration and the kernel agree on]' -r
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from list" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from list" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON array'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from diff" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from diff" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from diff" -l json -d 'Print one JSON array'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from sync" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from sync" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from sync" -l dry-run -d 'Say what would be done, and do nothing'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from sync" -l json -d 'Print one JSON array'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from verify" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from verify" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from verify" -l json -d 'Print one JSON array'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -l all -d 'All ports'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -l dry-run -d 'Say which ports it would be, and do nothing'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say what is wrong with filters, each in a file'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the rules that a filter becomes at a port'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the definitions in /etc/virt-guard/nwfilter and how libvirt has them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Show how libvirt\'s filters differ from the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "sync" -d 'Bring libvirt\'s filters in step with the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Say whether libvirt\'s own rules of each filtered port are in the kernel'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "rebuild" -d 'Have libvirt put its own rules of ports into the kernel again'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand nwfilter; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -f -a "list" -d 'List the chains on record'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -f -a "diff" -d 'Name what is lost of them; nothing is changed'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -f -a "restore" -d 'Put back what is lost, and record the rest anew'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -f -a "forget" -d 'Take what stands now for whole, whatever was lost'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and not __fish_seen_subcommand_from list diff restore forget help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from list" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from list" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from diff" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from diff" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from diff" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from restore" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from restore" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from restore" -l dry-run -d 'Only print what the restore programs would be told'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from restore" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from forget" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from forget" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from forget" -l json -d 'Print one JSON object'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the chains on record'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Name what is lost of them; nothing is changed'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Put back what is lost, and record the rest anew'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from help" -f -a "forget" -d 'Take what stands now for whole, whatever was lost'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand preserve; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l hooks-dir -d 'Where libvirt looks for hooks' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l hook-program -d 'The hook program [default: the one beside this program, else that of the package]' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l classic -d 'Write DRIVER rather than DRIVER.d/50-virt-guard, for libvirt before 6.5, which looks nowhere else'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l chain -d 'Run somebody else\'s hook, where DRIVER is one, after ours: it is moved to DRIVER.before-virt-guard, and uninstall moves it back'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -l dry-run -d 'Only say what would be done'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -l hooks-dir -d 'Where libvirt looks for hooks' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -l root -d 'Take all files of the host from below this directory' -r -F
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -l color -d 'Colours in what people read: auto (on a terminal, unless NO_COLOR is set), always or never' -r -f -a "auto\t'On a terminal that can, and not if NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -l classic -d 'Only what stands in the places of libvirt before 6.5'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -l dry-run -d 'Only say what would be done'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "status" -d 'Show what is guarded, by which engine, and whether it is in order'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "check" -d 'Hold the kernel against the policy and name every difference'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "apply" -d 'Put the rules of all guests that run, or of one, into the kernel'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "show" -d 'Print the rules as text that can be replayed by hand'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "explain" -d 'Say what becomes of one packet, and which rule decides'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "floating" -d 'List, associate and disassociate floating IPs'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "flows" -d 'List the connections of guests, or cut some'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "services" -d 'Show which of the host\'s own services guests can reach, and keep them from guests'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "daemon" -d 'Watch, and put back whatever differs from the policy'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "doctor" -d 'Find out why something might not be guarded, and what to do about it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "events" -d 'Show what the daemon saw and did, oldest first'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "nwfilter" -d 'Check and show nwfilters, keep them in libvirt and their rules in the kernel'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "preserve" -d 'Look after the chains of other agents that [[preserve]] in the policy names'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "install" -d 'Have libvirt run virt-guard-hook, on a machine without packages'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "uninstall" -d 'Take away what install put there'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and not __fish_seen_subcommand_from status check apply show explain floating flows services daemon doctor events nwfilter preserve install uninstall help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from floating" -f -a "list" -d 'List all floating IPs and where they lead now'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from floating" -f -a "associate" -d 'Have an address lead to a guest, now and after every start'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from floating" -f -a "disassociate" -d 'Take an address away again, and cut every connection by it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from flows" -f -a "list" -d 'List them, each with the rule that admits it today. Exits with 1 if one was answered that no rule admits'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from flows" -f -a "kill" -d 'Cut connections, whatever the rules say of them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "audit" -d 'List every listening socket of this host, judged: EXPOSED (guests reach it, and the policy does not allow it), allowed (by the rule named), filtered (guests would reach it without the host\'s wall), pinned (its unit keeps guests from it), local (bound to what no guest reaches). Exits with 1 if one is EXPOSED'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "probe" -d 'Prove from a guest\'s place which of this host\'s services guests reach'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "pin" -d 'Keep services from guests by their own configuration and by systemd'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "unpin" -d 'Give pinned services back: their files as they were before, byte for byte'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "pins" -d 'List the services that are pinned: where to, since when, whether that is confirmed, and whether a probe has proven it'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "confirm" -d 'Keep the pins that wait to be confirmed. Exits with 1 if none does'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "check" -d 'Say what is wrong with filters, each in a file'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "show" -d 'Print the rules that a filter becomes at a port'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "list" -d 'List the definitions in /etc/virt-guard/nwfilter and how libvirt has them'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "diff" -d 'Show how libvirt\'s filters differ from the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "sync" -d 'Bring libvirt\'s filters in step with the definitions in /etc/virt-guard/nwfilter'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "verify" -d 'Say whether libvirt\'s own rules of each filtered port are in the kernel'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from nwfilter" -f -a "rebuild" -d 'Have libvirt put its own rules of ports into the kernel again'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from preserve" -f -a "list" -d 'List the chains on record'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from preserve" -f -a "diff" -d 'Name what is lost of them; nothing is changed'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from preserve" -f -a "restore" -d 'Put back what is lost, and record the rest anew'
complete -c virt-guard -n "__fish_virt_guard_using_subcommand help; and __fish_seen_subcommand_from preserve" -f -a "forget" -d 'Take what stands now for whole, whatever was lost'
