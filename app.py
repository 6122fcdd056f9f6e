"""Start the studio: `python app.py [--host H] [--port P] [--home DIR]`."""

import argparse
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
    flags = parser.parse_args()
    if flags.host not in ("127.0.0.1", "localhost", "::1"):
        # There is no password yet, and an open studio runs commands for anybody.
        parser.error(say("error.only_loopback", given=flags.host))

    from studio.actions.home import make_demo_model, open_home
    from studio.errors import StudioError
    from studio.ui.server import serve

    try:
        home = open_home(flags.home)
        make_demo_model(home)
        roots = [home.root, Path.home(), *flags.allow_path]
        serve(home, flags.host, flags.port, roots, warm=not flags.no_warm_engine)
    except StudioError as error:
        print(word_error(error, "en"))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
