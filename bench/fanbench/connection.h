#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "fanbench/basics.h"
#include "fanbench/histogram.h"
#include "fanbench/options.h"
#include "fanbench/text.h"

// A connection of the client, and how one is opened.
inline Dialect dialect_of(const string& s) {
    if (s == "raw") return RAW;
    if (s == "sio") return SIO;
    die("unknown dialect %s", s.c_str());
}

enum State : u8 { CLOSED, CONNECTING, UPGRADING, OPENING, JOINING, READY };
enum Role : u8 { SUB, PUBWS, PUBHTTP };
struct Conn {
    int fd = -1;
    State state = CLOSED;
    Role role = SUB;
    Dialect dialect = RAW;
    bool want_out = false, recovered = false;
    u32 idx = 0, room = 0;
    u64 expect = 0, window = 0, got = 0, t0 = 0, close_at = 0;
    string rbuf, wbuf, frag;
    size_t woff = 0;
    string sid, pid, offset;
    // polling
    bool polling = false;
    string engine_id, outgoing;  // packets that wait for a POST
    // http publisher
    std::deque<std::pair<u64, u32>> sent;  // when, how many
};

struct Stats {
    u64 received = 0, other = 0, dup = 0, reorder = 0, gaps = 0, unseq = 0, bytes = 0, closed = 0,
        failed = 0, reads = 0;
    u64 http_ok = 0, http_bad = 0, acks = 0, pub_sent = 0;
    int http_first_bad = 0;
    u64 last_rx = 0, first_rx = 0;
};
inline Stats S;
inline Hist lat, connect_lat, pub_lat;
inline int ep;
inline std::vector<std::unique_ptr<Conn>> subs, pubs;
inline std::vector<Template> t_init, t_pub_init;
inline Template t_httppath, t_auth, t_pub_auth, t_user, t_msg, t_body, t_item;
inline std::vector<Template> t_headers;
inline string padding;
inline u64 ready_subs = 0, ready_pubs = 0, handshaking = 0, recovered_n = 0;
inline u64 hard_end;
inline u64 lat_from = 0;
inline bool resuming = false, closing = false, spinning = false;
inline u8 mask_key[4] = {0x37, 0xfa, 0x21, 0x3d};
inline std::vector<u64> ack_sent;  // by n
inline u64 outstanding_acks = 0;
inline std::function<void(Conn&)> on_ready;

inline void set_events(Conn& c, bool out) {
    if (c.want_out == out) return;
    epoll_event ev{};
    ev.events = EPOLLIN | (out ? EPOLLOUT : 0u);
    ev.data.ptr = &c;
    epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &ev);
    c.want_out = out;
}
inline void drop(Conn& c, bool error) {
    if (c.fd < 0) return;
    if (c.role == SUB && c.state == READY) ready_subs--;
    if (c.role != SUB && c.state == READY) ready_pubs--;
    if (c.role == SUB && c.state != READY) handshaking--;
    if (error && !closing) {
        if (c.state == READY)
            S.closed++;
        else
            S.failed++;
    }
    if (O.linger0) {
        linger l{1, 0};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    close(c.fd);
    c.fd = -1;
    c.state = CLOSED;
    c.rbuf.clear();
    c.wbuf.clear();
    c.woff = 0;
    c.frag.clear();
    c.engine_id.clear();
    c.outgoing.clear();
    c.want_out = false;
}
inline void flush(Conn& c) {
    while (c.woff < c.wbuf.size()) {
        ssize_t n = send(c.fd, c.wbuf.data() + c.woff, c.wbuf.size() - c.woff, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) {
                set_events(c, true);
                return;
            }
            if (errno == EINTR) continue;
            drop(c, true);
            return;
        }
        c.woff += n;
    }
    c.wbuf.clear();
    c.woff = 0;
    if (c.state != CONNECTING) set_events(c, false);
}
inline void frame(string& o, string_view p, u8 op = 1) {
    u8 h[14];
    int n = 0;
    h[n++] = 0x80 | op;
    if (p.size() < 126)
        h[n++] = 0x80 | u8(p.size());
    else if (p.size() < 65536) {
        h[n++] = 0x80 | 126;
        h[n++] = p.size() >> 8;
        h[n++] = p.size();
    } else {
        h[n++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--) h[n++] = u64(p.size()) >> (8 * i);
    }
    memcpy(h + n, mask_key, 4);
    n += 4;
    o.append((char*)h, n);
    size_t at = o.size();
    o.append(p);
    for (size_t i = 0; i < p.size(); i++) o[at + i] ^= mask_key[i & 3];
}
inline void say(Conn& c, string_view p, bool fl = true, u8 op = 1) {
    if (c.polling) {  // said while a response is read; the next request takes it along
        if (!c.outgoing.empty()) c.outgoing += '\x1e';
        c.outgoing += p;
        return;
    }
    frame(c.wbuf, p, op);
    if (fl) flush(c);
}

inline Vars vars_for(const Conn& c, string& userbuf) {
    Vars v;
    v.i = c.idx;
    v.room = c.room;
    Vars w;
    w.i = c.idx;
    w.room = c.room;
    userbuf = t_user.str(w);
    v.user = userbuf;
    auto& tk = c.role == SUB ? O.tokens : (O.pub_tokens.empty() ? O.tokens : O.pub_tokens);
    if (!tk.empty()) v.token = tk[c.idx % tk.size()];
    v.pad = padding;
    return v;
}

inline void start(Conn& c) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c.role == SUB && int(c.idx) < O.slow) {
        int small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    if (O.src_spread > 1 && c.role == SUB) {
        sockaddr_in s{};
        s.sin_family = AF_INET;
        s.sin_addr.s_addr = htonl(0x7f000002u + c.idx % O.src_spread);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (sockaddr*)&s, sizeof s) < 0) die("bind source: %s", strerror(errno));
    }
    sockaddr_in a{};
    a.sin_family = AF_INET;
    int port = c.role == SUB ? O.port : (O.pub_port ? O.pub_port : O.port);
    a.sin_port = htons(port);
    inet_pton(AF_INET, O.host.c_str(), &a.sin_addr);
    c.fd = fd;
    c.state = CONNECTING;
    c.t0 = now_ns();
    if (c.role == SUB) handshaking++;
    if (connect(fd, (sockaddr*)&a, sizeof a) < 0 && errno != EINPROGRESS) {
        drop(c, true);
        return;
    }
    epoll_event ev{};
    ev.events = EPOLLIN | EPOLLOUT;
    ev.data.ptr = &c;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
    c.want_out = true;
}

inline void become_ready(Conn& c) {
    c.state = READY;
    if (c.role == SUB) {
        handshaking--;
        ready_subs++;
        connect_lat.add(now_ns() - c.t0);
    } else
        ready_pubs++;
    if (on_ready) on_ready(c);
}
inline void joined(Conn& c) {  // the transport is up; subscribe
    auto& init = c.role == SUB ? t_init : t_pub_init;
    auto& aw = c.role == SUB ? O.await : O.pub_await;
    if (!(c.recovered && resuming)) {
        string ub;
        Vars v = vars_for(c, ub);
        for (auto& t : init) {
            say(c, t.str(v), false);
        }
        flush(c);
        if (c.fd < 0) return;
        if (!aw.empty()) {
            c.state = JOINING;
            return;
        }
    }
    become_ready(c);
}
