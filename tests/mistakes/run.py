"""Plants the mistakes of mistakes.toml one by one in a copy of the tree, and sees that a test finds each.

    python3 tests/mistakes/run.py [WORD ...]    those whose names have one of the words; without words all

Takes some 20 seconds for each in `store` on two cores, and a minute for each in another package. Exit status 1 when one is not found.
`CARGO` names another cargo.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "mistakes"
TREE = PLACE / "tree"


def cargo(package, *arguments):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(PLACE / "target")}
    command = [os.environ.get("CARGO", "cargo"), "test", "-q", "--locked", "-p", package, *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)


def copy_tree():
    """What git knows of, as it is now; a file that has not changed keeps its time, so that little is compiled again."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, TREE / name
        if source.is_file() and not (target.exists() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def is_found(package, test):
    """The names of the tests that failed; an exception when nothing could be tried."""
    arguments = test.split()
    built = cargo(package, "--no-run", *arguments)
    if built.returncode:
        raise SystemExit(f"does not compile:\n{built.stderr[-3000:]}")
    run = cargo(package, *arguments, "--", "--test-threads=2")
    return sorted(set(re.findall(r"^    ([\w:]+)$", run.stdout, re.MULTILINE))) or (["(no name)"] if run.returncode else [])


def where(mistake):
    return mistake.get("package", "store"), mistake["test"]


def main():
    mistakes = tomllib.loads((pathlib.Path(__file__).parent / "mistakes.toml").read_text())["mistake"]
    words = sys.argv[1:]
    mistakes = [m for m in mistakes if not words or any(word in m["name"] for word in words)]
    if not mistakes:
        raise SystemExit("no mistake has such a name")
    copy_tree()
    print("without a mistake all must pass ...", flush=True)
    for package, test in sorted({where(mistake) for mistake in mistakes}):
        if failed := is_found(package, test):
            raise SystemExit(f"{package} {test} fails without any mistake: {', '.join(failed)}")
    missed = 0
    for number, mistake in enumerate(mistakes, 1):
        began, path = time.monotonic(), TREE / mistake["file"]
        sound = path.read_text()
        path.write_text(sound.replace(mistake["from"], mistake["to"], 1))
        try:
            found = is_found(*where(mistake))
        finally:
            path.write_text(sound)
        missed += not found
        said = f"found by {found[0]}{f' and {len(found) - 1} more' if found[1:] else ''}" if found else "NOT FOUND"
        print(f"{number}/{len(mistakes)} {mistake['name']}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    raise SystemExit(1 if missed else 0)


main()
