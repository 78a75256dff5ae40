// floor: what the machine allows. A WebSocket server that does nothing but fan out the same bytes:
// no rooms, no parsing, no log. Every real server is measured as a ratio to it.
//   subscribers connect to "/"; the publisher connects to "/pub" and sends text frames:
//     P<payload>        -> <payload> to every subscriber
//     U<n> <payload>    -> <payload> to the subscriber that said I<n>
//   POST (any path, keep-alive) -> the body to every subscriber, 202 to the publisher
// modes (what happens with the k messages that arrived in one turn of the loop):
//   send      one send() per message and socket          writev    one writev() of k shared frames
//   per socket coalesce  one send() of the k frames, joined once    uring     the same as coalesce
//   through io_uring, 256 sends per submit uring1    as send, through io_uring: one submission
//   entry per message and socket
// usage: floor PORT MODE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

using std::string;
using std::string_view;
enum Mode { SEND, WRITEV, COALESCE, URING, URING1 };

struct Conn {
    int fd = -1;
    bool up = false, pub = false, out = false;
    int slot = -1;  // index in subs
    string in, pending;
};
static int ep;
static Mode mode;
static std::vector<Conn*> subs;
static std::vector<Conn*> byid;
static std::vector<string> turn;  // frames of this turn
static std::vector<Conn*> dead;
static io_uring ring;

