#pragma once

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "fanbench/basics.h"

// What the system says about the server: processor time and memory, from /proc.
struct Cpu {
    double total_us = 0, user_us = 0, sys_us = 0;
};
inline std::vector<int> descendants(const std::vector<int>& roots) {
    std::vector<std::pair<int, int>> pp;
    if (DIR* d = opendir("/proc")) {
        while (dirent* e = readdir(d)) {
            int pid = atoi(e->d_name);
            if (pid <= 0) continue;
            std::ifstream f("/proc/" + std::to_string(pid) + "/stat");
            string l;
            if (!std::getline(f, l)) continue;
            size_t r = l.rfind(')');
            char st;
            int ppid = 0;
            if (r != string::npos && sscanf(l.c_str() + r + 1, " %c %d", &st, &ppid) == 2)
                pp.push_back({pid, ppid});
        }
        closedir(d);
    }
    std::set<int> s(roots.begin(), roots.end());
    for (bool grew = true; grew;) {
        grew = false;
        for (auto& [p, q] : pp)
            if (s.count(q) && s.insert(p).second) grew = true;
    }
    return {s.begin(), s.end()};
}
inline Cpu read_cpu(const std::vector<int>& pids) {
    Cpu c;
    static const double tick = 1e6 / sysconf(_SC_CLK_TCK);
    for (int p : pids) {
        string base = "/proc/" + std::to_string(p);
        std::ifstream f(base + "/stat");
        string l;
        if (!std::getline(f, l)) continue;
        size_t r = l.rfind(')');
        unsigned long long ut = 0, st = 0;
        sscanf(l.c_str() + r + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &ut,
               &st);
        double u = ut * tick, s = st * tick;
        c.user_us += u;
        c.sys_us += s;
        double exact = 0;  // schedstat is in ns; stat is in ticks
        if (DIR* d = opendir((base + "/task").c_str())) {
            while (dirent* e = readdir(d)) {
                if (e->d_name[0] == '.') continue;
                std::ifstream g(base + "/task/" + e->d_name + "/schedstat");
                unsigned long long ns = 0;
                if (g >> ns) exact += ns / 1000.0;
            }
            closedir(d);
        }
        c.total_us += exact > 0 ? exact : u + s;
    }
    return c;
}
struct Mem {
    double rss = 0, pss = 0, uss = 0;  // bytes
    double kernel = 0;                 // of the whole machine: both ends of what is on it
};
inline Mem read_mem(const std::vector<int>& pids) {
    Mem m;
    for (int p : pids) {
        string base = "/proc/" + std::to_string(p), l;
        std::ifstream f(base + "/status");
        while (std::getline(f, l))
            if (l.rfind("VmRSS:", 0) == 0) m.rss += atof(l.c_str() + 6) * 1024;
        std::ifstream g(base + "/smaps_rollup");
        while (std::getline(g, l)) {
            if (l.rfind("Pss:", 0) == 0) m.pss += atof(l.c_str() + 4) * 1024;
            if (l.rfind("Private_", 0) == 0) m.uss += atof(l.c_str() + l.find(':') + 1) * 1024;
        }
    }
    std::ifstream s("/proc/net/sockstat");
    string l;
    while (std::getline(s, l))
        if (l.rfind("TCP:", 0) == 0) {
            size_t q = l.find(" mem ");
            if (q != string::npos) m.kernel += atof(l.c_str() + q + 5) * 4096;
        }
    std::ifstream meminfo("/proc/meminfo");
    while (std::getline(meminfo, l))
        if (l.rfind("Slab:", 0) == 0) m.kernel += atof(l.c_str() + 5) * 1024;
    return m;
}
