#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "fanbench/receive.h"

// The publisher, over sockets or over HTTP, and the phases that a workload is made of.
struct Publisher {
    u64 n = 0, total = 0, t_start = 0, t_last = 0;
    u64 rooms = 1;
    std::vector<u64> room_seq, room_size;
    u64 expected = 0;
    size_t rr = 0;
    string host;
    string path;
    bool active = false;
    double rate = 0;

    void begin(u64 total_, double rate_) {
        total = n + total_;
        rate = rate_;
        t_start = now_ns();
        base = n;
        active = true;
    }
    u64 base = 0;
    bool done() const { return n >= total; }
    u64 due(u64 k) const {  // when message k of this round is due
        if (rate <= 0) return 0;
        u64 tick = (k - base) / O.group;
        return t_start + u64(double(tick) * O.group * 1e9 / rate);
    }
    void one(string& out, const Template& t, u64 due_t) {
        Vars v;
        u64 room = n % rooms;
        string ub;
        Vars w;
        w.i = room;
        w.room = room;
        ub = t_user.str(w);
        v.i = room;
        v.room = room;
        v.user = ub;
        v.seq = room_seq[room]++;
        v.n = n;
        v.t = (rate > 0 && !O.t_actual) ? due_t : now_ns();
        v.pad = padding;
        auto& tk = O.pub_tokens.empty() ? O.tokens : O.pub_tokens;
        if (!tk.empty()) v.token = tk[0];
        t.put(out, v);
        expected += room_size[room];
        n++;
    }
    int pump() {  // returns ms until next due (or -1 when nothing to do)
        if (!active || done()) return -1;
        u64 t = now_ns();
        if (O.pub == "sock") return pump_sock(t);
        if (O.pub == "http") return pump_http(t);
        return -1;
    }
    int wait_ms(u64 t) const {
        u64 d = due(n);
        if (d <= t) return 0;
        return int((d - t) / 1000000);
    }
    int pump_sock(u64 t) {
        string m;
        int budget = 4096;
        while (!done() && budget-- > 0) {
            u64 d = due(n);
            if (d > t) break;
            Conn& c = *pubs[rr++ % pubs.size()];
            if (c.fd < 0) die("publisher connection lost");
            if (c.wbuf.size() - c.woff > (1u << 18)) {
                flush_all();
                return 1;
            }
            if (O.pub_window && outstanding_acks >= u64(O.pub_window)) {
                flush_all();
                return 1;
            }
            m.clear();
            one(m, t_msg, d);
            if (O.pub_window) {
                if (ack_sent.size() < n) ack_sent.resize(std::max<size_t>(n * 2, 1024), 0);
                ack_sent[n - 1] = now_ns();
                outstanding_acks++;
            }
            say(c, m, false);
            S.pub_sent++;
        }
        flush_all();
        t_last = now_ns();
        if (done()) return -1;
        return wait_ms(now_ns());
    }
    void flush_all() {
        for (auto& c : pubs)
            if (c->fd >= 0 && c->wbuf.size() > c->woff && !c->want_out) flush(*c);
    }
    int pump_http(u64 t) {
        size_t W = O.pub_window ? O.pub_window : 1;
        size_t tried = 0;
        while (!done() && tried < pubs.size()) {
            Conn& c = *pubs[rr++ % pubs.size()];
            tried++;
            if (c.fd < 0) {
                start(c);
                continue;
            }
            if (c.state != READY) continue;
            while (c.sent.size() < W && !done()) {
                u64 d = due(n);
                if (d > t) {
                    flush_all();
                    return wait_ms(t);
                }
                string body, hp;
                Vars pv;
                pv.i = pv.room = n % rooms;
                pv.n = n;
                t_httppath.put(hp, pv);
                u32 k = 0;
                if (!t_item.empty()) {
                    string items;
                    for (; k < u32(O.batch) && !done() && due(n) <= t; k++) {
                        if (k) items += ",";
                        one(items, t_item, due(n));
                    }
                    Vars v;
                    v.items = items;
                    t_body.put(body, v);
                } else {
                    one(body, t_body, d);
                    k = 1;
                }
                string& o = c.wbuf;
                o += O.method + " " + hp + " HTTP/1.1\r\nHost: " + host +
                     "\r\nContent-Type: " + O.ctype +
                     "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
                for (auto& h : O.pub_headers) o += h + "\r\n";
                if (!O.pub_tokens.empty()) o += "Authorization: Bearer " + O.pub_tokens[0] + "\r\n";
                o += "\r\n";
                o += body;
                c.sent.push_back({now_ns(), k});
                S.pub_sent += k;
                tried = 0;
            }
            if (c.wbuf.size() > c.woff && !c.want_out) flush(c);
        }
        t_last = now_ns();
        if (done()) return -1;
        return std::max(1, wait_ms(now_ns()));
    }
};
inline Publisher P;

inline size_t parse_http(Conn& c, const char* d, size_t n, u64 rx) {
    size_t p = 0;
    Response answer;
    while (p < n && read_response(string_view(d + p, n - p), answer)) {
        if (answer.status >= 200 && answer.status < 300)
            S.http_ok++;
        else {
            if (!S.http_bad) {
                S.http_first_bad = answer.status;
                fprintf(stderr, "fanbench: publish answered: %.*s\n",
                        int(std::min<size_t>(answer.size, 400)), d + p);
            }
            S.http_bad++;
        }
        if (!c.sent.empty()) {
            pub_lat.add(rx - c.sent.front().first);
            c.sent.pop_front();
        }
        p += answer.size;
        if (answer.closes) {
            drop(c, false);
            return n;
        }
    }
    return p;
}

inline void check_time() {
    if (now_ns() > hard_end) die("hard end reached (--max-secs)");
}
inline bool run_until(const std::function<bool()>& cond, double secs) {
    u64 end = now_ns() + u64(secs * 1e9);
    while (!cond()) {
        check_time();
        u64 t = now_ns();
        if (t >= end) return false;
        int w = P.pump();
        int left = int((end - t) / 1000000) + 1;
        int to = w < 0 ? std::min(20, left) : std::min({w, 20, left});
        step(spinning ? 0 : to);
    }
    return true;
}
inline bool connect_all(std::vector<std::unique_ptr<Conn>>& v, size_t first, size_t last,
                        u64& ready_counter, double timeout) {
    u64 want = ready_counter + (last - first);
    size_t next = first;
    u64 t0 = now_ns();
    u64 fail0 = S.failed;
    u64 end = t0 + u64(timeout * 1e9);
    while (ready_counter + (S.failed - fail0) < want) {
        check_time();
        u64 t = now_ns();
        if (t > end) return false;
        while (
            next < last && (v[next]->role != SUB || handshaking < u64(O.inflight)) &&
            (O.connect_rate <= 0 || double(next - first) <= double(t - t0) / 1e9 * O.connect_rate))
            start(*v[next++]);
        P.pump();
        step(O.connect_rate > 0 ? 1 : 5);
    }
    return S.failed == fail0;
}
inline void close_subs() {
    closing = true;
    for (auto& c : subs) drop(*c, false);
    closing = false;
}
