#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <thread>
#include <utility>

#include "app/access.h"
#include "app/command.h"
#include "app/sse_reader.h"
#include "log/offset.h"

namespace eventbus {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kTimeout = std::chrono::seconds(10);
constexpr milliseconds kPauseMin{250};
constexpr milliseconds kPauseMax = std::chrono::seconds(5);
constexpr std::size_t kEventBytesMax = 128U << 20U;  // twice the largest message_bytes_max

std::string percent_encode(std::string_view text) {
    constexpr auto kDigits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') ||
                              std::string_view("-._~:*").find(c) != std::string_view::npos;
        if (is_plain) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded.append({'%', kDigits[byte >> 4U], kDigits[byte & 15U]});
    }
    return encoded;
}

// Follows the stream of one `eventbus tail`, over as many connections as it takes.
class Follower {
 public:
    Follower(const TailOptions& options, const ServerUrl& server, const CommandContext& context)
        : options_(options), server_(server), context_(context) {}

    int run();

 private:
    ClientRequest request(const std::string& token) const;
    // One connection; the answer that ended it.
    Result<ClientResponse> follow(const std::string& token);
    void show(const SseEvent& event);
    void show_line(const json::object& meta, const json::value& data);
    Error output_error() const;
    bool is_done() const { return options_.count > 0 && shown_ >= options_.count; }

    const TailOptions& options_;
    const ServerUrl& server_;
    const CommandContext& context_;
    std::string last_id_;
    std::size_t shown_ = 0;
    bool was_connected_ = false;
    Result<> written_;  // of the last line
    milliseconds pause_ = kPauseMin;
};

ClientRequest Follower::request(const std::string& token) const {
    std::string target = "/v1/stream?";
    std::vector<std::string> topics = options_.topics;
    if (topics.empty() && !options_.mine) topics = {"**"};
    for (const std::string& topic : topics) target += "topic=" + percent_encode(topic) + "&";
    if (last_id_.empty() && !options_.since.empty()) {
        target += "since=" + percent_encode(options_.since) + "&";
    }
    target.pop_back();
    ClientRequest request{.method = "GET", .target = target};
    request.headers = {{"Authorization", "Bearer " + token}, {"Accept", "text/event-stream"}};
    if (!last_id_.empty()) request.headers.emplace_back("Last-Event-ID", last_id_);
    return request;
}

Result<ClientResponse> Follower::follow(const std::string& token) {
    SseReader reader(kEventBytesMax);
    return stream_request(server_, request(token), kTimeout, [&](std::string_view bytes) {
        if (!std::exchange(was_connected_, true)) {
            context_.err << "eventbus: following; what is published from now on is shown\n"
                         << std::flush;
        }
        pause_ = kPauseMin;
        const bool is_good = reader.feed(bytes, [&](const SseEvent& event) {
            if (written_ && !is_done()) show(event);
        });
        // Also one that stands for itself: before its first event the stream says where it begins.
        if (written_ && !is_done() && !reader.place().empty()) last_id_ = reader.place();
        return is_good && written_ && !is_done();
    });
}

int Follower::run() {
    for (;;) {
        const auto token = find_token(options_.access, context_);
        if (!token) return refuse(context_, options_.json, token.error());
        const Result<ClientResponse> response = follow(*token);
        if (!written_) return fail(context_, options_.json, output_error());
        if (is_done()) return kExitDone;

        const bool was_stream =
            response && response->status == 200 && response->media_type == kEventStreamType;
        const Error error = !response    ? response.error()
                            : was_stream ? Error{ErrorCode::kUnavailable, "the server ended it"}
                                         : error_of(server_, *response);
        if (!was_connected_ || !error.passes()) return fail(context_, options_.json, error);
        context_.err << "eventbus: the stream is interrupted (" << error.detail
                     << "); going on from " << (last_id_.empty() ? "now" : last_id_) << "\n";
        std::this_thread::sleep_for(pause_);
        pause_ = std::min(pause_ * 2, kPauseMax);
    }
}

void Follower::show(const SseEvent& event) {
    const std::string id_before = std::exchange(last_id_, event.id.empty() ? last_id_ : event.id);
    json::error_code not_json;
    const json::value value = json::parse(event.data, not_json);
    const auto* meta =
        !not_json && value.is_object() ? value.get_object().if_contains("meta") : nullptr;
    const auto* data = meta != nullptr ? value.get_object().if_contains("data") : nullptr;
    if (meta == nullptr || !meta->is_object() || data == nullptr) {  // about the stream itself
        context_.err << "eventbus: " << event.name << " " << event.data << "\n";
        return;
    }
    ++shown_;
    if (options_.json) {
        json::object line = meta->get_object();
        line["data"] = *data;
        context_.out << json::serialize(line) << "\n";
    } else {
        show_line(meta->get_object(), *data);
    }
    written_ = flush_output(context_.out);
    if (!written_) last_id_ = id_before;  // perhaps half of the line is there
}

Error Follower::output_error() const {
    const std::string from = last_id_.empty() ? options_.since : last_id_;
    return {written_.error().code,
            written_.error().detail +
                (from.empty() ? "; nothing was printed" : "; go on with --since " + from)};
}

void Follower::show_line(const json::object& meta, const json::value& data) {
    const auto text = [&](const char* key) {
        const auto* value = meta.if_contains(key);
        return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                      : std::string("-");
    };
    context_.out << text("time") << "  " << text("type") << "  " << text("subject") << "  "
                 << json::serialize(data) << "\n";
}

}  // namespace

int run_tail(const TailOptions& options, const CommandContext& context) {
    if (options.mine && !options.topics.empty()) {
        return refuse(context, options.json,
                      {ErrorCode::kBadRequest,
                       "--mine follows what comes without a topic; leave out --mine, or " +
                           options.topics.front()});
    }
    if (!options.since.empty()) {
        if (const auto since = parse_offset(options.since); !since) {
            return refuse(context, options.json,
                          {since.error().code, "--since: " + since.error().detail});
        }
    }
    const auto server = find_server(options.access, context);
    if (!server) return refuse(context, options.json, server.error());
    return Follower(options, *server, context).run();
}

}  // namespace eventbus
