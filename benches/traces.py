#!/usr/bin/env python3
"""What it costs to tell a collector the way of each message: the same deliveries over LMTP by turns, without `traces.url` and with it, to a
collector on this machine that takes everything and looks at nothing.

    python3 benches/traces.py target/release/pillarbox [--turns 3] [--messages 4000] [--connections 8]

Prints for each turn the processor time of the server for one message, how much of that the thread takes that tells the collector, messages a
second, and what the collector was told for one. The time of that thread hardly depends on what else the machine does. Each turn has a server of its own, with an empty directory; what it takes to start does not count.
"""
import argparse, http.server, os, pathlib, shutil, statistics, tempfile, threading

import overload

# What the thread is called that hands spans over.
TELLING = "OpenTelemetry"


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told = spans = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Collector.told += len(body)
        Collector.spans += body.count(b'"spanId"')
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class Messages(overload.Load):
    """So many, instead of for so long."""

    def __init__(self, port, connections, messages):
        super().__init__(port, connections, 3600)
        self.messages = messages

    def is_over(self):
        return len(self.taken) + self.put_off >= self.messages


def processor_seconds(process, of_thread=None):
    """Of all threads, or of those with this in their name."""
    seconds, path = 0, pathlib.Path(f"/proc/{process.pid}")
    tasks = [path] if of_thread is None else list((path / "task").iterdir())
    for task in tasks:
        name, fields = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        if of_thread is None or of_thread in name:
            seconds += sum(int(ticks) for ticks in fields.split()[11:13]) / os.sysconf("SC_CLK_TCK")
    return seconds


def turn(binary, more, options):
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-traces-"))
    process, _, lmtp = overload.serve(binary, place, more)
    try:
        # Each account has been written to.
        Messages(lmtp, options.connections, 200).run()
        before, telling = processor_seconds(process), processor_seconds(process, TELLING)
        Collector.told = Collector.spans = 0
        load = Messages(lmtp, options.connections, options.messages)
        load.run()
        # Spans are handed over once a second.
        threading.Event().wait(2.5)
        took, telling = processor_seconds(process) - before, processor_seconds(process, TELLING) - telling
        if load.put_off:
            raise SystemExit(f"{load.put_off} messages were put off")
        count = len(load.taken)
        return 1e6 * took / count, 1e6 * telling / count, load.rate, Collector.spans / count, Collector.told / count
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(place)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--turns", type=int, default=3)
    parse.add_argument("--messages", type=int, default=4000)
    parse.add_argument("--connections", type=int, default=8)
    options = parse.parse_args()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    binary, all_times = os.path.abspath(options.pillarbox), {"without": [], "with": []}
    print("| turn | traces | µs of processor for a message | of that, to tell | messages/s | spans | octets told |\n|---|---|---|---|---|---|---|")
    for number in range(options.turns):
        for name, more in [("without", ""), ("with", f'[traces]\nurl = "{url}"\n')]:
            micros, telling, rate, spans, told = turn(binary, more, options)
            all_times[name].append(micros)
            print(f"| {number + 1} | {name} | {micros:.0f} | {telling:.0f} | {rate:.0f} | {spans:.1f} | {told:.0f} |", flush=True)
    without, with_them = (statistics.median(all_times[name]) for name in ("without", "with"))
    print(f"median: {without:.0f} µs without, {with_them:.0f} with: {100 * (with_them / without - 1):+.1f} %")


if __name__ == "__main__":
    main()
