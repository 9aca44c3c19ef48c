"""How a host gets the folders of a trial, empty and on its disk: POSIX sh and coreutils."""

# $1 is the trial's folder. Records of an earlier run in it would be taken for this one's, and may be all of them.
# Names of folders outlive a power cut once the folders that they stand in are synced, where a file system can do it.
NEW_FOLDERS = """
folder=$1
[ ! -e "$folder" ] || mv -- "$folder" "$folder.$(date -u +%Y%m%dT%H%M%SZ)" || exit
shift
mkdir -p -- "$@" || exit
sync -- "$folder" "$folder/.." "$folder/../.." 2>/dev/null || :
"""
