#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_loader.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/result.h"

namespace eventbus {

// What a command sees of the process; a test gives another one.
struct CommandContext {
    std::map<std::string, std::string> environment;
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    const Clock& clock;
};

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // it could not be done
inline constexpr int kExitUsage = 2;   // what was asked for is wrong

// How a client command finds the server and its token.
struct AccessOptions {
    std::string url;     // else EVENT_BUS_URL, else http://127.0.0.1:8080
    std::string cacert;  // else EVENT_BUS_CACERT, else what the system trusts
    std::string token;   // else EVENT_BUS_TOKEN, else one is made with the secret of the settings
    std::string config;  // the file of those settings
    std::string data;    // the data directory of a server with --dev; else the settings'
    std::string service = "eventbus-cli";  // for whom that token is
};

struct PublishOptions {
    AccessOptions access;
    std::string type;
    std::vector<std::string> words;  // key=value
    std::string data;                // JSON, "@FILE", or "-" for standard input
    std::string id;
    std::string subject;
    std::string source;
    bool json = false;
};
int run_publish(const PublishOptions& options, const CommandContext& context);

struct TailOptions {
    AccessOptions access;
    std::vector<std::string> topics;  // none: every type
    bool mine = false;                // instead: what the token's user gets
    std::string since;
    std::size_t count = 0;  // ends after so many events; 0: never
    bool json = false;
};
int run_tail(const TailOptions& options, const CommandContext& context);

struct GroupsDeleteOptions {
    AccessOptions access;
    std::string name;
    std::string topic;
    bool json = false;
};
int run_groups_delete(const GroupsDeleteOptions& options, const CommandContext& context);

struct RetentionResumeOptions {
    AccessOptions access;
    bool json = false;
};
int run_retention_resume(const RetentionResumeOptions& options, const CommandContext& context);

struct TokenOptions {
    std::string user;  // or a service
    std::string service;
    std::vector<std::string> roles;
    std::vector<std::string> permissions;
    std::string ttl = "1h";
    std::string config;
    std::string data;
    std::string secret_file;
    bool json = false;
};
int run_token(const TokenOptions& options, const CommandContext& context);

struct CheckConfigOptions {
    std::string config;
    std::string catalog;  // else the settings'
    bool json = false;
};
int run_check_config(const CheckConfigOptions& options, const CommandContext& context);

struct RestoreOptions {
    std::string data;
    bool json = false;
};
int run_restore(const RestoreOptions& options, const CommandContext& context);

// Hands what was written to the system. Errors: kInternal, and why it was not taken: a full disk, a
// reader that has gone.
Result<> flush_output(std::ostream& out);

// The end of a command that has done what was asked and written its answer: kExitDone. What is lost
// of the answer is kExitFailed, behind what was done all the same: "the event is published, but ".
int finish(const CommandContext& context, bool json, std::string_view done = {});

// Says on `err` what could not be done, with --json as {"error":{"code":…,"message":…}}; returns
// kExitFailed.
int fail(const CommandContext& context, bool json, const Error& error);

// The same before anything was done: kExitUsage if what was asked for is wrong.
int refuse(const CommandContext& context, bool json, const Error& error);

}  // namespace eventbus
