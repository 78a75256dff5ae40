#pragma once

#include <utility>
#include <vector>

#include "fanbench/basics.h"

// Messages are templates: {seq} {t} {user} {room} {i} {n} {token} {pad} {items}.
struct Vars {
    u64 seq = 0, t = 0, n = 0, i = 0, room = 0;
    string_view user, token, pad, items;
};
struct Template {
    struct Seg {
        int kind;
        string lit;
    };
    std::vector<Seg> segs;
    enum { LIT, SEQ, T, USER, ROOM, I, N, TOKEN, PAD, ITEMS };
    bool empty() const { return segs.empty(); }
    void parse(const string& s) {
        static const std::pair<const char*, int> names[] = {
            {"{seq}", SEQ}, {"{t}", T},         {"{user}", USER}, {"{room}", ROOM},  {"{i}", I},
            {"{n}", N},     {"{token}", TOKEN}, {"{pad}", PAD},   {"{items}", ITEMS}};
        segs.clear();
        string lit;
        for (size_t p = 0; p < s.size();) {
            bool hit = false;
            if (s[p] == '{')
                for (auto& [nm, k] : names)
                    if (s.compare(p, strlen(nm), nm) == 0) {
                        if (!lit.empty()) segs.push_back({LIT, lit});
                        lit.clear();
                        segs.push_back({k, ""});
                        p += strlen(nm);
                        hit = true;
                        break;
                    }
            if (!hit) lit += s[p++];
        }
        if (!lit.empty()) segs.push_back({LIT, lit});
    }
    void put(string& o, const Vars& v) const {
        auto num = [&](u64 x) {
            char b[24];
            int n = snprintf(b, sizeof b, "%llu", (unsigned long long)x);
            o.append(b, n);
        };
        for (auto& s : segs) switch (s.kind) {
                case LIT:
                    o += s.lit;
                    break;
                case SEQ:
                    num(v.seq);
                    break;
                case T:
                    num(v.t);
                    break;
                case USER:
                    o += v.user;
                    break;
                case ROOM:
                    num(v.room);
                    break;
                case I:
                    num(v.i);
                    break;
                case N:
                    num(v.n);
                    break;
                case TOKEN:
                    o += v.token;
                    break;
                case PAD:
                    o += v.pad;
                    break;
                case ITEMS:
                    o += v.items;
                    break;
            }
    }
    string str(const Vars& v) const {
        string o;
        put(o, v);
        return o;
    }
};
