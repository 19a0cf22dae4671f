"""Whole-process figures: CPU seconds (user + system), wall seconds, peak memory; best of three.

Usage: whole.py HAETAE INPUT.gz. Prints a Markdown table. Commands run in turn, so that each
meets the same machine.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time

ROUNDS = 3


def measure(command):
    """(cpu seconds, wall seconds, peak MiB) of one run; the output is dropped."""
    start = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024


def ready(haetae):
    """Seconds from the start of `run` in an empty folder to the first answer of /readyz."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with open(os.path.join(folder, "haetae.yaml"), "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{port}\n")
        start = time.monotonic()
        child = subprocess.Popen([haetae, "run"], cwd=folder, stderr=subprocess.DEVNULL)
        request = f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        try:
            while time.monotonic() - start < 20:
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
                        link.sendall(request)
                        if b" 200 " in link.recv(64):
                            return time.monotonic() - start
                except OSError:
                    pass
                time.sleep(0.005)
        finally:
            child.terminate()
            child.wait()
    sys.exit("the service did not become ready")


def main():
    haetae, source = os.path.abspath(sys.argv[1]), sys.argv[2]
    rows = {
        "zcat": ["zcat", source],
        "haetae analyze": [haetae, "analyze", "--output", "json", source],
        "haetae analyze --no-detect": [haetae, "analyze", "--no-detect", "--output", "json", source],
    }
    best = {}
    for _ in range(ROUNDS):
        for name, command in rows.items():
            best[name] = min(best.get(name, (1e9, 0, 0)), measure(command))
    base = best["zcat"][0]
    print("| | CPU s | × zcat | wall s | peak MiB |\n|---|---|---|---|---|")
    for name, (cpu, wall, peak) in best.items():
        print(f"| `{name}` | {cpu:.2f} | {cpu / base:.2f} | {wall:.2f} | {peak:.0f} |")
    print(f"\n`haetae run` ready on a clean start after {min(ready(haetae) for _ in range(ROUNDS)):.2f} s.")


main()
