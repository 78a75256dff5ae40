// fanbench: a load client for event-bus servers. One thread, epoll, no libraries but the system's.
// It opens N WebSocket connections, publishes (over HTTP, over a socket, or not at all), and
// reports loss, duplicates, order, latency, and the server's CPU time and memory as one JSON line.
// See README.md beside this file, or run it with --help.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <sstream>

#include "fanbench/process.h"
#include "fanbench/publish.h"

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    parse_args(argc, argv);
    rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    hard_end = now_ns() + u64(O.max_secs * 1e9);
    ep = epoll_create1(EPOLL_CLOEXEC);
    Dialect dl = dialect_of(O.dialect);
    const string socketio = "/socket.io/?EIO=4&transport=";
    if (O.path.empty()) O.path = dl == SIO ? socketio + (O.polling ? "polling" : "websocket") : "/";
    Dialect pdl = O.pub_dialect.empty() ? dl : dialect_of(O.pub_dialect);
    if (O.pub_path.empty() && ((!O.pub_dialect.empty() && pdl != dl) || O.polling))
        O.pub_path = pdl == SIO ? socketio + "websocket" : "/";
    if (O.auth.empty() && !O.tokens.empty()) O.auth = "{\"token\":\"{token}\"}";
    if (O.pub_auth.empty())
        O.pub_auth =
            (!O.pub_tokens.empty() || !O.tokens.empty()) ? "{\"token\":\"{token}\"}" : O.auth;
    t_auth.parse(O.auth);
    t_pub_auth.parse(O.pub_auth);
    t_user.parse(O.user);
    for (auto& s : O.init) t_init.emplace_back().parse(s);
    for (auto& s : O.pub_init) t_pub_init.emplace_back().parse(s);
    for (auto& s : O.headers) t_headers.emplace_back().parse(s);
    padding.assign(O.pad, 'x');
    if (O.item.empty() && O.batch > 1) {
        O.item = O.body;
        O.body = "[{items}]";
    }
    t_msg.parse(O.pub_msg);
    t_body.parse(O.body);
    t_item.parse(O.item);
    bool publishes = O.workload == "fanout" || O.workload == "unicast" || O.workload == "burst" ||
                     O.workload == "resume";
    if (!publishes) O.pub = "none";
    if (publishes && O.pub == "sock" && O.pub_msg.empty()) die("--pub-msg is needed");
    if (publishes && O.pub == "http" && (O.body.empty() || O.url.empty()))
        die("--url and --body are needed");
    if (O.pub == "http") {
        string u = O.url;
        if (u.rfind("http://", 0) != 0) die("--url http://host:port/path");
        u = u.substr(7);
        size_t s = u.find('/');
        P.host = u.substr(0, s);
        P.path = s == string::npos ? "/" : u.substr(s);
        t_httppath.parse(P.path);
        size_t col = P.host.find(':');
        O.pub_port = col == string::npos ? 80 : atoi(P.host.c_str() + col + 1);
    }
    u64 rooms = O.rooms > 0 ? O.rooms : (O.workload == "unicast" ? O.conns : 1);
    P.rooms = rooms;
    P.room_seq.assign(rooms, 0);
    P.room_size.assign(rooms, 0);
    for (int i = 0; i < O.conns; i++) {
        auto c = std::make_unique<Conn>();
        c->idx = i;
        c->room = i % rooms;
        c->dialect = dl;
        c->polling = O.polling;
        P.room_size[c->room]++;
        subs.push_back(std::move(c));
    }
    std::vector<int> pids = O.pids;
    if (O.children) pids = descendants(pids);

    if (O.warm > 0) {
        u64 w = std::min<u64>(O.warm, subs.size());
        connect_all(subs, 0, w, ready_subs, O.connect_timeout);
        close_subs();
        connect_lat = Hist();
        S = Stats();
        run_until([] { return false; }, O.settle);
        if (O.children) pids = descendants(O.pids);
    }

    std::ostringstream js;
    js.setf(std::ios::fixed);
    js.precision(3);
    bool first = true;
    auto put = [&](const char* k, const string& v) {
        js << (first ? "{" : ",") << "\"" << k << "\":" << v;
        first = false;
    };
    auto num = [&](const char* k, double v) {
        char b[64];
        if (v == double((long long)v))
            snprintf(b, sizeof b, "%lld", (long long)v);
        else
            snprintf(b, sizeof b, "%.4g", v);
        if (std::abs(v) >= 1000 && v != double((long long)v)) snprintf(b, sizeof b, "%.1f", v);
        put(k, b);
    };
    put("label", "\"" + O.label + "\"");
    put("workload", "\"" + O.workload + "\"");
    num("conns", O.conns);

    Mem m0 = read_mem(pids);
    Cpu c0 = read_cpu(pids);
    u64 tc0 = now_ns();
    int rc = 0;

    if (O.workload == "churn") {
        // open at a rate, close after --hold; slots are reused
        double R = O.connect_rate > 0 ? O.connect_rate : 500;
        u64 total = u64(R * (O.secs > 0 ? O.secs : 5));
        u64 started = 0, finished = 0;
        std::deque<Conn*> freeq, holdq;
        for (auto& c : subs) freeq.push_back(c.get());
        on_ready = [&](Conn& c) {
            c.close_at = now_ns() + u64(O.hold * 1e9);
            holdq.push_back(&c);
        };
        u64 t0 = now_ns();
        while (finished + S.failed + S.closed < total) {
            check_time();
            u64 t = now_ns();
            if (t - t0 > u64((O.secs + O.drain + 10) * 1e9)) break;
            while (started < total && !freeq.empty() && handshaking < u64(O.inflight) &&
                   double(started) <= double(t - t0) / 1e9 * R) {
                Conn* c = freeq.front();
                freeq.pop_front();
                start(*c);
                started++;
            }
            step(1);
            t = now_ns();
            while (!holdq.empty() && (holdq.front()->close_at <= t || holdq.front()->fd < 0)) {
                Conn* c = holdq.front();
                holdq.pop_front();
                if (c->fd >= 0) {
                    say(*c, string_view("\x03\xe8", 2), true, 8);
                    closing = true;
                    drop(*c, false);
                    closing = false;
                    finished++;
                }
                freeq.push_back(c);
            }
            if (S.failed + S.closed)
                for (auto& c : subs)
                    if (c->fd < 0 && std::find(freeq.begin(), freeq.end(), c.get()) == freeq.end())
                        freeq.push_back(c.get());
        }
        double el = (now_ns() - t0) / 1e9;
        run_until([] { return false; }, O.settle);
        Cpu c1 = read_cpu(pids);
        Mem m1 = read_mem(pids);
        num("cycles", double(finished));
        num("failed", double(S.failed));
        num("secs", el);
        num("cycles_per_s", finished / el);
        num("server_cpu_us_per_cycle", finished ? (c1.total_us - c0.total_us) / finished : 0);
        num("rss_growth_bytes", m1.rss - m0.rss);
        put("connect", connect_lat.json());
        rc = finished == total ? 0 : 1;
        js << "}";
        puts(js.str().c_str());
        return rc;
    }

    bool ok = connect_all(subs, 0, subs.size(), ready_subs, O.connect_timeout);
    double connect_s = (now_ns() - tc0) / 1e9;
    Cpu c1 = read_cpu(pids);
    num("ready", double(ready_subs));
    num("connect_s", connect_s);
    num("connects_per_s", ready_subs / connect_s);
    if (!pids.empty())
        num("server_cpu_us_per_connect", ready_subs ? (c1.total_us - c0.total_us) / ready_subs : 0);
    put("connect", connect_lat.json());
    if (!ok) {
        num("failed", double(S.failed));
        rc = 1;
        if (!O.quiet)
            fprintf(stderr, "fanbench: only %llu of %d connections are ready\n",
                    (unsigned long long)ready_subs, O.conns);
    }
    if (ready_subs == 0 && O.conns) die("no connection became ready");

    // publisher connections
    if (O.pub == "sock" || O.pub == "http") {
        for (int i = 0; i < O.pub_conns; i++) {
            auto c = std::make_unique<Conn>();
            c->idx = i;
            c->role = O.pub == "sock" ? PUBWS : PUBHTTP;
            c->dialect = pdl;
            pubs.push_back(std::move(c));
        }
        if (!connect_all(pubs, 0, pubs.size(), ready_pubs, 10)) die("publisher cannot connect");
    }
    run_until([] { return false; }, O.settle);
    Mem m1 = read_mem(pids);
    if (!pids.empty()) {
        num("rss0_bytes", m0.rss);
        num("rss1_bytes", m1.rss);
        num("rss_per_conn", (m1.rss - m0.rss) / std::max<u64>(1, ready_subs));
        num("pss_per_conn", (m1.pss - m0.pss) / std::max<u64>(1, ready_subs));
        num("uss_per_conn", (m1.uss - m0.uss) / std::max<u64>(1, ready_subs));
        num("kernel_per_conn", (m1.kernel - m0.kernel) / std::max<u64>(1, ready_subs));
    }

    if (O.workload == "idle") {
        Cpu a = read_cpu(pids);
        u64 t = now_ns();
        double hold = O.hold > 0 ? O.hold : 1;
        run_until([] { return false; }, hold);
        Cpu b = read_cpu(pids);
        Mem m2 = read_mem(pids);
        num("hold_s", (now_ns() - t) / 1e9);
        if (!pids.empty()) {
            num("idle_cpu_us_per_conn_s", (b.total_us - a.total_us) / ready_subs / hold);
            num("rss_per_conn_end", (m2.rss - m0.rss) / std::max<u64>(1, ready_subs));
        }
        num("closed", double(S.closed));
        js << "}";
        puts(js.str().c_str());
        return rc;
    }

    for (int i = 0; i < O.slow && i < O.conns; i++) {  // from here on nobody reads these
        Conn& c = *subs[i];
        if (c.fd < 0) continue;
        epoll_ctl(ep, EPOLL_CTL_DEL, c.fd, nullptr);
        P.room_size[c.room]--;
    }
    rusage ru0, ru1;
    auto expected_met = [&] { return S.received >= P.expected + S.dup; };
    double secs = O.secs > 0 ? O.secs : 5;
    u64 total = O.msgs ? O.msgs : u64(O.rate * secs);
    double rate = O.workload == "burst" ? 0 : O.rate;

    if (O.workload == "resume") {
        if (dl != SIO) die("resume needs --dialect sio");
        // 1. some messages, so that every socket has an offset
        P.begin(3 * rooms, 0);
        if (!run_until([&] { return P.done() && expected_met(); }, O.drain))
            fprintf(stderr, "fanbench: first messages incomplete\n");
        u64 without = 0;
        for (auto& c : subs)
            if (c->pid.empty() || c->offset.empty()) without++;
        num("without_pid_or_offset", double(without));
        // 2. drop everybody, publish while they are away
        close_subs();
        run_until([] { return false; }, 0.2);
        u64 before = S.received;
        P.begin(total, rate);
        run_until([&] { return P.done() && outstanding_acks == 0; }, O.max_secs);
        run_until([] { return false; }, O.away);
        // 3. everybody comes back
        resuming = true;
        recovered_n = 0;
        connect_lat = Hist();
        lat_from = ~0ull;
        Cpu a = read_cpu(pids);
        Mem ma = read_mem(pids);
        u64 t0 = now_ns();
        bool all = connect_all(subs, 0, subs.size(), ready_subs, O.connect_timeout);
        double t_conn = (now_ns() - t0) / 1e9;
        bool caught = run_until(expected_met, O.drain);
        double t_all = ((caught && S.last_rx > t0 ? S.last_rx : now_ns()) - t0) / 1e9;
        if (t_all < t_conn) t_all = t_conn;
        Cpu b = read_cpu(pids);
        Mem mb = read_mem(pids);
        u64 replayed = S.received - before;
        // 4. live again
        lat_from = 0;
        lat = Hist();
        P.begin(u64(O.after) * rooms, 0);
        bool after = run_until([&] { return P.done() && expected_met(); }, O.drain);
        num("missed_per_conn", double(total / rooms));
        num("recovered", double(recovered_n));
        num("replayed", double(replayed));
        num("reconnect_s", t_conn);
        num("caught_up_s", t_all);
        num("resumes_per_s", recovered_n / t_all);
        num("replayed_per_s", replayed / t_all);
        if (!pids.empty()) {
            num("server_cpu_us_per_resume",
                (b.total_us - a.total_us) / std::max<u64>(1, subs.size()));
            num("rss_growth_bytes", mb.rss - ma.rss);
        }
        put("all_back", all ? "true" : "false");
        put("live_after", after ? "true" : "false");
        put("reconnect", connect_lat.json());
    } else {
        // warm-up is part of the run but not of the latency
        if (O.workload == "listen") fprintf(stderr, "READY\n");
        getrusage(RUSAGE_SELF, &ru0);
        Cpu a = read_cpu(pids);
        u64 t0 = now_ns();
        lat_from = t0 + u64(O.warmup * 1e9);
        if (O.workload == "listen") {
            run_until([] { return false; }, secs);
            P.expected = 0;
        } else {
            spinning = O.spin;
            P.begin(total, rate);
            double bound = rate > 0 ? total / rate * 2 + 10 : O.max_secs;
            run_until([&] { return P.done(); }, bound);
            run_until(
                [&] {
                    return expected_met() &&
                           (O.pub != "http" ||
                            S.http_ok + S.http_bad >= (S.pub_sent + O.batch - 1) / O.batch) &&
                           outstanding_acks == 0;
                },
                O.drain);
        }
        spinning = false;
        u64 t1 = now_ns();
        Cpu b = read_cpu(pids);
        getrusage(RUSAGE_SELF, &ru1);
        Mem m2 = read_mem(pids);
        double pub_s = (P.t_last - P.t_start) / 1e9;
        u64 endrx = S.last_rx > t0 ? S.last_rx : t1;
        double run_s = (endrx - t0) / 1e9;
        num("published", double(P.n));
        num("publish_s", pub_s);
        num("run_s", run_s);
        if (pub_s > 0) num("published_per_s", P.n / std::max(pub_s, 1e-9));
        num("delivered_per_s", S.received / run_s);
        num("bytes_per_msg", S.received ? double(S.bytes) / S.received : 0);
        num("msgs_per_read", S.reads ? double(S.received) / S.reads : 0);
        put("latency", lat.json());
        if (pub_lat.n) put("publish_latency", pub_lat.json());
        if (!pids.empty()) {
            double cpu = b.total_us - a.total_us;
            num("server_cpu_us", cpu);
            num("server_cpu_us_per_delivery", S.received ? cpu / S.received : 0);
            num("server_cpu_us_per_publish", P.n ? cpu / P.n : 0);
            double us = b.user_us - a.user_us, sy = b.sys_us - a.sys_us;
            num("server_user_share", us + sy > 0 ? us / (us + sy) : 0);
            num("server_cores", cpu / 1e6 / std::max(1e-9, (t1 - t0) / 1e9));
            num("rss_growth_bytes", m2.rss - m1.rss);
        }
        double self = (ru1.ru_utime.tv_sec - ru0.ru_utime.tv_sec + ru1.ru_stime.tv_sec -
                       ru0.ru_stime.tv_sec) *
                          1e6 +
                      (ru1.ru_utime.tv_usec - ru0.ru_utime.tv_usec + ru1.ru_stime.tv_usec -
                       ru0.ru_stime.tv_usec);
        num("client_cores", self / 1e6 / std::max(1e-9, (t1 - t0) / 1e9));
    }
    // what is missing at the tail has no gap behind it, so count against what was published
    u64 lost = 0, incomplete = 0;
    if (O.pub != "none") {
        for (auto& c : subs) {
            if (int(c->idx) < O.slow) continue;
            u64 want = P.room_seq[c->room];
            if (c->expect < want) lost += want - c->expect;
            if (c->got < want) incomplete++;
        }
    }
    lost += S.gaps;
    if (O.slow) {  // what became of those that did not read: read what the kernel holds, then see
                   // whether the server closed
        u64 cut = 0, kept = 0;
        for (int i = 0; i < O.slow && i < O.conns; i++) {
            Conn& c = *subs[i];
            if (c.fd < 0) continue;
            std::vector<char> b(1 << 18);
            u64 end = now_ns() + 3000000000ull;
            bool eof = false;
            u64 quiet = now_ns();
            while (now_ns() < end && now_ns() - quiet < 300000000ull) {
                ssize_t n = recv(c.fd, b.data(), b.size(), 0);
                if (n > 0)
                    quiet = now_ns();
                else if (n == 0 || errno != EAGAIN) {
                    eof = true;
                    break;
                } else
                    usleep(2000);
            }
            (eof ? cut : kept)++;
        }
        num("slow_closed_by_server", double(cut));
        num("slow_still_open", double(kept));
    }
    num("expected", double(P.expected));
    num("received", double(S.received));
    num("lost", double(lost));
    num("duplicates", double(S.dup));
    num("reordered", double(S.reorder));
    num("incomplete_conns", double(incomplete));
    num("closed", double(S.closed));
    num("other", double(S.other));
    if (O.pub == "http") {
        num("http_2xx", double(S.http_ok));
        num("http_other", double(S.http_bad));
    }
    if (S.acks) num("acks", double(S.acks));
    if (lost || S.dup || S.reorder || S.closed || S.http_bad) rc = 1;
    js << "}";
    puts(js.str().c_str());
    return rc;
}
