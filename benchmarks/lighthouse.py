"""Lighthouse on every page of the built book: `python benchmarks/lighthouse.py`.

Each page is opened as on a phone (Lighthouse's mobile form, simulated slow network and processor),
served from this machine with compression. The record, a row a page, goes to
benchmarks/records/lighthouse.csv: the four scores; the first paint and the largest one, in seconds;
how long the page did not answer (total blocking time, in ms); the shift of the layout (CLS); the
compressed bytes that the page asks for; how many requests go to other hosts. Performance, times and
shift are medians over the runs of a page; of the rest, which no load changes, the worst run stands.
A page named again is measured anew, and its row replaced.

How often slower than this machine the phone is follows Lighthouse's measure of the machine's speed
(docs/throttling.md there), taken from the run before: it is 4 on a fast desktop and 1 on a machine
that is as slow as a phone already. The record has the measure of each page's slowest run.

Lighthouse comes from npm, at the version named below, into _build/lighthouse.
"""

import argparse
import csv
import gzip
import json
import statistics
import subprocess
import sys
from functools import cache
from http.server import SimpleHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from companion.publish.pdf import find_chromium
from companion.publish.serve import answering
from companion.publish.vendor import NODE, NPM

LIGHTHOUSE = "lighthouse@13.5.0"
ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).parent / "records" / "lighthouse.csv"
SCORES = {"performance": 90, "accessibility": 100, "best-practices": 100, "seo": 95}
"""Score -> the least to reach."""
MOST_SHIFT, MOST_BYTES = 0.05, 500_000
_TIMES = {
    "fcp_s": "first-contentful-paint",
    "lcp_s": "largest-contentful-paint",
    "tbt_ms": "total-blocking-time",
}
COLUMNS = ("page", *SCORES, *_TIMES, "cls", "bytes", "foreign", "runs", "speed")
_CALIBRATION = "search.html"  # what is opened before all else, to measure this machine
_TRIES = 3  # a machine with other work may let the browser wait too long
_FLAGS = "--headless=new --no-sandbox --disable-dev-shm-usage"
_PACKED = {".html", ".css", ".js", ".svg", ".json"}


@cache
def packed(file: Path) -> bytes:
    """The file as a compressing server sends it."""
    return gzip.compress(file.read_bytes(), mtime=0)


class Compressing(SimpleHTTPRequestHandler):
    """A folder's files, texts compressed, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> BytesIO | BinaryIO | None:
        file = Path(self.translate_path(self.path))
        if file.suffix not in _PACKED or not file.is_file():
            return super().send_head()
        body = packed(file)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(file)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def installed(folder: Path) -> Path:
    """Lighthouse's program, fetched if it is not there in this version."""
    program = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    package = program.parents[1] / "package.json"
    version = LIGHTHOUSE.partition("@")[2]
    if not package.exists() or json.loads(package.read_text())["version"] != version:
        folder.mkdir(parents=True, exist_ok=True)
        command = [NODE / "node", NPM, "install", "--prefix", folder, "--no-save"]
        subprocess.run(
            [*command, "--no-audit", "--no-fund", "--ignore-scripts", LIGHTHOUSE], check=True
        )
    return program


def slowdown(speed: float) -> float:
    """How much slower than a machine of this ``benchmarkIndex`` a phone is.

    As in github.com/patrickhulce/lighthouse-cpu-throttling-calculator.
    """
    if speed >= 1300:
        return 3 + (speed - 1300) / 233
    if speed >= 800:
        return 2 + (speed - 800) / 500
    return max(1.0, 1 + (speed - 150) / 650)


def report(program: Path, address: str, chromium: str, speed: float) -> dict[str, Any]:
    """Lighthouse's report on one page, on a machine of this ``benchmarkIndex``."""
    command = [
        *(str(NODE / "node"), str(program), address, "--quiet", "--output=json"),
        *(f"--chrome-flags={_FLAGS}", "--no-enable-error-reporting"),
        f"--throttling.cpuSlowdownMultiplier={slowdown(speed):.2f}",
        *(f"--only-categories={','.join(SCORES)}", "--disable-full-page-screenshot"),
    ]
    for _ in range(_TRIES):
        done = subprocess.run(
            command, env={"CHROME_PATH": chromium}, capture_output=True, text=True, timeout=600
        )
        if not done.returncode:
            return dict(json.loads(done.stdout))
    sys.exit(f"{address}: {done.stderr.strip()[-500:]}")


