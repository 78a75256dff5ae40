#pragma once

#include <algorithm>
#include <memory>

#include "fanbench/connection.h"

// What a connection receives: frames, packets, events; and the loop that waits for them.
inline u64 parse_u64(const char* p, const char* e) {
    u64 v = 0;
    while (p < e && *p == ' ') p++;
    while (p < e && *p >= '0' && *p <= '9') v = v * 10 + (*p++ - '0');
    return v;
}
inline const char* find_key(string_view m, const string& k, size_t& hint) {
    if (hint + k.size() <= m.size() && memcmp(m.data() + hint, k.data(), k.size()) == 0)
        return m.data() + hint + k.size();
    const void* p = memmem(m.data(), m.size(), k.data(), k.size());
    if (!p) return nullptr;
    hint = (const char*)p - m.data();
    return (const char*)p + k.size();
}
inline string json_field(string_view m, const char* key) {
    string k = string("\"") + key + "\":\"";
    size_t p = m.find(k);
    if (p == string_view::npos) return "";
    p += k.size();
    size_t q = m.find('"', p);
    return q == string_view::npos ? "" : string(m.substr(p, q - p));
}

inline void event(Conn& c, string_view m, u64 rx) {
    static size_t h_seq = 0, h_t = 0;
    if (!O.match.empty() && m.compare(0, O.match.size(), O.match) != 0) {
        S.other++;
        return;
    }
    const char* p = find_key(m, O.seq_key, h_seq);
    if (!p) {
        if (O.match.empty())
            S.other++;
        else
            S.received++, S.unseq++, c.got++;
        return;
    }
    const char* e = m.data() + m.size();
    u64 seq = parse_u64(p, e);
    S.received++;
    S.bytes += m.size();
    c.got++;
    if (seq == c.expect) {
        c.window = (c.window << 1) | 1;
        c.expect++;
    } else if (seq > c.expect) {
        u64 gap = seq - c.expect;
        S.gaps += gap;
        c.window = gap >= 63 ? 1 : ((c.window << (gap + 1)) | 1);
        c.expect = seq + 1;
    } else {
        u64 back = c.expect - 1 - seq;
        if (back < 64 && !(c.window >> back & 1)) {
            S.reorder++;
            S.gaps--;
            c.window |= 1ull << back;
        } else
            S.dup++;
    }
    if (const char* q = find_key(m, O.t_key, h_t)) {
        u64 t = parse_u64(q, e);
        if (t >= lat_from && t) lat.add(rx > t ? rx - t : 0);
    }
    if (c.dialect == SIO && (O.workload == "resume")) {
        size_t z = m.rfind('"');
        if (z != string_view::npos && z > 0) {
            size_t y = m.rfind('"', z - 1);
            if (y != string_view::npos && m.substr(z) == "\"]")
                c.offset = string(m.substr(y + 1, z - y - 1));
        }
    }
    if (!S.first_rx) S.first_rx = rx;
    S.last_rx = rx;
}

inline void message(Conn& c, string_view m, u64 rx) {
    if (c.dialect == SIO) {
        if (m.empty()) return;
        if (m[0] == '2') {
            string pong(m);
            pong[0] = '3';
            say(c, pong);
            return;
        }
        if (m[0] == '0' && c.state == OPENING) {
            string ub;
            Vars v = vars_for(c, ub);
            string a = (c.role == SUB ? t_auth : t_pub_auth).str(v);
            if (resuming && !c.pid.empty()) {
                string extra = "\"pid\":\"" + c.pid + "\",\"offset\":\"" + c.offset + "\"";
                if (a.size() > 2)
                    a = "{" + extra + "," + a.substr(1);
                else
                    a = "{" + extra + "}";
            }
            say(c, "40" + a);
            return;
        }
        if (m.size() > 1 && m[0] == '4' && m[1] == '0' && c.state == OPENING) {
            string sid = json_field(m, "sid");
            c.recovered = resuming && sid == c.sid && !sid.empty();
            if (c.recovered) recovered_n++;
            c.sid = sid;
            c.pid = json_field(m, "pid");
            joined(c);
            return;
        }
        if (m.size() > 1 && m[0] == '4' && m[1] == '4') {
            if (S.failed < 3)
                fprintf(stderr, "fanbench: refused: %.*s\n", int(std::min<size_t>(m.size(), 200)),
                        m.data());
            drop(c, true);
            return;
        }
        if (c.state == JOINING) {
            auto& aw = c.role == SUB ? O.await : O.pub_await;
            if (m.compare(0, aw.size(), aw) == 0) {
                become_ready(c);
                return;
            }
        }
        if (c.role == PUBWS && m.size() > 2 && m[0] == '4' && m[1] == '3') {
            u64 n = parse_u64(m.data() + 2, m.data() + m.size());
            if (n < ack_sent.size() && ack_sent[n]) {
                pub_lat.add(rx - ack_sent[n]);
                ack_sent[n] = 0;
                S.acks++;
                if (outstanding_acks) outstanding_acks--;
            }
            return;
        }
    } else if (c.dialect == RAW && c.state == JOINING) {
        auto& aw = c.role == SUB ? O.await : O.pub_await;
        if (m.compare(0, aw.size(), aw) == 0) {
            become_ready(c);
            return;
        }
    }
    if (c.role == SUB) event(c, m, rx);
}

