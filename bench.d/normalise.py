"""What normalising and enriching 10,000 events takes, as the service itself counts it.

Usage: normalise.py HAETAE. Starts the service in an empty folder with a reputation list of 100,000
prefixes, posts batches of 10,000 web records of 5,000 browsers one after the other, and reads the sum of
`haetae_normalize_latency_seconds` between them. Prints a Markdown table row.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

BATCHES, EVENTS = 60, 10_000
PATHS = ["/", "/shop/list", "/shop/item/%d", "/api/v1/seats", "/login", "/assets/app.%x.js", "/pay/confirm"]
AGENTS = ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36" % n
          for n in range(120, 132)]
CLIENTS = 5_000


def clients(draw):
    return ["%d.%d.%d.%d" % tuple(draw.randrange(1, 224) for _ in range(4)) for _ in range(CLIENTS)]


def batch(draw, visitors):
    lines = []
    for n in range(EVENTS):
        path = draw.choice(PATHS)
        path = path % draw.randrange(99999) if "%" in path else path
        query = draw.choice(["", "?page=%d&sort=price" % draw.randrange(99), "?q=%ED%8B%B0%EC%BC%93&id=1"])
        lines.append(json.dumps({
            "time": "2026-11-21T10:%02d:%02dZ" % (n // 60 % 60, n % 60), "status": draw.choice([200, 200, 304, 404]),
            "client_ip": draw.choice(visitors), "method": "GET",
            "host": "shop.example.com", "uri": path + query, "user_agent": draw.choice(AGENTS), "bytes": draw.randrange(90000),
        }))
    return ("\n".join(lines) + "\n").encode()


def get(port, path, token=""):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    link.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    return link.getresponse().read().decode()


def metric(text, name):
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


def main():
    haetae, draw = os.path.abspath(sys.argv[1]), random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with open(os.path.join(folder, "bad.netset"), "w", encoding="utf-8") as file:
            for _ in range(100_000):
                file.write("%d.%d.%d.0/24\n" % (draw.randrange(1, 224), draw.randrange(256), draw.randrange(256)))
        with open(os.path.join(folder, "haetae.yaml"), "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{port}\nflush_interval: 500ms\nenrich:\n  reputation:\n"
                       "    - {name: bench, path: bad.netset}\n")
        child = subprocess.Popen([haetae, "run"], cwd=folder, stderr=subprocess.DEVNULL)
        try:
            took = measure(port, draw, folder)
        finally:
            child.terminate()
            child.wait()
    took.sort()
    print("| batches | p50 ms | p95 ms | largest ms |")
    print("|---|---|---|---|")
    at = lambda part: took[min(len(took) - 1, int(part * len(took)))] * 1000
    print(f"| {len(took)} of {EVENTS:,} events | {at(0.5):.1f} | {at(0.95):.1f} | {took[-1] * 1000:.1f} |")


def measure(port, draw, folder):
    end = time.monotonic() + 20
    while True:
        try:
            get(port, "/readyz")
            break
        except OSError:
            if time.monotonic() > end:
                sys.exit("the service did not become ready")
            time.sleep(0.02)
    with open(os.path.join(folder, "haetae-data/local.token"), encoding="utf-8") as file:
        token = file.read().strip()
    took, before, events, visitors = [], 0.0, 0, clients(draw)
    for _ in range(BATCHES):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        link.request("POST", "/v1/ingest", batch(draw, visitors), {"Content-Type": "application/x-ndjson"})
        reply = link.getresponse()
        if reply.status >= 300:
            sys.exit(f"refused: {reply.status} {reply.read()[:200]}")
        events += EVENTS
        end = time.monotonic() + 30
        while True:
            text = get(port, "/metrics", token)
            if metric(text, "haetae_events_total") >= events:
                break
            if time.monotonic() > end:
                sys.exit("the service does not keep up")
            time.sleep(0.05)
        now = metric(text, "haetae_normalize_latency_seconds_sum")
        took.append(now - before)
        before = now
    return took


main()
