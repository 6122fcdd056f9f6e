"""`python -m studio.jobs.keyed VARIABLE FILE COMMAND …`: become a command that finds a file's text in a variable.

So a key is in no argument, which every user of the machine could read, and in no file but its own.
"""

import os
import sys
from pathlib import Path


def main(variable: str, file: str, *command: str) -> None:
    os.environ[variable] = Path(file).read_text(encoding="utf-8").strip()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
