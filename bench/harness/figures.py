"""Medians and ratios of what the runs measured: results[load][server] is a list of one run a round."""
import statistics

ALL = "*"  # every load


def value(run, key):
    """A figure of one run by its path, or one that follows from others."""
    if key == "events_per_s_and_core":
        cost = run.get("server_cpu_us_per_publish")
        return 1e6 / cost if cost else None
    if key == "cpu_s_per_10k_connects":
        cost = run.get("server_cpu_us_per_connect")
        return cost / 100 if cost else None
    for word in key.split("."):
        run = run.get(word) if isinstance(run, dict) else None
    return run


def runs_of(results, load, server):
    if load == ALL:
        return [run for name in results for run in results[name].get(server, [])]
    return results.get(load, {}).get(server, [])


def figure(results, load, server, key):
    """The median over the rounds (the maximum where all loads are asked), or None."""
    values = [v for run in runs_of(results, load, server) if (v := value(run, key)) is not None]
    if not values:
        return None
    return max(values) if load == ALL else statistics.median(values)


def ratio(results, load, key, base, server="eventbus"):
    """The median of the ratios within each round, or None."""
    pairs = zip(runs_of(results, load, server), runs_of(results, load, base))
    ratios = [value(ours, key) / value(theirs, key) for ours, theirs in pairs
              if value(ours, key) is not None and value(theirs, key)]
    return statistics.median(ratios) if ratios else None


def faults(run, load):
    """What was lost, repeated, out of order or closed, as text; empty if all is exact."""
    keys = ["lost", "duplicates", "closed", "failed", "http_other"] + (["reordered"] if load.ordered else [])
    return ", ".join(f"{key} {run[key]:g}" for key in keys if run.get(key))
