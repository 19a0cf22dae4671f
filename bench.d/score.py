"""How well the findings tell the truth of simulated traffic, over several seeds.

Usage: score.py HAETAE [first seed] [seeds] [scenario] [duration]. Each seed's traffic is written as NDJSON
and as CloudFront and flow log files, judged by `haetae rules eval`, and summed up by form of input: a
Markdown table of recall and precision by entity, of findings that may block, of notifications nothing
explains, and the least recall and precision of any seed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time


def judged(haetae, folder, form, seed, scenario, duration):
    out = os.path.join(folder, "t.ndjson" if form == "ndjson" else "logs")
    span = ["--duration", duration] if duration else []
    subprocess.run([haetae, "simulate", scenario, "--seed", str(seed), "--format", form, "--out", out,
                    "--start", "2026-03-02T10:00:00Z", *span], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    labels = os.path.join(folder, "t.labels.json") if form == "ndjson" else os.path.join(out, "labels.json")
    begin = time.time()
    reply = subprocess.run([haetae, "rules", "eval", "--labels", labels, "--from", out, "--output", "json"],
                           check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    report = json.loads(reply.stdout)
    report["seconds"] = time.time() - begin
    return report


def share(part, whole):
    return f"{part / whole:.4f}" if whole else "-"


def least(values):
    known = [value for value in values if value is not None]
    return f"{min(known):.4f}" if known else "-"


def row(form, reports):
    def total(*path):
        values = reports
        for key in path:
            values = [value[key] for value in values]
        return sum(values)

    found, actors = total("total", "actors_found"), total("total", "actors")
    right, wrong = total("total", "true_entities"), total("total", "false_entities")
    blocks, rightly, shared = (total("blocking", key) for key in ("findings", "rightly", "shared"))
    withdrawn = sum(report.get("notifications", {}).get("withdrawn", 0) for report in reports)
    return (f"| {form} | {len(reports)} | {share(found, actors)} | {least(r['total']['recall'] for r in reports)} "
            f"| {share(right, right + wrong)} | {least(r['total']['precision'] for r in reports)} "
            f"| {rightly} of {blocks} ({shared} shared) | {total('notifications', 'unfounded')} of "
            f"{total('notifications', 'all')} in {total('notifications', 'days'):.1f} days, at most "
            f"{max(r['notifications']['unfounded_on_worst_day'] for r in reports)} a day, {withdrawn} withdrawn |")


def variants(form, reports):
    sums = {}
    for report in reports:
        for campaign in report["campaigns"]:
            one = sums.setdefault(campaign["variant"], [0, 0, []])
            one[0] += campaign["actors_found"]
            one[1] += campaign["actors"]
            if campaign["first"] and campaign["first"]["seconds_late"] is not None:
                one[2].append(campaign["first"]["seconds_late"])
    print(f"\n{form}, by campaign: actors found, seconds from `detectable_at` to the first finding (median, most)\n")
    for name, (found, actors, late) in sorted(sums.items()):
        late.sort()
        span = f"{late[len(late) // 2]:.0f}, {late[-1]:.0f}" if late else "never told"
        print(f"- {name}: {found} of {actors} ({share(found, actors)}), {span}")


def main():
    haetae = os.path.abspath(sys.argv[1])
    first, seeds, scenario, duration = (sys.argv[2:] + ["401", "20", "mixed", ""][len(sys.argv) - 2:])[:4]
    by_form = {"ndjson": [], "logs": []}
    for seed in range(int(first), int(first) + int(seeds)):
        for form, reports in by_form.items():
            with tempfile.TemporaryDirectory() as folder:
                reports.append(judged(haetae, folder, form, seed, scenario, duration))
            last = reports[-1]
            print(f"{form} {seed}: recall {last['total']['recall']} precision {last['total']['precision']} "
                  f"{last['seconds']:.0f} s", file=sys.stderr, flush=True)
            if last["blocking"]["shared"]:
                print("  may block at an address others share:", last["blocking"]["shared_by_rule"], file=sys.stderr)
            for false in last["false_findings"]:
                print("  false:", false["rule_id"], false["entity"]["value"], false["told_at"], false["reason"],
                      file=sys.stderr)
    print("| form | seeds | recall | least | precision | least | may block, right | notifications without cause |")
    print("|---|---|---|---|---|---|---|---|")
    for form, reports in by_form.items():
        print(row(form, reports))
    for form, reports in by_form.items():
        variants(form, reports)


if __name__ == "__main__":
    main()
