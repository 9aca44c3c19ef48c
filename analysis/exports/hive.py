"""Hive's names of partitions: `column=value`, with what a path cannot hold as % and two hexadecimal digits.

Source: Apache Hive, FileUtils.escapePathName: control characters and "#%'*/:=?\\{[]^ are escaped, nothing else.
"""

from __future__ import annotations

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_ESCAPED = frozenset("\"#%'*/:=?\\{[]^\x7f") | {chr(code) for code in range(1, 32)}


def partition(column: str, value: str) -> str:
    """The folder of one value of a partition column."""
    escaped = "".join(f"%{ord(char):02X}" if char in _ESCAPED else char for char in value)
    return f"{column}={escaped or NO_VALUE}"
