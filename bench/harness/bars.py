"""Issue 4's table: what each row measures, and the bars that must hold."""
from dataclasses import dataclass

from harness.figures import figure, ratio


@dataclass(frozen=True)
class Bar:
    """`key` of `load` on our server, or its ratio to `of`, is at most (or at least) `must`."""
    row: str
    load: str
    key: str
    must: float
    reach: float | None = None  # what we are after
    unit: str = ""
    of: str = ""       # a server of the same rounds
    of_load: str = ""  # ours under another load
    at_least: bool = False

    def measured(self, results):
        """The figure, or None where the run has none."""
        if self.of_load:
            base = figure(results, self.of_load, "eventbus", self.key)
            ours = figure(results, self.load, "eventbus", self.key)
            return ours / base if ours is not None and base else None
        if self.of:
            return ratio(results, self.load, self.key, self.of)
        return figure(results, self.load, "eventbus", self.key)

    def verdict(self, value):
        def holds(limit):
            return value >= limit if self.at_least else value <= limit
        if not holds(self.must):
            return "missed"
        return "reached" if self.reach is not None and holds(self.reach) else "ok"

    def text(self):
        sign = "≥" if self.at_least else "≤"
        of = f" × {self.of or self.of_load}" if self.of or self.of_load else f" {self.unit}"
        reach = "" if self.reach is None else f" (reach {self.reach:,g})"
        return f"{sign} {self.must:,.10g}{of}".rstrip() + reach


CPU = "server_cpu_us_per_delivery"
FLOOR, PEER, PEER_CSR = "floor send", "socket.io", "socket.io csr"

# A connect may cost 90 µs and what a token costs that was never seen: `token` of bench_micro.
TOKEN_CHECK_US = 5


def against_both(row, load, floor, reach, peer):
    return [Bar(row, load, CPU, floor, reach, of=FLOOR), Bar(row, load, CPU, peer, of=PEER)]


BARS = [
    *against_both("1", "fanout1k", 1.15, 0.95, 0.5),
    *against_both("1", "fanout5k", 1.15, 0.95, 0.5),
    *against_both("2", "group8", 0.25, 0.18, 0.14),
    *against_both("3", "group64", 0.10, 0.045, 0.06),
    *against_both("3", "burst", 0.10, 0.045, 0.06),
    *against_both("4", "unicast1k", 2.2, 1.5, 0.35),
    Bar("4", "unicast1k", "latency.p50_us", 100, 60, "µs"),
    *against_both("5", "http64", 2.0, 1.5, 0.45),
    Bar("6", "batch", "events_per_s_and_core", 250_000, 500_000, at_least=True),
    Bar("7", "idle15k", "uss_per_conn", 3_000, 1_500, "B"),
    Bar("7", "idle15k", "uss_per_conn", 0.22, of=PEER),
    Bar("8", "idle", "server_cpu_us_per_connect", 90 + TOKEN_CHECK_US, 60 + TOKEN_CHECK_US, "µs"),
    Bar("8", "idle", "server_cpu_us_per_connect", 0.25, of=PEER),
    Bar("8", "idle", "cpu_s_per_10k_connects", 2, unit="s"),
    Bar("9", "fanout1k", "latency.p50_us", 1.1, 1.0, of=FLOOR),
    Bar("9", "fanout1k", "latency.p99_us", 1.3, 1.0, of=FLOOR),
    Bar("10", "resume", "server_cpu_us_per_resume", 175, 100, "µs"),
    Bar("10", "resume", "resumes_per_s", 10, of=PEER_CSR, at_least=True),
    Bar("10", "resume", "recovered", 2_000, at_least=True),
    Bar("11", "slow", "slow_closed_by_server", 20, at_least=True),
    Bar("11", "slow", "rss_growth_bytes", 20 << 20, unit="B"),
    Bar("11", "slow", "latency.p99_us", 1.2, of_load="slow0"),
    Bar("12", "beat", "idle_cpu_us_per_conn_s", 1.0, 0.6, "µs"),
    Bar("12", "beat", "idle_cpu_us_per_conn_s", 0.25, of=PEER),
    # Two cores do 1.8 times the work of one if a delivery costs at most a ninth more there.
    Bar("–", "cores", CPU, 0.9, of="eventbus, 2 reactors", at_least=True),
    Bar("–", "*", "longest_turn_ms", 5, unit="ms"),
]