def measures(found: dict[str, Any], home: str) -> dict[str, float]:
    """One report as columns of the record."""
    audits = found["audits"]
    requests = audits["network-requests"]["details"]["items"]
    own = (home, "data:", "blob:")
    return {
        **{name: round(100 * found["categories"][name]["score"]) for name in SCORES},
        **{
            name: round(audits[audit]["numericValue"] / (1000 if name.endswith("_s") else 1), 2)
            for name, audit in _TIMES.items()
        },
        "cls": round(audits["cumulative-layout-shift"]["numericValue"], 3),
        "bytes": sum(request["transferSize"] for request in requests),
        "foreign": sum(not request["url"].startswith(own) for request in requests),
        "speed": round(found["environment"]["benchmarkIndex"]),
    }


def row(page: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    """The runs of a page as its row: see above for which values are medians."""
    worst = {name: min(run[name] for run in runs) for name in (*SCORES, "speed")}
    worst |= {name: max(run[name] for run in runs) for name in ("bytes", "foreign")}
    middle = ("performance", *_TIMES, "cls")
    medians = {name: statistics.median(run[name] for run in runs) for name in middle}
    return {"page": page, **worst, **medians, "runs": len(runs)}


def faults(measured: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What falls short of the targets, and the audits of the last run that cost points."""
    short = [name for name, least in SCORES.items() if float(measured[name]) < least]
    lost = [
        f"{reference['id']}"
        for name in short
        for reference in found["categories"][name]["auditRefs"]
        if reference["weight"] and (found["audits"][reference["id"]]["score"] or 0) < 0.9
        if found["audits"][reference["id"]]["scoreDisplayMode"] in ("binary", "numeric")
    ]
    over = [n for n, most in (("cls", MOST_SHIFT), ("foreign", 0)) if float(measured[n]) > most]
    over += ["bytes"] if int(measured["bytes"]) > MOST_BYTES else []
    return short + lost + over


def recorded() -> dict[str, dict[str, Any]]:
    """Page -> row of the record."""
    if not RECORD.exists():
        return {}
    with RECORD.open(encoding="utf-8", newline="") as file:
        return {line["page"]: line for line in csv.DictReader(file)}


def write(rows: dict[str, dict[str, Any]]) -> None:
    """Write the record, pages in order."""
    RECORD.parent.mkdir(exist_ok=True)
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[page] for page in sorted(rows))


def main() -> None:
    """Measure the pages named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", help="such as chapters/04_cliff.html; all if none")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--runs", type=int, default=1, help="of each page")
    asked = parser.parse_args()
    site = asked.site.resolve()
    static = site / "_static"
    there = sorted(
        str(file.relative_to(site))
        for file in site.rglob("*.html")
        if static not in file.parents and file.stem != "404"
    )
    if unknown := sorted(set(asked.pages) - set(there)):
        sys.exit(f"no page {', '.join(unknown)} in {site}")
    program, chromium = installed(ROOT / "_build" / "lighthouse"), find_chromium()
    rows = recorded() if asked.pages else {}
    with answering(site, Compressing) as home:

        def opened(page: str, speed: float) -> dict[str, Any]:
            return report(program, f"{home}/{page}", chromium, speed)

        speed = opened(_CALIBRATION, 0)["environment"]["benchmarkIndex"]
        for page in asked.pages or there:
            reports = []
            for _ in range(asked.runs):
                reports.append(opened(page, speed))
                speed = reports[-1]["environment"]["benchmarkIndex"]
            rows[page] = row(page, [measures(one, home) for one in reports])
            write(rows)
            said = [f"{name} {rows[page][name]}" for name in COLUMNS[1:]]
            print(page, *said, *faults(rows[page], reports[-1]), sep="  ", flush=True)


if __name__ == "__main__":
    main()
