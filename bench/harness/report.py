"""The tables that bench/run prints, in Markdown."""
from harness.bars import BARS, CPU
from harness.figures import faults, figure, ratio, runs_of
from harness.loads import LOADS

# What is shown of each load: key, head of the column, digits, divided by.
COLUMNS = [
    (CPU, "CPU µs per delivery", 2, 1), ("server_cpu_us_per_connect", "CPU µs per connect", 1, 1),
    ("server_cpu_us_per_cycle", "CPU µs per come and go", 1, 1),
    ("server_cpu_us_per_resume", "CPU µs per resume", 1, 1), ("resumes_per_s", "resumes/s", 0, 1),
    ("events_per_s_and_core", "events/s and core", 0, 1), ("published_per_s", "published/s", 0, 1),
    ("latency.p50_us", "p50 ms", 3, 1000), ("latency.p99_us", "p99 ms", 3, 1000),
    ("latency.p999_us", "p999 ms", 3, 1000), ("uss_per_conn", "own B per socket", 0, 1),
    ("kernel_per_conn", "kernel B per socket, both ends", 0, 1),
    ("idle_cpu_us_per_conn_s", "CPU µs per socket and second", 2, 1),
    ("slow_closed_by_server", "slow ones closed", 0, 1), ("rss_growth_bytes", "memory grew MB", 1, 1e6),
    ("server_user_share", "user share", 2, 1), ("longest_turn_ms", "longest turn ms", 1, 1),
]
OF_LOAD = {  # what tells nothing there
    "idle": {"uss_per_conn", "kernel_per_conn", "idle_cpu_us_per_conn_s"},
    "idle15k": {"idle_cpu_us_per_conn_s"},
    "beat": {"uss_per_conn", "kernel_per_conn", "server_cpu_us_per_connect"},
    "http64": {"latency.p50_us", "latency.p99_us", "latency.p999_us"},
    "batch": {CPU, "latency.p50_us", "latency.p99_us", "latency.p999_us"},
    "resume": {"latency.p50_us", "latency.p99_us", "latency.p999_us", "rss_growth_bytes"},
}
MEASURES = ("idle", "idle15k", "beat")  # loads of which connections are the matter


def columns_of(name, results):
    hidden = OF_LOAD.get(name, set())
    if name not in MEASURES:
        hidden = hidden | {"uss_per_conn", "kernel_per_conn", "server_cpu_us_per_connect"}
    if not name.startswith("slow"):
        hidden = hidden | {"rss_growth_bytes"}
    if name not in ("batch", "http64"):
        hidden = hidden | {"published_per_s", "events_per_s_and_core"}
    return [column for column in COLUMNS if column[0] not in hidden and
            any(figure(results, name, server, column[0]) is not None for server in results[name])]


def print_load(name, results):
    """A load's servers side by side; the ratio is of the first column."""
    columns = columns_of(name, results)
    servers = list(results[name])
    base = "floor send" if "floor send" in servers else servers[0]
    print(f"\n**{name}**: {LOADS[name].title}\n")
    print("| server | " + " | ".join(head for _, head, _, _ in columns) + f" | of {base}'s | exact |")
    print("| --- " * (len(columns) + 3) + "|")
    for server in servers:
        cells = []
        for key, _, digits, by in columns:
            measured = figure(results, name, server, key)
            cells.append("" if measured is None else f"{measured / by:,.{digits}f}")
        of = ratio(results, name, columns[0][0], base, server)
        wrong = "; ".join(sorted({f for run in runs_of(results, name, server) if (f := faults(run, LOADS[name]))}))
        print(f"| {server} | " + " | ".join(cells) + f" | {of:.2f} | {wrong or 'yes'} |" if of is not None else
              f"| {server} | " + " | ".join(cells) + f" | | {wrong or 'yes'} |", flush=True)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def print_bars(results):
    """Each bar with what was measured. Returns how many do not hold; a bar without figures is left out."""
    missed = 0
    print("\n| row | load | what | must (reach) | measured | |\n| --- | --- | --- | --- | --- | --- |")
    for bar in BARS:
        measured = bar.measured(results)
        if measured is None:
            continue
        verdict = bar.verdict(measured)
        missed += verdict == "missed"
        load = "all" if bar.load == "*" else bar.load
        print(f"| {bar.row} | {load} | {bar.key} | {bar.text()} | {number(measured)} | "
              f"{f'**{verdict}**' if verdict == 'missed' else verdict} |")
    wrong = [f"{name}: {text}" for name in results for run in runs_of(results, name, "eventbus")
             if (text := faults(run, LOADS[name]))]
    missed += bool(wrong)
    print(f"| 13 | all | lost, repeated, reordered, closed | 0 | {'; '.join(wrong) or 0} | "
          f"{'**missed**' if wrong else 'ok'} |")
    return missed
