"""`python -m studio.jobs.tether COMMAND …`: run a command until it ends or standard input closes.

The kernel closes that pipe when its other end dies, however it dies; so nothing that was started this way
outlives the studio.
"""

import os
import subprocess
import sys
import threading

import psutil


def _end_with_input(child: "subprocess.Popen[bytes]") -> None:
    # Not through sys.stdin: at the end of the process its lock, held by this thread, would be a fatal error.
    while os.read(0, 1024):
        pass
    try:
        tree = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(tree, timeout=2)
    for process in left:
        process.kill()


def main() -> int:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
