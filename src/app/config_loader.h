#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/config.h"

namespace eventbus {

// What is wrong with the settings, where it stands, and how to fix it.
struct ConfigProblem {
    std::string where;  // "eventbus.yaml:3", "--listen", "EVENTBUS_LISTEN"
    std::string what;
    std::string fix;
    bool warning = false;  // the settings are good nevertheless

    std::string text() const;  // WHERE: what; fix
};

// The places where settings stand, the strongest first; below all are the defaults.
struct ConfigSources {
    std::map<std::string, std::string> flags;        // by key: {"listen", "127.0.0.1:80"}
    std::map<std::string, std::string> environment;  // EVENTBUS_…; EVENTBUS_CONFIG names a file
    std::string file;                                // --config; empty: none
};

struct LoadedConfig {
    Config config;                        // complete and checked, unless there is an error
    std::vector<ConfigProblem> problems;  // all that were found, in one go

    bool is_good() const;  // no problem but warnings
};

// Reads all sources and checks the whole. Never throws. What stands in a weaker source is checked,
// too, even if a stronger one says otherwise.
LoadedConfig load_config(const ConfigSources& sources);

// The variables of this process whose names begin with EVENTBUS_ (settings) or EVENT_BUS_
// (clients).
std::map<std::string, std::string> eventbus_environment();

}  // namespace eventbus
