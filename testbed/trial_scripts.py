"""Shell scripts that a trial's hosts run: POSIX sh, coreutils and grep."""

# $1 is the trial's folder. Records of an earlier run in it would be taken for this one's, and may be all of them.
# Names of folders outlive a power cut once the folders that they stand in are synced, where a file system can do it.
NEW_FOLDERS = """
folder=$1
[ ! -e "$folder" ] || mv -- "$folder" "$folder.$(date -u +%Y%m%dT%H%M%SZ)" || exit
shift
mkdir -p -- "$@" || exit
sync -- "$folder" "$folder/.." "$folder/../.." 2>/dev/null || :
"""

# $1 is the mark, NAME=VALUE, in a process's environment. TERM first: what ends in order completes its records.
END_MARKED = """
marked() {
    grep -lzxF -- "$1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do
        [ "$pid" = $$ ] || echo "$pid"
    done
}
found=$(marked "$1")
[ -z "$found" ] && exit 0
kill -TERM $found 2>/dev/null
polls=0
while found=$(marked "$1") && [ -n "$found" ]; do
    [ "$polls" -ge 60 ] && { kill -KILL $found 2>/dev/null; break; }
    polls=$((polls + 1))
    sleep 0.05
done
exit 0
"""
