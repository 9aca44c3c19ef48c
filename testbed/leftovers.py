"""Ends what a trial's processes left running on a host: Flower starts some in sessions of their own.

They are told by a mark in their environment and, since Flower makes its processes unreadable to all but root, by
their spool files too, whose names have each process's role and id. It is shell, so that it works where the host's
Python is what stands still, or is gone; `testbed.faults.processes_of` tells one process from another.

Source: proc(5) on /proc/PID/environ; PR_SET_DUMPABLE in prctl(2).
"""

from __future__ import annotations

from instrument.identity import ROLES
from testbed.shell import Shell

TIMEOUT_S = 30.0

# $1 is the mark, NAME=VALUE, which this script has not; then, where spool files tell of processes too, their folder
# and the roles. A process id may be another program's by now: what its command line does not name as that role is
# left alone. TERM first: a process that ends in order completes its records.
END_SCRIPT = """
mark=$1 spool=$2
shift
[ "$#" -eq 0 ] || shift
by_environment() {
    grep -lzxF -- "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}
by_spool() {
    for file in "$spool"/*.jsonl; do
        rest=${file%-*}
        for role in "$@"; do
            case $rest in *"-$role-"*) tr '\\0' ' ' 2>/dev/null <"/proc/${rest##*-}/cmdline" | grep -qF "/$role " &&
                echo "${rest##*-}" ;; esac
        done
    done 2>/dev/null
}
marked() {
    { by_environment; [ "$#" -eq 0 ] || by_spool "$@"; } | sort -u
}
found=$(marked "$@")
[ -z "$found" ] && exit 0
kill -TERM $found 2>/dev/null
polls=0
while found=$(marked "$@"); [ -n "$found" ]; do
    [ "$polls" -ge 30 ] && { kill -KILL $found 2>/dev/null; break; }
    polls=$((polls + 1))
    sleep 0.1
done
exit 0
"""


def end_leftovers(shell: Shell, mark: str, *, spool: str | None = None) -> None:
    """End every process with a mark on a host: TERM, and KILL for what runs after 3 s. Raises RemoteError.

    `mark` is NAME=VALUE in their environment, `spool` the folder of their spool files there, where they are Flower's.
    """
    flower = [] if spool is None else [spool, *ROLES]
    shell.run(["sh", "-c", END_SCRIPT, "end", mark, *flower], timeout_s=TIMEOUT_S)
