#include "api/sse.h"

#include <fmt/format.h>

#include "api/api.h"
#include "api/event_source.h"
#include "base/assert.h"
#include "base/json_text.h"
#include "event/encode.h"
#include "net/http_message.h"

namespace eventbus {
namespace {

SharedFrame frame(std::string text, SseFraming framing, LatestKey latest_key = LatestKey::kNone) {
    if (framing == SseFraming::kChunks) text = encode_chunk(text);
    return std::make_shared<const Frame>(Frame{.bytes = std::move(text), .latest_key = latest_key});
}

}  // namespace

SharedFrame SseEncoder::encode(const Entry& entry, std::uint16_t variant, const As&) {
    const std::string offset = offset_text(log_, entry.position);
    std::string text = "id: " + offset + "\nevent: " + entry.name + "\ndata: {\"data\":";
    text.append(entry.payload(variant)).append(",\"meta\":");
    append_meta(text, entry.event, offset);
    text += "}\n\n";
    return frame(std::move(text), framing_, latest_key(log_, entry));
}

SseStream::SseStream(Api& api, Connection& connection, SseFraming framing, const Admitted& admitted)
    : Guest(api.context_.admissions, admitted),
      api_(api),
      connection_(connection),
      framing_(framing) {
    api_.streams_.insert(this);
    api_.probe_.streams.add();
}

SseStream::~SseStream() = default;

void SseStream::open(const Admitted& admitted, bool has_topics) {
    has_topics_ = has_topics;
    send(fmt::format(": you are connected\nretry: {}\n", kComesBackAfter.count()));
    if (!connection_.is_open()) return;
    const bool is_chunked = framing_ == SseFraming::kChunks;
    begin(admitted, is_chunked ? api_.chunk_encoder_ : api_.plain_encoder_);
    if (!connection_.is_open()) return;
    // A client that loses the stream before its first event comes back from here. Behind the
    // notices: one that has the id is not told again that its own place was unknown.
    send_place(admitted.resume_after);
    if (connection_.is_open()) {
        api_.sse_heartbeats_.arm(heartbeat_, api_.context_.reactor.now());
    }
}

void SseStream::close() {
    // Without it strict clients report a broken answer.
    if (framing_ == SseFraming::kChunks) connection_.push(std::string(kLastChunk));
    connection_.close_when_sent();
}

void SseStream::on_drained() {
    if (is_begun()) drained();
}

void SseStream::on_closed() {
    heartbeat_.disarm();
    disarm();  // of its token
    api_.streams_.erase(this);
    api_.probe_.streams.subtract();
    if (connection_.was_too_slow()) api_.probe_.slow_streams.add();
    if (is_begun()) end(false);
}

void SseStream::tell_gap(Position from, Position to) {
    const Log& log = api_.context_.log;
    send(fmt::format("event: resume.gap\ndata: {{\"from\":\"{}\",\"to\":\"{}\"}}\n\n",
                     offset_text(log, from), offset_text(log, to)));
}

void SseStream::tell_unknown(const Admitted::Unknown& unknown, Position) {
    send(fmt::format("event: resume.unknown\ndata: {{\"reason\":{}}}\n\n",
                     json_string(unknown.reason)));
}

void SseStream::tell_ended(std::string_view topic, const Error& error) {
    send(
        fmt::format("event: watch.ended\ndata: {{\"topic\":{},\"code\":\"{}\",\"message\":{}}}\n\n",
                    json_string(topic), error.name(), json_string(error.detail)));
    // Coming back asks for every topic again, and is told the reason if one is refused.
    if (has_topics_ && connection_.is_open()) close();
}

void SseStream::on_expired() {
    send(notice_event("token.expired", Error{ErrorCode::kTokenExpired, {}}));
    close();
}

// What the client has seen, though no event was for it: it goes on from there.
void SseStream::on_heartbeat_due() {
    send_place(place().clear);
    if (connection_.is_open()) api_.sse_heartbeats_.arm(heartbeat_, api_.context_.reactor.now());
}

// An id without data is no event: it only is where the client goes on from.
void SseStream::send_place(Position place) {
    send("id: " + offset_text(api_.context_.log, place) + "\n\n");
}

void SseStream::send(std::string text) { connection_.push(frame(std::move(text), framing_)); }

}  // namespace eventbus
