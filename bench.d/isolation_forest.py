"""The Isolation Forest beside scikit-learn's: the same rows, one after the other, one thread each.

Usage: isolation_forest.py FOREST_SPEED NAME=FILE.csv.gz... FOREST_SPEED is the example program of
crates/learn. scikit-learn comes from a virtual environment under .cache; where it cannot be installed,
only our own figures are printed, and that is said. CPU seconds, best of so many rounds, mean of ten seeds;
both get float32 rows that are already in memory. Prints a Markdown table.
"""

import os
import subprocess
import sys

SEEDS, FIT_ROUNDS, SCORE_ROUNDS = 10, 3, 2
WANTED = "scikit-learn==1.9.*"
ENVIRONMENT = ".cache/venv-sklearn"
NAMES = ["fit_cpu_ms", "score_rows_per_cpu_s", "auroc_mean", "auroc_least"]


def peer(path):
    """Runs inside the virtual environment: one `name value` a line."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    import time

    import numpy
    import sklearn
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    table = numpy.loadtxt(path, delimiter=",", skiprows=1)
    rows, labels = numpy.ascontiguousarray(table[:, :-1], dtype=numpy.float32), table[:, -1]

    def best(rounds, work):
        least = float("inf")
        for _ in range(rounds):
            start = time.process_time()
            result = work()
            least = min(least, time.process_time() - start)
        return least, result

    fits, scores, areas = 0.0, 0.0, []
    for seed in range(SEEDS):
        make = lambda: IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=1).fit(rows)
        seconds, forest = best(FIT_ROUNDS, make)
        fits += seconds
        seconds, normal = best(SCORE_ROUNDS, lambda: forest.score_samples(rows))
        scores += seconds
        areas.append(roc_auc_score(labels, -normal))
    print("version", sklearn.__version__)
    print("fit_cpu_ms", fits / SEEDS * 1e3)
    print("score_rows_per_cpu_s", len(rows) * SEEDS / scores)
    print("auroc_mean", sum(areas) / SEEDS)
    print("auroc_least", min(areas))


def environment():
    """The Python that has scikit-learn, or None."""
    python = os.path.join(ENVIRONMENT, "bin/python")
    quiet = ["--quiet", "--disable-pip-version-check"]
    try:
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        if subprocess.run([python, "-c", "import sklearn; assert sklearn.__version__.startswith('1.9.')"],
                          stderr=subprocess.DEVNULL).returncode:
            subprocess.run([python, "-m", "pip", "install", *quiet, WANTED], check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"*** no {WANTED} in {ENVIRONMENT} ({problem}): our own figures only ***", file=sys.stderr)
        return None
    return python


def figures(command):
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"{command[0]} ended with {run.returncode}")
    return dict(line.split(" ", 1) for line in run.stdout.splitlines())


def main():
    program, tables = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
    python = environment()
    print("| set | rows | | fit, CPU ms | rows scored a CPU second | AUROC mean | AUROC least |")
    print("|---|---|---|---|---|---|---|")
    for name, path in tables:
        if not os.path.exists(path):
            print(f"*** no {path}: {name} not measured; set HAETAE_SHARED ***", file=sys.stderr)
            continue
        ours = figures([program, path, str(SEEDS)])
        rows = [("haetae", ours)]
        if python:
            theirs = figures([python, os.path.abspath(__file__), "--peer", path])
            rows.append(("scikit-learn " + theirs["version"], theirs))
        for who, values in rows:
            fit, score, mean, least = (float(values[key]) for key in NAMES)
            print(f"| {name} | {int(ours['rows']):,} | {who} | {fit:.1f} | {score:,.0f} | {mean:.4f} | {least:.4f} |")
        if python:
            fit = float(theirs["fit_cpu_ms"]) / float(ours["fit_cpu_ms"])
            score = float(ours["score_rows_per_cpu_s"]) / float(theirs["score_rows_per_cpu_s"])
            print(f"| {name} | | haetae is | {fit:.1f} × as fast | {score:.1f} × as fast | | |")


if sys.argv[1:2] == ["--peer"]:
    peer(sys.argv[2])
else:
    main()
