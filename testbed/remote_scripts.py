"""Shell scripts that hosts run: POSIX sh and awk, coreutils, setsid of util-linux; no procps."""

# $1 and $2 together are the mark, $3 the limit in seconds, $4 the folder; then NAME=VALUE pairs and the command line.
# The mark stands before and after what the command writes to each stream, on stderr with how it ended. It comes in
# two halves, so that a command that lists processes does not write it.
# The command has a session of its own, in the foreground: a shell has background commands ignore SIGINT.
# The guard keeps the limit also where the controller is gone; USR1 to this process group makes it now. It stops this
# shell first: so it stays the parent of the command, whose session can then be told even when its leader has ended.
# The guard's sleep ends by KILL: a shell that was forked and is not yet `sleep` takes a TERM and forgets it.
# A subshell begins it, since dash tells of a death by a signal on the command's own stderr.
RUN_SCRIPT = r"""
mark=$1$2 limit_s=$3 folder=$4
shift 4
ending() {
    echo "$mark" >&3
    echo "$mark $1" >&4
}
below() {
    cat /proc/[0-9]*/stat | awk -v root="$1" -v skip="$2" -v known="$3" '
        { pid = $1; sub(/^.*[)] /, ""); parent[pid] = $2; session[pid] = $4; state[pid] = $1 }
        END {
            count = split(known, pids)
            for (i = 1; i <= count; i++) found[pids[i]] = 1
            found[root] = 1
            do {
                grown = 0
                for (pid in parent) {
                    if ((pid in found) || pid == skip) continue
                    if ((parent[pid] in found) || ((session[pid] in found) && session[pid] != root)) {
                        found[pid] = 1
                        grown = 1
                    }
                }
            } while (grown)
            for (pid in found) if ((pid in state) && pid != root && state[pid] != "Z") printf "%s ", pid
        }'
}
guard() {
    trap 'kill -KILL $!; exit' TERM
    trap : USR1
    sleep "$limit_s" 3>&- 4>&- &
    wait $!
    trap '' TERM
    kill -STOP $$
    read -r self rest </proc/self/stat
    polls=0 pids=
    while pids=$(below $$ "$self" "$pids"); [ -n "$pids" ] && [ "$polls" -lt 100 ]; do
        [ "$polls" = 0 ] && kill -TERM $pids
        [ "$polls" -ge 20 ] && kill -KILL $pids
        polls=$((polls + 1))
        sleep 0.05
    done
    ending timeout
    kill -KILL $$
}
echo "$mark"
echo "$mark" >&2
exec 3>&1 4>&2 </dev/null
cd -- "$folder" || { ending folder; exit; }
exec >/dev/null 2>&1
trap : USR1
guard &
guard=$!
(exec setsid env -- "$@") >&3 2>&4 3>&- 4>&-
status=$?
kill "$guard"
ending "$status"
"""

# the command line as root, by sudo where the user is somebody else
SUDO_SCRIPT = """
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo -n -- "$@"
"""

# $1 is STARTED_SCRIPT, the rest its arguments. Ends with the pid, or with what was wrong with the files.
START_SCRIPT = """
script=$1
shift
pid=$(setsid --fork sh -c "$script" fedprobe "$@")
[ -n "$pid" ] && echo "$pid"
"""
# $1 is the folder, $2 and $3 the files of stdout and stderr; then the command line
STARTED_SCRIPT = """
folder=$1 stdout=$2 stderr=$3
shift 3
cd -- "$folder" || exit
exec 3>&1 </dev/null >"$stdout"
if [ "$stderr" = "$stdout" ]; then exec 2>&1; else exec 2>"$stderr"; fi
echo $$ >&3
exec 3>&-
exec "$@"
"""

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

# the SHA-256 of the first $2 bytes of the file $1
DIGEST_SCRIPT = 'head -c "$2" -- "$1" | sha256sum'

# the SHA-256 of each file of the folder $1, as `sha256sum -z` writes them: no name can be mistaken
DIGESTS_SCRIPT = 'cd -- "$1" && exec find . -maxdepth 1 -type f -exec sha256sum -z -- {} +'
# how many whole lines the files of the folder $1 have together
LINES_SCRIPT = 'cd -- "$1" && find . -maxdepth 1 -type f -exec cat -- {} + | wc -l'
