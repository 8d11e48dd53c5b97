#!/usr/bin/env python3
"""Builds the fuzz targets and runs them one after the other, each for so many seconds: `fuzz/run.py 600 [TARGET...]`.

Prints a line for each: runs, coverage (edges, features), and what was found. What is found lies in fuzz/artifacts/TARGET.
"""
import os
import pathlib
import random
import re
import subprocess
import sys

FUZZ = pathlib.Path(__file__).resolve().parent
ROOT = FUZZ.parent
# What tests have of it; of mail everything in PILLARBOX_MAIL, where it is unpacked.
SEEDS = {
    "html": ["crates/message/src/html"],
    "imap": ["tests/transcripts/imap"],
    "pop3": ["tests/transcripts/pop3"],
    "smtp": ["tests/transcripts/smtp"],
    "imap_session": ["tests/transcripts/imap"],
}
# What is made of octets that mean nothing by themselves: a run begins with some at random, long enough for many commands.
MADE_UP = {"imap_session", "pop3_session", "smtp_session", "web", "standby", "reports", "import_files"}
MAIL = {"message", "html", "import_files", "sender_auth", "reports"}


def targets():
    return re.findall(r'^\[\[bin\]\]\nname = "(\w+)"', (FUZZ / "Cargo.toml").read_text(), re.M)


def run(target, seconds):
    corpus = FUZZ / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    if target in MADE_UP and not any(corpus.iterdir()):
        draw = random.Random(7)
        for number in range(40):
            length = draw.choice([60, 150, 400, 900, 1500])
            octets = bytes(draw.choice([draw.randrange(256), draw.randrange(16), 0, 1]) for _ in range(length))
            (corpus / f"drawn{number}").write_bytes(octets)
    seeds = [ROOT / seed for seed in SEEDS.get(target, [])] + [FUZZ / "seeds" / target]
    if target in MAIL and os.environ.get("PILLARBOX_MAIL"):
        seeds.append(pathlib.Path(os.environ["PILLARBOX_MAIL"]))
    artifacts = FUZZ / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    command = [
        str(FUZZ / "target" / "x86_64-unknown-linux-gnu" / "release" / target),
        str(corpus),
        *(str(seed) for seed in seeds if seed.is_dir()),
        f"-artifact_prefix={artifacts}/",
        f"-max_total_time={seconds}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-max_len=8192",
        "-len_control=10",
        "-print_final_stats=1",
    ]
    words = FUZZ / "dictionaries" / f"{target}.dict"
    if words.is_file():
        command.append(f"-dict={words}")
    log = artifacts.parent / f"{target}.log"
    with log.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=out, cwd=FUZZ).returncode
    told = log.read_text(errors="replace")
    last = (re.findall(r"cov: (\d+) ft: (\d+)", told) or [("?", "?")])[-1]
    runs = (re.findall(r"number_of_executed_units: (\d+)", told) or ["?"])[-1]
    found = "nothing" if code == 0 else f"code {code}, see {log}"
    print(f"{target}: {runs} runs, cov {last[0]}, ft {last[1]}; found: {found}", flush=True)


def main():
    seconds, wanted = int(sys.argv[1]), sys.argv[2:] or targets()
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    if "--no-build" not in wanted:
        subprocess.run(["cargo", "fuzz", "build", "-s", "none"], check=True, cwd=ROOT, env=environment)
    for target in wanted:
        if target != "--no-build":
            run(target, seconds)


main()
