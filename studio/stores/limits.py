"""How much a data file may unpack to, and a row hold: whoever reads one needs bounded memory and time."""

# A row beyond these is refused where it stands: a few of them would fill the memory.
MOST_ROW_BYTES = 16_000_000
MOST_COLUMNS = 10_000
# A gzipped file may always unpack to so much, and beyond it to so many times its size.
UNPACKED_BYTES = 1_000_000_000
UNPACKED_RATIO = 200
# The same of its lines, each of which costs time.
UNPACKED_LINES = 2_000_000
LINES_PER_BYTE = 1
