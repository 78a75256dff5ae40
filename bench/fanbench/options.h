#pragma once

#include <ctype.h>

#include <fstream>
#include <string>
#include <vector>

#include "fanbench/basics.h"

enum Dialect { RAW, SIO };
struct Opt {
    string workload = "fanout", label, host = "127.0.0.1", path, dialect = "raw";
    int port = 8080, conns = 100, rooms = 0, inflight = 128, src_spread = 1;
    double connect_rate = 0;
    std::vector<string> headers, init, tokens, pub_tokens, pub_headers, pub_init;
    string auth, auth_none, await, user = "u{i}", match, seq_key = "\"seq\":", t_key = "\"t\":";
    string pub = "sock", pub_msg, pub_path, pub_dialect, pub_auth, pub_await, url, body, item,
           ctype = "application/json", method = "POST";
    int pub_conns = 1, batch = 1, pub_window = 0, group = 1, pub_port = 0;
    double rate = 0, secs = 0;
    u64 msgs = 0;
    int pad = 0;
    double drain = 5, settle = 0.5, max_secs = 180, connect_timeout = 60, away = 1, hold = 0,
           warmup = 0;
    int warm = 0, after = 3, slow = 0;
    std::vector<int> pids;
    bool polling = false, spin = false, children = false, json = false, quiet = false,
         t_actual = false, linger0 = false;
};
inline Opt O;

inline const char* const HELP =
    R"(fanbench: load client for event-bus servers (WebSocket subscribers; HTTP or WebSocket publishers)

 --workload fanout|unicast|burst|idle|churn|resume|listen   (default fanout)
     fanout   --rate messages/s for --secs, each to the subscribers of one room (--rooms for more rooms)
     unicast  the same, every connection is its own room
     burst    --msgs messages as fast as the publisher can
     idle     memory and CPU of --conns quiet connections, held for --hold seconds
     churn    --connect-rate connections/s for --secs; each closes --hold seconds after it is ready
     resume   (sio) connect, drop all, publish --msgs while away, reconnect with pid+offset, all must catch up
     listen   somebody else publishes; count for --secs (READY is printed on stderr)
connections
 --host --port --path  --dialect raw|sio  --polling (sio over HTTP long polling)  --conns N  --rooms R (connection i is in room i mod R)
 --inflight K (handshakes at once, 128)  --connect-rate C/s  --src-spread K (use K loopback source addresses)
 --token-file F (one line for all, or one line per connection)  --header 'K: V' (repeatable)
 --auth TEMPLATE (sio: JSON after 40; default {"token":"{token}"} when there are tokens)
 --init TEMPLATE (repeatable: sent once connected)  --await PREFIX (ready after this message)
 --user TEMPLATE (what {user} means for connection {i}; default u{i})
 --slow K (the first K connections stop reading once they are ready, with a small receive buffer)
receiving
 --match PREFIX (messages that count; default: all that hold the seq key)  --seq-key '"seq":'  --t-key '"t":'
publishing
 --pub sock|http|none   --rate R (messages/s; 0: as fast as it goes)  --secs T | --msgs M
 --group G (G messages back to back per tick; the rate stays)  --warmup S (leave the first S seconds out of latency)
 sock: --pub-msg TEMPLATE  --pub-conns P  --pub-path --pub-port --pub-dialect --pub-token-file --pub-auth --pub-init
       --pub-await PREFIX  --pub-window W (unanswered 42<n>[...] calls, answers 43<n>[...])
 http: --url http://host:port/path  --body TEMPLATE  --batch B with --item TEMPLATE and {items} in the body
       --pub-conns P  --pub-window W (requests in flight per connection, 1)  --pub-header 'K: V'  --ctype
 --pad N ({pad} is N x's)  --t-actual ({t} is the moment of sending, not the moment it was due)
templates: {seq} (per room) {t} (ns) {n} (global number) {room} {user} {i} {token} {pad} {items}
measuring
 --pid P (repeatable) --children (and all their descendants)  --settle S  --warm W (connect and close W first)
 --spin (never sleep while publishing: the server then pays for no wake-ups of this client)
 --drain S (wait at most S for the last messages)  --max-secs S (hard end)  --label NAME  --json  --quiet
)";

