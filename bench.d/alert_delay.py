"""How long after an attack can be told the service tells it, by the clock on the wall.

Usage: alert_delay.py HAETAE [seed] [minutes]. Starts the service in an empty folder, sends it simulated
mixed traffic as NDJSON over HTTP, each request at its own time, looks twice a second at the findings, takes
the notifications on a local webhook, and prints a Markdown table: seconds from the time at which the
campaign's criterion holds in the traffic (`detectable_at` of the labels) to the first finding about one of
its actors, and to the first notification that names one. Negative: told before the criterion of the labels.
"""

import datetime
import http.client
import http.server
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SEND_EVERY_S = 0.2
LOOK_EVERY_S = 0.5
AFTER_S = 180


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Webhook(http.server.BaseHTTPRequestHandler):
    """Keeps what comes, with the time it came at."""

    told = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        Webhook.told.append((time.time(), body.decode("utf-8", "replace")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def get(port, path, token):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("GET", path, headers={"authorization": f"Bearer {token}"})
        reply = link.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path} answered {reply.status}: {body[:200]}")
        return json.loads(body)
    finally:
        link.close()


def send(port, lines, stop):
    """Sends each line at its time."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    at, batch, number = 0, [], 0
    while at < len(lines) and not stop.is_set():
        now = time.time()
        while at < len(lines) and lines[at][0] <= now:
            batch.append(lines[at][1])
            at += 1
        if batch:
            headers = {"content-type": "application/x-ndjson", "idempotency-key": f"delay-{number}"}
            try:
                link.request("POST", "/v1/ingest?dataset=web", body=b"".join(batch), headers=headers)
                reply = link.getresponse()
                reply.read()
            except OSError:  # a connection the service has closed; the key makes the same batch one
                link.close()
                continue
            if reply.status == 429:
                time.sleep(0.5)
                continue
            if reply.status != 200:
                raise RuntimeError(f"/v1/ingest answered {reply.status}")
            batch, number = [], number + 1
        time.sleep(SEND_EVERY_S)


def look(port, token, seen, stop):
    """First sight of each finding's entity."""
    while not stop.is_set():
        for finding in get(port, "/v1/findings?limit=10000", token):
            key = (finding["entity"]["kind"], finding["entity"]["value"])
            seen.setdefault(key, time.time())
        time.sleep(LOOK_EVERY_S)


def names(campaign):
    found = {(e["kind"], e["value"]) for actor in campaign["actors"] for e in actor["entities"]}
    for aggregate in campaign["aggregates"]:
        entity = aggregate.get("entity", aggregate)
        if "kind" in entity and "value" in entity:
            found.add((entity["kind"], entity["value"]))
    return found


def table(labels, seen):
    rows, delays = [], {"finding": [], "notification": []}
    for campaign in sorted(labels["campaigns"], key=lambda c: c["detectable_at"] or "~"):
        if not campaign["detectable_at"] or campaign["flow_bytes"] or campaign["kind"] == "portscan":
            continue
        due, known = seconds(campaign["detectable_at"]), names(campaign)
        found = [seen[name] - due for name in known if name in seen]
        told = [at - due for at, body in Webhook.told if any(value in body for _, value in known)]
        row = [campaign["variant"]]
        for kind, all_of_them in (("finding", found), ("notification", told)):
            row.append(f"{min(all_of_them):.1f}" if all_of_them else "none")
            delays[kind] += [min(all_of_them)] if all_of_them else []
        rows.append(row)
    print("| campaign | s to the finding | s to the notification |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    for kind, values in delays.items():
        if values:
            print(f"\n{kind}: {len(values)} of {len(rows)} campaigns, median {statistics.median(values):.1f} s, "
                  f"worst {max(values):.1f} s")


def main():
    haetae = os.path.abspath(sys.argv[1])
    seed, minutes = (sys.argv[2:] + ["301", "12"][len(sys.argv) - 2:])[:2]
    with tempfile.TemporaryDirectory() as folder:
        begin = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
        traffic = os.path.join(folder, "traffic.ndjson")
        subprocess.run([haetae, "simulate", "mixed", "--seed", seed, "--duration", f"{minutes}m", "--start",
                        begin.strftime("%Y-%m-%dT%H:%M:%SZ"), "--format", "ndjson", "--out", traffic], check=True)
        with open(traffic, "rb") as file:
            lines = [(seconds(json.loads(line)["ts"]), line) for line in file]
        with open(os.path.join(folder, "traffic.labels.json"), encoding="utf-8") as file:
            labels = json.load(file)
        hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        port = free_port()
        with open(os.path.join(folder, "haetae.yaml"), "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{port}\ndata_dir: ./data\nnotify:\n  kpi_every: off\n  slack:\n"
                       f"    webhook_url: http://127.0.0.1:{hook.server_port}/hook\n")
        with open(os.path.join(folder, "log"), "wb") as log:
            service = subprocess.Popen([haetae, "--config", "haetae.yaml", "run"], cwd=folder, stdout=log, stderr=log)
            stop, seen = threading.Event(), {}
            try:
                time.sleep(5)
                with open(os.path.join(folder, "data", "local.token"), encoding="ascii") as file:
                    token = file.read().strip()
                threads = [threading.Thread(target=send, args=(port, lines, stop), daemon=True),
                           threading.Thread(target=look, args=(port, token, seen, stop), daemon=True)]
                for thread in threads:
                    thread.start()
                end = lines[-1][0] + AFTER_S
                while time.time() < end and service.poll() is None:
                    time.sleep(1)
                stop.set()
                for thread in threads:
                    thread.join(timeout=30)
            finally:
                service.terminate()
                service.wait(timeout=60)
        table(labels, seen)


if __name__ == "__main__":
    main()
