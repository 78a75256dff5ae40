#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <istream>
#include <ostream>

#include "app/access.h"
#include "app/command.h"
#include "app/event_data.h"
#include "base/json_check.h"
#include "base/json_text.h"

namespace eventbus {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);
constexpr std::size_t kDataBytesMax = 64U << 20U;  // the largest message_bytes_max
constexpr int kSilentMs = 3'000;                   // that it waits for data without a word

Error wrong(std::string detail) { return Error{ErrorCode::kBadRequest, std::move(detail)}; }

std::string read_all(std::istream& in) {
    std::string text;
    char block[4096];
    while (text.size() <= kDataBytesMax && (in.read(block, sizeof block) || in.gcount() > 0)) {
        text.append(block, static_cast<std::size_t>(in.gcount()));
    }
    return text;
}

// Reads a file, or a pipe to its end, however long whoever writes into it takes; but then it says
// what it waits for.
Result<std::string> read_file(const std::string& path, const CommandContext& context) {
    const auto failed = [&] {
        return wrong("the file " + path + " cannot be read: " + std::strerror(errno));
    };
    // The open of a pipe would wait for somebody who writes, without a word.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return failed();
    Result<std::string> text = std::string();
    char block[64 << 10];
    for (int wait_ms = kSilentMs; text->size() <= kDataBytesMax;) {
        pollfd wanted{.fd = file, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&wanted, 1, wait_ms);
        if (ready == 0) {
            context.err << "eventbus: waiting for " << path
                        << ", a pipe or a device: whoever writes into it has to close it\n"
                        << std::flush;
            wait_ms = -1;
        }
        if (ready <= 0) continue;
        const ssize_t got = ::read(file, block, sizeof block);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0) text = failed();
        if (got <= 0) break;
        text->append(block, static_cast<std::size_t>(got));
    }
    ::close(file);
    return text;
}

Result<std::string> read_data(const std::string& given, const CommandContext& context) {
    if (given == "-") return read_all(context.in);
    if (!given.starts_with('@')) return given;
    return read_file(given.substr(1), context);
}

// The event's data as JSON text.
Result<std::string> data_of(const PublishOptions& options, const CommandContext& context) {
    if (options.data.empty()) return data_of_words(options.words);
    if (!options.words.empty()) return wrong("give either --data or key=value words, not both");
    Result<std::string> text = read_data(options.data, context);
    if (!text) return text;
    if (text->size() > kDataBytesMax) return wrong("--data is longer than 64 MiB");
    if (const auto checked = JsonChecker().check(*text); !checked) {
        return wrong("--data: " + checked.error().detail +
                     "; in a shell put it in single quotes: "
                     "--data '{\"photoId\":\"123\"}'");
    }
    const std::size_t begin = text->find_first_not_of(" \t\r\n");
    if (text->at(begin) != '{')
        return wrong("--data must be a JSON object, as {\"photoId\":\"123\"}");
    return text;
}

std::string body_of(const PublishOptions& options, const std::string& data) {
    std::string body = "{\"type\":" + json_string(options.type);
    const std::pair<const char*, const std::string&> attributes[] = {
        {"id", options.id}, {"source", options.source}, {"subject", options.subject}};
    for (const auto& [name, value] : attributes) {
        if (value.empty()) continue;
        body.append(",\"").append(name).append("\":").append(json_string(value));
    }
    return body + ",\"data\":" + data + "}";
}

void report(const PublishOptions& options, const boost::json::object& answer,
            const CommandContext& context) {
    if (options.json) {
        context.out << boost::json::serialize(answer) << "\n";
        return;
    }
    const auto text = [&](const char* key) { return answer.at(key).get_string().c_str(); };
    const auto is_set = [&](const char* key) {
        const auto* member = answer.if_contains(key);
        return member != nullptr && member->is_bool() && member->get_bool();
    };
    context.out << options.type << "  id " << text("id") << "  offset " << text("offset");
    if (is_set("duplicate")) context.out << "  (known already: this id was published before)";
    if (is_set("unowned")) context.out << "  (nobody owns the subject yet: no owner got it)";
    context.out << "\n";
}

}  // namespace

int run_publish(const PublishOptions& options, const CommandContext& context) {
    const auto data = data_of(options, context);
    if (!data) return refuse(context, options.json, data.error());
    const auto server = find_server(options.access, context);
    if (!server) return refuse(context, options.json, server.error());
    const auto token = find_token(options.access, context);
    if (!token) return refuse(context, options.json, token.error());

    const auto response = send_request(
        *server,
        {.method = "POST",
         .target = "/v1/events",
         .headers = {{"Authorization", "Bearer " + *token}, {"Content-Type", "application/json"}},
         .body = body_of(options, *data)},
        kTimeout);
    if (!response && response.error().code == ErrorCode::kTimeout) {
        return fail(context, options.json,
                    {ErrorCode::kTimeout,
                     response.error().detail +
                         "; it may have taken the event all the same: published with --id it is "
                         "stored once, however often it is sent"});
    }
    if (!response) return fail(context, options.json, response.error());
    const auto answer = object_of(*server, *response, {"id", "offset"}, boost::json::kind::string);
    if (!answer) return fail(context, options.json, answer.error());
    report(options, *answer, context);
    return finish(context, options.json, "the event is published, but ");
}

}  // namespace eventbus
