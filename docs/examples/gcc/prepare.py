"""The change logs in the source archive of GCC to changes.csv: python prepare.py gcc-12.2.0-dfsg.tar.xz changes.csv

An event is an entry: a day, a contributor and a part of the compiler. Contributors are hashes of their addresses: nobody's name is needed.
"""

import csv
import hashlib
import re
import sys
import tarfile
from datetime import date
from pathlib import Path

HEADING = re.compile(rb"^(\d{4})-(\d\d)-(\d\d)\s+[^<\t]+<([^>\s]+)>")
FIRST, LAST = date(2012, 1, 1), date(2019, 12, 31)
"""Eight years are enough; from 2020 on entries are made of commits, in another manner."""

source, target = sys.argv[1:]
entries = set()
with tarfile.open(source) as archive:
    for member in archive:
        folder, _, name = member.name.rpartition("/")
        if member.isfile() and name.startswith("ChangeLog"):
            for number, line in enumerate(archive.extractfile(member)):
                if found := HEADING.match(line):
                    try:
                        day = date(*map(int, found.groups()[:3]))
                    except ValueError:
                        continue
                    if FIRST <= day <= LAST:
                        address = found.group(4).decode("latin-1").lower()
                        part = folder.split("/", 1)[-1] or "gcc"
                        entries.add(
                            (day, hashlib.sha256(address.encode()).hexdigest()[:12], part, f"{member.name}:{number}")
                        )

with Path(target).open("w", newline="", encoding="utf-8") as file:
    write = csv.writer(file).writerow
    write(["event_id", "user_id", "event_time", "event_type", "part"])
    for number, (day, contributor, part, _) in enumerate(sorted(entries), 1):
        write([number, contributor, f"{day}T12:00:00", "change", part])
