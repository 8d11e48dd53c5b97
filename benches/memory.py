#!/usr/bin/env python3
"""What an account that somebody uses, and a message in an index, cost in memory.

    python3 benches/memory.py target/release/pillarbox [--accounts 200] [--messages 100000]

By how much the anonymous memory of the process has grown (`/proc/PID/smaps_rollup`): after one log-in with SELECT for each account, all
of them gone again; and after the first SELECT of a mailbox since the process began. It does not depend on what else the machine does.
What a connection costs that waits is measured by `idle_connections.py`.
"""
import argparse, os, pathlib, shutil, subprocess, tempfile

import first_select
import flushes
import side_by_side
from idle_connections import anonymous_kib


def visit(peer, number):
    client = side_by_side.Imap(side_by_side.Peer("", peer.imap, None, f"a{number}@example.org"), "INBOX")
    client.ask("LOGOUT")


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--accounts", type=int, default=200)
    parse.add_argument("--messages", type=int, default=100_000)
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-memory-"))
    binary = os.path.abspath(options.pillarbox)
    peer, _ = flushes.serve(binary, place, options.accounts)
    try:
        # What the process needs for anybody is not an account's.
        [visit(peer, number) for number in range(20)]
        before = anonymous_kib(peer.process)
        [visit(peer, number) for number in range(20, options.accounts)]
        account = (anonymous_kib(peer.process) - before) / (options.accounts - 20)
        peer.user = "a0@example.org"
        first_select.fill(peer, range(options.messages))
        peer.stop()
        peer.process = subprocess.Popen([binary, "serve", "--config", place / "pillarbox.toml"], stderr=subprocess.DEVNULL)
        peer.wait()
        visit(peer, 1)
        client = side_by_side.Imap(peer)
        before = anonymous_kib(peer.process)
        client.ask("SELECT INBOX")
        message = 1024 * (anonymous_kib(peer.process) - before) / options.messages
        print("| | |\n|---|---|")
        print(f"| an account after its sessions | {account:.1f} KiB |")
        print(f"| a message of a mailbox that is selected | {message:.0f} octets |")
    finally:
        peer.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
