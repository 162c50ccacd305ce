"""CDNOW_master.txt or CDNOW_sample.txt, as published, to purchases.csv: python prepare.py CDNOW_master.txt purchases.csv"""

import csv
import sys
from pathlib import Path

source, target = sys.argv[1:]
with Path(source).open(encoding="ascii") as lines, Path(target).open("w", newline="", encoding="utf-8") as file:
    write = csv.writer(file).writerow
    write(["event_id", "user_id", "event_time", "event_type", "quantity", "amount"])
    for number, line in enumerate(lines, 1):
        # The sample has another number of the same customer before the date.
        customer, *_, day, discs, dollars = line.split()
        if day.isdigit():  # Not the heading, which the sample has not.
            write([number, customer, f"{day[:4]}-{day[4:6]}-{day[6:]}T12:00:00", "purchase", discs, dollars])