static string b64(const unsigned char* p, size_t n) {
    static const char* t = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    string o;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        o += t[v >> 18];
        o += t[v >> 12 & 63];
        o += i + 1 < n ? t[v >> 6 & 63] : '=';
        o += i + 2 < n ? t[v & 63] : '=';
    }
    return o;
}
static string frame(string_view p) {
    string o;
    o += char(0x81);
    if (p.size() < 126)
        o += char(p.size());
    else if (p.size() < 65536) {
        o += char(126);
        o += char(p.size() >> 8);
        o += char(p.size());
    } else {
        o += char(127);
        for (int i = 7; i >= 0; i--) o += char(uint64_t(p.size()) >> (8 * i));
    }
    o += p;
    return o;
}
static void gone(Conn* c) {
    if (c->fd < 0) return;
    if (c->slot >= 0) {
        subs[c->slot] = subs.back();
        subs[c->slot]->slot = c->slot;
        subs.pop_back();
    }
    for (auto& b : byid)
        if (b == c) b = nullptr;
    close(c->fd);
    c->fd = -1;
    dead.push_back(c);
}
static void want_out(Conn* c, bool on) {
    if (c->out == on) return;
    epoll_event e{};
    e.events = EPOLLIN | (on ? EPOLLOUT : 0u);
    e.data.ptr = c;
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    c->out = on;
}
static void rest(Conn* c, const char* d, size_t n) {  // could not send this part
    c->pending.append(d, n);
    want_out(c, true);
}
static void put(Conn* c, const char* d, size_t n) {
    if (!c->pending.empty()) {
        c->pending.append(d, n);
        return;
    }
    ssize_t r = send(c->fd, d, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (r < 0) r = 0;
    if (size_t(r) < n) rest(c, d + r, n - r);
}
static void drain(Conn* c) {
    ssize_t r = send(c->fd, c->pending.data(), c->pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (r > 0) c->pending.erase(0, r);
    if (c->pending.empty()) {
        string().swap(c->pending);
        want_out(c, false);
    }
}

struct Sent {
    Conn* c;
    const char* d;
    unsigned n;
};
static std::vector<Sent> flying;
static void uring_flush() {
    if (flying.empty()) return;
    io_uring_submit_and_wait(&ring, flying.size());
    size_t left = flying.size();
    while (left) {
        io_uring_cqe* cq;
        if (io_uring_wait_cqe(&ring, &cq)) break;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, cq) {
            Sent& s = flying[io_uring_cqe_get_data64(cq)];
            unsigned r = cq->res > 0 ? cq->res : 0;
            if (r < s.n) rest(s.c, s.d + r, s.n - r);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
        left -= seen;
    }
    flying.clear();
}
static void uring_put(Conn* c, const char* d, size_t n) {
    if (!c->pending.empty()) {
        c->pending.append(d, n);
        return;
    }
    if (flying.size() == 256) uring_flush();
    if (!c->pending.empty()) {
        c->pending.append(d, n);
        return;
    }
    io_uring_sqe* q = io_uring_get_sqe(&ring);
    io_uring_prep_send(q, c->fd, d, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    io_uring_sqe_set_data64(q, flying.size());
    flying.push_back({c, d, unsigned(n)});
}

static void fan_out() {
    if (turn.empty()) return;
    if (mode == SEND) {
        for (auto& f : turn)
            for (auto* c : subs) put(c, f.data(), f.size());
    } else if (mode == URING1) {
        for (auto& f : turn) {
            for (auto* c : subs) uring_put(c, f.data(), f.size());
            uring_flush();
        }
    } else if (mode == WRITEV) {
        for (size_t at = 0; at < turn.size(); at += 1024) {
            static iovec v[1024];
            size_t k = std::min<size_t>(1024, turn.size() - at), total = 0;
            for (size_t i = 0; i < k; i++) {
                v[i] = {turn[at + i].data(), turn[at + i].size()};
                total += v[i].iov_len;
            }
            for (auto* c : subs) {
                ssize_t r = 0;
                if (c->pending.empty()) {
                    msghdr m{};
                    m.msg_iov = v;
                    m.msg_iovlen = k;
                    r = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
                    if (r < 0) r = 0;
                }
                if (size_t(r) == total) continue;
                size_t skip = r;
                for (size_t i = 0; i < k; i++) {
                    size_t l = v[i].iov_len;
                    if (skip >= l) {
                        skip -= l;
                        continue;
                    }
                    rest(c, (char*)v[i].iov_base + skip, l - skip);
                    skip = 0;
                }
            }
        }
    } else {
        string all;
        for (auto& f : turn) all += f;
        if (mode == COALESCE)
            for (auto* c : subs) put(c, all.data(), all.size());
        else {
            for (auto* c : subs) uring_put(c, all.data(), all.size());
            uring_flush();
        }
    }
    turn.clear();
}

static void message(Conn* c, string_view m) {
    if (m.empty()) return;
    if (m[0] == 'P')
        turn.push_back(frame(m.substr(1)));
    else if (m[0] == 'I') {
        size_t n = strtoul(string(m.substr(1)).c_str(), nullptr, 10);
        if (n < 1000000) {
            if (byid.size() <= n) byid.resize(n + 1);
            byid[n] = c;
        }
    } else if (m[0] == 'U') {
        size_t sp = m.find(' ');
        if (sp == string_view::npos) return;
        size_t n = 0;
        for (size_t i = 1; i < sp; i++) n = n * 10 + (m[i] - '0');
        if (n < byid.size() && byid[n]) {
            string f = frame(m.substr(sp + 1));
            put(byid[n], f.data(), f.size());
        }
    }
}
static void readable(Conn* c) {
    static char buf[1 << 16];
    ssize_t n = recv(c->fd, buf, sizeof buf, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN) return;
        gone(c);
        return;
    }
    c->in.append(buf, n);
    if (!c->up && (c->in[0] == 'P' || c->pub)) {
        size_t p = 0;
        string out;
        while (p < c->in.size()) {
            string_view v(c->in.data() + p, c->in.size() - p);
            size_t e = v.find("\r\n\r\n"), l = v.find("\r\nContent-Length: ");
            if (e == string_view::npos || l == string_view::npos || l > e) break;
            size_t len = strtoul(v.data() + l + 18, nullptr, 10);
            if (v.size() < e + 4 + len) break;
            turn.push_back(frame(v.substr(e + 4, len)));
            out +=
                "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: "
                "2\r\n\r\n{}";
            p += e + 4 + len;
        }
        c->in.erase(0, p);
        if (!out.empty()) put(c, out.data(), out.size());
        return;
    }
    if (!c->up) {
        size_t e = c->in.find("\r\n\r\n");
        if (e == string::npos) return;
        size_t k = c->in.find("Sec-WebSocket-Key: ");
        if (k == string::npos || k > e) {
            gone(c);
            return;
        }
        k += 19;
        string key =
            c->in.substr(k, c->in.find("\r\n", k) - k) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        unsigned char md[20];
        SHA1((const unsigned char*)key.data(), key.size(), md);
        c->pub = c->in.rfind("GET /pub", 0) == 0;
        string r =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
            "Upgrade\r\nSec-WebSocket-Accept: " +
            b64(md, 20) + "\r\n\r\n";
        put(c, r.data(), r.size());
        c->up = true;
        c->in.erase(0, e + 4);
        if (!c->pub) {
            c->slot = int(subs.size());
            subs.push_back(c);
        }
    }
    size_t p = 0;
    string& s = c->in;
    while (s.size() - p >= 6) {
        unsigned char b0 = s[p];
        uint64_t len = s[p + 1] & 127;
        size_t h = 2;
        if (len == 126) {
            if (s.size() - p < 8) break;
            len = uint64_t((unsigned char)s[p + 2]) << 8 | (unsigned char)s[p + 3];
            h = 4;
        } else if (len == 127) {
            if (s.size() - p < 14) break;
            len = 0;
            for (int i = 0; i < 8; i++) len = len << 8 | (unsigned char)s[p + 2 + i];
            h = 10;
        }
        if (s.size() - p < h + 4 + len) break;
        const char* key = s.data() + p + h;
        char* d = s.data() + p + h + 4;
        for (size_t i = 0; i < len; i++) d[i] ^= key[i & 3];
        if ((b0 & 15) == 8) {
            gone(c);
            return;
        }
        if ((b0 & 15) == 1) message(c, string_view(d, len));
        p += h + 4 + len;
    }
    s.erase(0, p);
    if (s.empty() && s.capacity() > 4096) string().swap(s);
}

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: floor PORT send|writev|coalesce|uring|uring1\n");
        return 2;
    }
    string m = argv[2];
    mode = m == "send"       ? SEND
           : m == "writev"   ? WRITEV
           : m == "coalesce" ? COALESCE
           : m == "uring"    ? URING
                             : URING1;
    signal(SIGPIPE, SIG_IGN);
    rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    if (mode == URING || mode == URING1) {
        io_uring_params pr{};
        pr.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
        if (io_uring_queue_init_params(512, &ring, &pr) < 0) {
            perror("io_uring");
            return 1;
        }
    }
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(atoi(argv[1]));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(ls, (sockaddr*)&a, sizeof a) || listen(ls, 4096)) {
        perror("listen");
        return 1;
    }
    ep = epoll_create1(0);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = nullptr;
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    static epoll_event ev[512];
    for (;;) {
        int n = epoll_wait(ep, ev, 512, -1);
        for (int i = 0; i < n; i++) {
            Conn* c = (Conn*)ev[i].data.ptr;
            if (!c) {
                for (;;) {
                    int fd = accept4(ls, nullptr, nullptr, SOCK_NONBLOCK);
                    if (fd < 0) break;
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    auto* x = new Conn;
                    x->fd = fd;
                    epoll_event y{};
                    y.events = EPOLLIN;
                    y.data.ptr = x;
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &y);
                }
                continue;
            }
            if (c->fd < 0) continue;
            if (ev[i].events & EPOLLOUT) drain(c);
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
        }
        fan_out();
        for (auto* c : dead) delete c;
        dead.clear();
    }
}