// returns bytes used
inline size_t parse_frames(Conn& c, const char* d, size_t n, u64 rx) {
    size_t p = 0;
    while (n - p >= 2 && c.fd >= 0) {
        u8 b0 = d[p], b1 = d[p + 1];
        size_t h = 2;
        u64 len = b1 & 127;
        if (len == 126) {
            if (n - p < 4) break;
            len = u64(u8(d[p + 2])) << 8 | u8(d[p + 3]);
            h = 4;
        } else if (len == 127) {
            if (n - p < 10) break;
            len = 0;
            for (int i = 0; i < 8; i++) len = len << 8 | u8(d[p + 2 + i]);
            h = 10;
        }
        if (n - p < h + len) break;
        string_view pl(d + p + h, len);
        p += h + len;
        int op = b0 & 15;
        if (op == 8) {
            if (S.closed + S.failed < 3 && !O.quiet && !closing)
                fprintf(stderr, "fanbench: closed by server: code %d %.*s\n",
                        len >= 2 ? (u8(pl[0]) << 8 | u8(pl[1])) : 0, int(len >= 2 ? len - 2 : 0),
                        len >= 2 ? pl.data() + 2 : "");
            drop(c, true);
            return n;
        }
        if (op == 9) {
            say(c, pl, true, 10);
            continue;
        }
        if (op == 10) continue;
        if (!(b0 & 128) || op == 0) {
            c.frag.append(pl);
            if (!(b0 & 128)) continue;
            string whole;
            whole.swap(c.frag);
            message(c, whole, rx);
            continue;
        }
        message(c, pl, rx);
    }
    return p;
}

struct Response {
    int status = 0;
    string_view body;  // as it came: with its chunks, where it has chunks
    size_t size = 0;   // with its head
    bool closes = false;
};

// Whether all of a response is there.
inline bool read_response(string_view v, Response& r) {
    size_t e = v.find("\r\n\r\n");
    if (e == string_view::npos) return false;
    string head(v.substr(0, e));
    r.status = head.size() > 12 ? atoi(head.c_str() + 9) : 0;
    for (auto& ch : head) ch = char(tolower((u8)ch));
    r.size = e + 4;
    size_t q = head.find("\r\ncontent-length:");
    if (q != string::npos)
        r.size += atol(head.c_str() + q + 17);
    else if (head.find("transfer-encoding: chunked") != string::npos) {
        size_t z = v.find("\r\n0\r\n\r\n", e);
        if (z == string_view::npos && v.substr(e + 4, 5) == "0\r\n\r\n") z = e + 2;
        if (z == string_view::npos) return false;
        r.size = z + 7;
    }
    if (v.size() < r.size) return false;
    r.body = v.substr(e + 4, r.size - e - 4);
    r.closes = head.find("connection: close") != string::npos;
    return true;
}
inline size_t parse_http(Conn& c, const char* d, size_t n, u64 rx);  // publish.h

