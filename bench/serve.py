"""Loads `dear serve` on the loopback, beside `dear scan` on the same images, and writes its table of docs/performance.md.

    cargo build --release
    pip install -r bench/requirements.txt
    python bench/serve.py [--rounds 5] [--seconds 60] [--requests 10000] [--write]

Images are seeded JPEGs of 512 x 512 pixels, all different. Eight clients, each with a connection of its own, send one after the other.
In a second part, forty-eight clients overload the queue; in a third, as many small images as asked for show whether memory grows.
"""

import argparse
import collections
import http.client
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from harden import DEAR, machine, write
from PIL import Image


def jpeg(rng, side):
    """Smooth shapes and some noise: about what a photograph costs to decode."""
    small = rng.integers(0, 256, (side // 32, side // 32, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((side, side), Image.BICUBIC), dtype=np.int16)
    picture = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()


class Server:
    def __init__(self, folder, *options):
        self.process = subprocess.Popen([DEAR, "serve", "--engine", "builtin", "--port", "0", "--jobs", str(folder / "jobs.sqlite"), *options],
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if line.startswith("listening on http://"):
                self.host, port = line.split("//")[1].strip().rsplit(":", 1)
                self.port = int(port)
                break
        else:
            sys.exit("the server does not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory(self, which="VmRSS"):
        """MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(which)).split()[1]) / 1024

    def stop(self):
        self.process.terminate()
        return self.process.wait()


def load(server, images, clients, until):
    """Send images until `until(number sent)` is false; statuses and seconds of each answer, and of /healthz meanwhile."""
    statuses, seconds, health = collections.Counter(), [], []
    lock, sent = threading.Lock(), iter(range(1 << 60))

    def client():
        connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        while True:
            with lock:
                number = next(sent)
            if not until(number):
                return
            begun = time.perf_counter()
            connection.request("POST", "/v1/score", images[number % len(images)], {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            body = answer.read()
            spent = time.perf_counter() - begun
            scored = answer.status == 200 and b'"logit":' in body and b'"logit":null' not in body
            if answer.status == 503:
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
                time.sleep(0.2)
            with lock:
                statuses[answer.status if scored or answer.status != 200 else "not scored"] += 1
                if answer.status == 200:
                    seconds.append(spent)

    done = threading.Event()

    def ask_health():
        connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        while not done.wait(0.1):
            begun = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            health.append(time.perf_counter() - begun)

    asking = threading.Thread(target=ask_health)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in [asking, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begun
    done.set()
    asking.join()
    return statuses, seconds, health, spent


def quantile(values, share):
    return float(np.quantile(values, share)) if values else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and (arguments.rounds < 5 or arguments.seconds < 60 or arguments.requests < 10_000):
        sys.exit("a page is written from at least five rounds of 60 seconds and 10,000 requests")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [jpeg(rng, 512) for _ in range(arguments.images)]
        (folder / "images").mkdir()
        for index, image in enumerate(images):
            (folder / "images" / f"{index:05}.jpg").write_bytes(image)
        scan_rates, serve_rates, p50, p95, health, total = [], [], [], [], [], collections.Counter()
        for number in range(arguments.rounds):
            begun = time.perf_counter()
            subprocess.run([DEAR, "scan", "--engine", "builtin", "--no-cache", "--format", "jsonl", str(folder / "images")], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            scan_rates.append(len(images) / (time.perf_counter() - begun))
            server = Server(folder)
            end = time.perf_counter() + arguments.seconds
            statuses, seconds, asked, spent = load(server, images, 8, lambda _, end=end: time.perf_counter() < end)
            assert server.stop() == 0
            serve_rates.append(statuses[200] / spent)
            p50.append(quantile(seconds, 0.5)), p95.append(quantile(seconds, 0.95)), health.append(quantile(asked, 1.0))
            total += statuses
            print(f"round {number + 1}: scan {scan_rates[-1]:.1f}/s, serve {serve_rates[-1]:.1f}/s, p95 {p95[-1]:.2f} s, {dict(statuses)}", flush=True)
        ratio = statistics.median(serve / scan for serve, scan in zip(serve_rates, scan_rates))
        lines = [machine(), "", f"`mini`, built-in engine, JPEGs of 512 x 512 pixels, {arguments.rounds} rounds; 8 clients for {arguments.seconds:.0f} s:", "",
                 "| | |", "|---|---:|",
                 f"| `dear scan`, images a second | {statistics.median(scan_rates):.1f} ({min(scan_rates):.1f}-{max(scan_rates):.1f}) |",
                 f"| `dear serve`, images a second | {statistics.median(serve_rates):.1f} ({min(serve_rates):.1f}-{max(serve_rates):.1f}) |",
                 f"| of the rate of `scan`, median | {100 * ratio:.0f} % |",
                 f"| seconds to an answer, median and 95th percentile | {statistics.median(p50):.2f}, {statistics.median(p95):.2f} |",
                 f"| slowest `/healthz` of all rounds, milliseconds | {1000 * max(health):.0f} |",
                 f"| answers | {', '.join(f'{count} x {status}' for status, count in sorted(total.items(), key=str))} |"]

        server = Server(folder, "--queue", "8")
        end = time.perf_counter() + min(arguments.seconds, 30)
        statuses, *_ = load(server, images, 48, lambda _: time.perf_counter() < end)
        assert server.stop() == 0 and set(statuses) <= {200, 503} and statuses[503] > 0, statuses
        lines.append(f"| 48 clients, a queue of 8 | {', '.join(f'{count} x {status}' for status, count in sorted(statuses.items()))} |")

        small = [jpeg(rng, 64) for _ in range(200)]
        server = Server(folder)
        load(server, small, 8, lambda number: number < 1000)
        early = server.memory()
        statuses, _, _, spent = load(server, small, 8, lambda number: number < arguments.requests)
        late = server.memory()
        assert server.stop() == 0 and set(statuses) == {200}, statuses
        lines.append(f"| memory after 1,000 and after {arguments.requests + 1000:,} images of 64 x 64, MB | {early:.0f}, {late:.0f} |")
        lines.append(f"| images of 64 x 64 a second | {statuses[200] / spent:.0f} |")
    print("\n".join(lines))
    if arguments.write:
        write("bench/serve.py", lines)


if __name__ == "__main__":
    main()
