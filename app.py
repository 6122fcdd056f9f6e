"""Start the studio: `python app.py [--host H] [--port P] [--home DIR]`; beyond this machine: docs/security.md."""

import argparse
import os
import sys
from pathlib import Path

from studio.texts import say, word_error


def main() -> int:
    """Parse the flags and serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fine-tuning studio in the browser for PaddlePaddle models.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="folder of dataset_registry.json, data/, saves/ and models/ (default: the checkout)",
    )
    parser.add_argument(
        "--allow-path",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder whose files may be registered from the page, besides the home and your own (repeatable)",
    )
    parser.add_argument(
        "--no-warm-engine",
        action="store_true",
        help="keep no engine in memory (some 500 MB) for runs that start in a moment",
    )
    parser.add_argument(
        "--trust-pickles",
        action="store_true",
        help="let the files of a model run code: only where you trust the makers of all models you load",
    )
    beyond = parser.add_argument_group("beyond this machine (with a password: python -m studio password)")
    beyond.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which the studio is called, besides this machine's addresses (repeatable)",
    )
    beyond.add_argument(
        "--allow-frame",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a site that may show the page in a frame, such as https://notebooks.example.org (repeatable)",
    )
    beyond.add_argument(
        "--allow-endpoint",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="a server of a private network that the page may call, or `private` for all of them (repeatable)",
    )
    beyond.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy stands before the studio: its X-Forwarded-For, -Proto and -Host are believed",
    )
    beyond.add_argument("--root-path", default="", metavar="PATH", help="the sub-path that a proxy takes off")
    flags = parser.parse_args()

    from studio.actions.home import make_demo_model, open_home
    from studio.core.model_check import TRUST_VARIABLE
    from studio.errors import StudioError
    from studio.ui.server import find_exposure, serve

    if flags.trust_pickles:
        # For the engines that this process starts.
        os.environ[TRUST_VARIABLE] = "1"
        print(say("page.trusts_pickles"), file=sys.stderr)
    try:
        home = open_home(flags.home)
        exposure = find_exposure(
            home,
            flags.host,
            flags.allow_host,
            flags.allow_frame,
            behind_proxy=flags.behind_proxy,
            root_path=flags.root_path.rstrip("/"),
        )
        make_demo_model(home)
        roots = [home.root, Path.home(), *flags.allow_path]
        serve(
            home,
            flags.host,
            flags.port,
            roots,
            warm=not flags.no_warm_engine,
            exposure=exposure,
            endpoints=flags.allow_endpoint,
        )
    except StudioError as error:
        print(word_error(error, "en"))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
