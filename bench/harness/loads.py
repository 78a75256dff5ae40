"""The loads: which flags of fanbench each is, and on which servers it is run."""
from dataclasses import dataclass

FLOORS = ("floor send", "floor uring1")


@dataclass(frozen=True)
class Load:
    name: str
    title: str
    kind: str
    flags: str
    others: tuple = ("floor send", "socket.io")  # measured beside ours, in the same rounds
    rounds_max: int = 99
    ordered: bool = True  # between several publishers order is nobody's promise


LOADS = {load.name: load for load in (
    Load("fanout1k", "1,000 sockets, 20 events/s, one a turn", "fanout",
         "--workload fanout --conns 1000 --rate 20 --secs 4 --warmup 0.5", (*FLOORS, "socket.io")),
    Load("fanout5k", "5,000 sockets, 4 events/s, one a turn", "fanout",
         "--workload fanout --conns 5000 --rate 4 --secs 4", (*FLOORS, "socket.io")),
    Load("cores", "5,000 sockets, by one reactor on one core and by two on two", "fanout",
         "--workload fanout --conns 5000 --rate 4 --secs 4", ("eventbus, 2 reactors",)),
    Load("group8", "1,000 sockets, 8 events a turn", "fanout",
         "--workload fanout --conns 1000 --rate 80 --group 8 --secs 4 --warmup 0.5"),
    Load("group64", "1,000 sockets, 64 events a turn", "fanout",
         "--workload fanout --conns 1000 --rate 128 --group 64 --secs 4"),
    Load("burst", "200 events at once to 1,000 sockets", "fanout",
         "--workload burst --conns 1000 --msgs 200 --drain 20"),
    Load("unicast1k", "1,000 events/s, each to one of 1,000 users", "unicast",
         "--workload unicast --conns 1000 --rate 1000 --secs 5 --warmup 0.5"),
    Load("http64", "HTTP publish, 64 in flight, one watcher", "http",
         "--workload burst --conns 1 --msgs 40000 --pub-conns 64", ordered=False),
    Load("batch", "HTTP publish, 64 events a request, 4 requests in flight, one watcher", "http",
         "--workload burst --conns 1 --msgs 200000 --pub-window 4 --batch 64 --body [{items}]", ("socket.io",)),
    Load("idle", "5,000 sockets connect, sign in and subscribe", "fanout",
         "--workload idle --conns 5000 --warm 500 --hold 1 --settle 1.5"),
    Load("idle15k", "15,000 idle sockets", "fanout",
         "--workload idle --conns 15000 --warm 500 --hold 1 --settle 2 --src-spread 8", rounds_max=3),
    Load("beat", "5,000 idle sockets for 52 s", "fanout",
         "--workload idle --conns 5000 --warm 100 --hold 52 --settle 1", ("socket.io",), rounds_max=1),
    Load("churn", "1,000 sockets/s come, subscribe and go", "fanout",
         "--workload churn --conns 500 --connect-rate 1000 --secs 4 --src-spread 16"),
    Load("polling", "200 sockets by long polling, 20 events/s", "fanout",
         "--workload fanout --conns 200 --rate 20 --secs 4 --polling", ("socket.io",)),
    Load("resume", "2,000 sockets come back, each missed 100 events", "fanout",
         "--workload resume --conns 2000 --msgs 100 --rate 200 --drain 60 --inflight 256", ("socket.io csr",)),
    Load("slow", "20 of 60 sockets stop reading, 1.2 MB/s each", "fanout",
         "--workload fanout --conns 60 --slow 20 --rate 300 --secs 6 --pad 4000 --drain 8", ("socket.io",)),
    Load("slow0", "the same 40 sockets without those 20", "fanout",
         "--workload fanout --conns 40 --rate 300 --secs 6 --pad 4000 --drain 8", ()),
)}