// Long polling on one connection: a request at a time, a POST where something waits, else a GET.
inline void next_request(Conn& c) {
    string target = O.path;
    if (!c.engine_id.empty()) target += "&sid=" + c.engine_id;
    string& o = c.wbuf;
    o += (c.outgoing.empty() ? "GET " : "POST ") + target + " HTTP/1.1\r\nHost: " + O.host + "\r\n";
    if (!c.outgoing.empty())
        o += "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: " +
             std::to_string(c.outgoing.size()) + "\r\n";
    o += "\r\n" + c.outgoing;
    c.outgoing.clear();
    flush(c);
}
inline size_t parse_polls(Conn& c, const char* d, size_t n, u64 rx) {
    size_t p = 0;
    Response answer;
    while (p < n && c.fd >= 0 && read_response(string_view(d + p, n - p), answer)) {
        if (answer.status != 200) {
            if (S.failed + S.closed < 3)
                fprintf(stderr, "fanbench: a poll was answered: %.*s\n", int(answer.size), d + p);
            drop(c, true);
            return n;
        }
        for (string_view rest = answer.body; !rest.empty() && rest != "ok" && c.fd >= 0;) {
            size_t end = std::min(rest.find('\x1e'), rest.size());
            string_view packet = rest.substr(0, end);
            if (packet[0] == '0') c.engine_id = json_field(packet, "sid");
            message(c, packet, rx);
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        p += answer.size;
        if (c.fd >= 0) next_request(c);
    }
    return p;
}

inline void readable(Conn& c) {
    static std::vector<char> buf(1 << 18);
    ssize_t n = recv(c.fd, buf.data(), buf.size(), 0);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        drop(c, true);
        return;
    }
    if (n == 0) {
        drop(c, true);
        return;
    }
    S.reads++;
    u64 rx = now_ns();
    const char* d = buf.data();
    size_t len = n;
    string whole;
    if (!c.rbuf.empty()) {
        whole.swap(c.rbuf);
        whole.append(buf.data(), n);
        d = whole.data();
        len = whole.size();
    }
    size_t p = 0;
    if (c.role == PUBHTTP) {
        p = parse_http(c, d, len, rx);
    } else if (c.polling) {
        p = parse_polls(c, d, len, rx);
    } else {
        if (c.state == UPGRADING) {
            string_view v(d, len);
            size_t e = v.find("\r\n\r\n");
            if (e == string_view::npos) {
                c.rbuf.assign(d, len);
                return;
            }
            if (v.rfind("HTTP/1.1 101", 0) != 0) {
                if (S.failed < 3)
                    fprintf(stderr, "fanbench: upgrade refused: %.*s\n",
                            int(std::min<size_t>(len, 300)), d);
                drop(c, true);
                return;
            }
            if (v.substr(0, e).find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == string_view::npos) {
                if (S.failed < 3) fprintf(stderr, "fanbench: wrong Sec-WebSocket-Accept\n");
                drop(c, true);
                return;
            }
            p = e + 4;
            c.state = OPENING;
            if (c.dialect == RAW) joined(c);
        }
        if (c.fd >= 0) p += parse_frames(c, d + p, len - p, rx);
    }
    if (c.fd >= 0 && p < len) c.rbuf.assign(d + p, len - p);
}

inline void connected(Conn& c) {
    int err = 0;
    socklen_t l = sizeof err;
    getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &err, &l);
    if (err) {
        if (S.failed < 3) fprintf(stderr, "fanbench: connect: %s\n", strerror(err));
        drop(c, true);
        return;
    }
    if (c.role == PUBHTTP) {
        c.state = OPENING;
        become_ready(c);
        set_events(c, false);
        return;
    }
    if (c.polling) {
        c.state = OPENING;
        next_request(c);
        return;
    }
    c.state = UPGRADING;
    string ub;
    Vars v = vars_for(c, ub);
    string path = c.role == SUB ? O.path : (O.pub_path.empty() ? O.path : O.pub_path);
    Template tp;
    tp.parse(path);
    string r = "GET " + tp.str(v) + " HTTP/1.1\r\nHost: " + O.host + ":" + std::to_string(O.port) +
               "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
               "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for (auto& h : t_headers) {
        h.put(r, v);
        r += "\r\n";
    }
    r += "\r\n";
    c.wbuf += r;
    flush(c);
}

inline void step(int timeout_ms) {
    static epoll_event ev[512];
    int n = epoll_wait(ep, ev, 512, timeout_ms);
    for (int i = 0; i < n; i++) {
        Conn& c = *(Conn*)ev[i].data.ptr;
        if (c.fd < 0) continue;
        if (c.state == CONNECTING) {
            if (ev[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) connected(c);
            continue;
        }
        if (ev[i].events & EPOLLOUT) flush(c);
        if (c.fd >= 0 && ev[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(c);
    }
}
