"""Shell scripts that hosts run, for what needs several looks at /proc: POSIX sh and coreutils, no procps."""

# Which processes of session $1 run; zombies do not. /proc/PID/stat after the name: state ppid pgrp session, proc(5).
_MEMBERS_FUNCTION = """
members() {
    for file in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$file" || continue
        pid=${line%% *}
        set -- "$1" ${line##*) }
        [ "$5" = "$1" ] && [ "$2" != Z ] && echo "$pid"
    done
    return 0
}
"""
# $1 is the session, $2 how often to look before KILL
STOP_SCRIPT = f"""{_MEMBERS_FUNCTION}
kill -TERM $(members "$1") 2>/dev/null
polls=0
while [ -n "$(members "$1")" ]; do
    [ "$polls" -ge "$2" ] && kill -KILL $(members "$1") 2>/dev/null
    polls=$((polls + 1))
    sleep 0.05
done
"""
ALIVE_SCRIPT = 'read -r line 2>/dev/null <"/proc/$1/stat" && set -- ${line##*) } && [ "$1" != Z ]'
