"""What `POST /detect` takes under open-loop load, service and load on the same machine.

Usage: detect.py HAETAE DETECT_LOAD [requests_per_s] [seconds]. Starts the service in an empty folder,
drives it over 64 keep-alive connections, and prints a Markdown table row and the CPU the service used.
"""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time


def healthy(port):
    try:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        link.request("GET", "/healthz")
        return link.getresponse().status == 200
    except OSError:
        return False


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    haetae, load = (os.path.abspath(path) for path in sys.argv[1:3])
    rate, seconds = (sys.argv[3:] + ["20000", "20"][len(sys.argv) - 3:])[:2]
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with open(os.path.join(folder, "haetae.yaml"), "w", encoding="utf-8") as file:
            file.write(f"listen: 127.0.0.1:{port}\ndata_dir: ./data\n")
        service = subprocess.Popen([haetae, "--config", "haetae.yaml", "run"], cwd=folder,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                if healthy(port):
                    break
                time.sleep(0.1)
            subprocess.run([load, f"127.0.0.1:{port}", rate, "3"], check=True, stdout=subprocess.DEVNULL)
            before = cpu_seconds(service)
            subprocess.run([load, f"127.0.0.1:{port}", rate, seconds], check=True)
            used = cpu_seconds(service) - before
            print(f"service: {used / float(seconds):.2f} cores, {used / float(seconds) / float(rate) * 1e6:.1f} µs a request")
        finally:
            service.terminate()
            service.wait(timeout=20)


if __name__ == "__main__":
    main()