inline std::vector<string> read_lines(const string& f) {
    std::ifstream i(f);
    if (!i) die("cannot read %s", f.c_str());
    std::vector<string> v;
    string l;
    while (std::getline(i, l)) {
        while (!l.empty() && isspace((u8)l.back())) l.pop_back();
        if (!l.empty()) v.push_back(l);
    }
    return v;
}

inline void parse_args(int argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        string a = argv[i];
        auto val = [&]() -> string {
            if (i + 1 >= argc) die("%s needs a value", a.c_str());
            return argv[++i];
        };
        if (a == "--help" || a == "-h")
            fputs(HELP, stdout), exit(0);
        else if (a == "--workload")
            O.workload = val();
        else if (a == "--label")
            O.label = val();
        else if (a == "--host")
            O.host = val();
        else if (a == "--port")
            O.port = stoi(val());
        else if (a == "--path")
            O.path = val();
        else if (a == "--dialect")
            O.dialect = val();
        else if (a == "--conns")
            O.conns = stoi(val());
        else if (a == "--rooms")
            O.rooms = stoi(val());
        else if (a == "--inflight")
            O.inflight = stoi(val());
        else if (a == "--src-spread")
            O.src_spread = stoi(val());
        else if (a == "--connect-rate")
            O.connect_rate = stod(val());
        else if (a == "--header")
            O.headers.push_back(val());
        else if (a == "--token-file")
            O.tokens = read_lines(val());
        else if (a == "--auth")
            O.auth = val();
        else if (a == "--init")
            O.init.push_back(val());
        else if (a == "--await")
            O.await = val();
        else if (a == "--user")
            O.user = val();
        else if (a == "--match")
            O.match = val();
        else if (a == "--seq-key")
            O.seq_key = val();
        else if (a == "--t-key")
            O.t_key = val();
        else if (a == "--pub")
            O.pub = val();
        else if (a == "--pub-msg")
            O.pub_msg = val();
        else if (a == "--pub-path")
            O.pub_path = val();
        else if (a == "--pub-port")
            O.pub_port = stoi(val());
        else if (a == "--pub-dialect")
            O.pub_dialect = val();
        else if (a == "--pub-token-file")
            O.pub_tokens = read_lines(val());
        else if (a == "--pub-auth")
            O.pub_auth = val();
        else if (a == "--pub-init")
            O.pub_init.push_back(val());
        else if (a == "--pub-await")
            O.pub_await = val();
        else if (a == "--pub-header")
            O.pub_headers.push_back(val());
        else if (a == "--url")
            O.url = val(), O.pub = "http";
        else if (a == "--body")
            O.body = val();
        else if (a == "--item")
            O.item = val();
        else if (a == "--ctype")
            O.ctype = val();
        else if (a == "--method")
            O.method = val();
        else if (a == "--batch")
            O.batch = stoi(val());
        else if (a == "--pub-conns")
            O.pub_conns = stoi(val());
        else if (a == "--pub-window")
            O.pub_window = stoi(val());
        else if (a == "--group")
            O.group = stoi(val());
        else if (a == "--rate")
            O.rate = stod(val());
        else if (a == "--secs")
            O.secs = stod(val());
        else if (a == "--msgs")
            O.msgs = stoull(val());
        else if (a == "--pad")
            O.pad = stoi(val());
        else if (a == "--drain")
            O.drain = stod(val());
        else if (a == "--settle")
            O.settle = stod(val());
        else if (a == "--warm")
            O.warm = stoi(val());
        else if (a == "--warmup")
            O.warmup = stod(val());
        else if (a == "--slow")
            O.slow = stoi(val());
        else if (a == "--after")
            O.after = stoi(val());
        else if (a == "--away")
            O.away = stod(val());
        else if (a == "--hold")
            O.hold = stod(val());
        else if (a == "--max-secs")
            O.max_secs = stod(val());
        else if (a == "--connect-timeout")
            O.connect_timeout = stod(val());
        else if (a == "--pid")
            O.pids.push_back(stoi(val()));
        else if (a == "--children")
            O.children = true;
        else if (a == "--polling")
            O.polling = true;
        else if (a == "--spin")
            O.spin = true;
        else if (a == "--json")
            O.json = true;
        else if (a == "--quiet")
            O.quiet = true;
        else if (a == "--t-actual")
            O.t_actual = true;
        else if (a == "--linger0")
            O.linger0 = true;
        else
            die("unknown option %s (see --help)", a.c_str());
    }
}
