#include "api/sse.h"

#include <fmt/format.h>

#include "api/api.h"
#include "base/assert.h"
#include "base/json_text.h"
#include "event/encode.h"
#include "net/http_message.h"

namespace eventbus {
namespace {

SharedFrame frame(std::string text, SseFraming framing) {
    if (framing == SseFraming::kChunks) text = encode_chunk(text);
    return std::make_shared<const Frame>(Frame{std::move(text)});
}

}  // namespace

SharedFrame SseEncoder::encode(const Entry& entry, std::uint16_t variant, As) {
    const std::string offset = offset_text(log_, entry.position);
    std::string text = "id: " + offset + "\nevent: " + entry.name + "\ndata: {\"data\":";
    text.append(entry.payload(variant)).append(",\"meta\":");
    append_meta(text, entry.event, offset);
    text += "}\n\n";
    return frame(std::move(text), framing_);
}

SseStream::SseStream(Api& api, Connection& connection, SseFraming framing)
    : api_(api), connection_(connection), framing_(framing) {
    api_.streams_.insert(this);
    api_.probe_.streams.add();
}

SseStream::~SseStream() { BUS_ASSERT(!receiver_); }

void SseStream::begin(const std::vector<Joined>& rooms, Position after,
                      std::string_view unknown_since) {
    send(": you are connected\n\n");
    if (!unknown_since.empty()) {
        send(fmt::format("event: resume.unknown\ndata: {{\"reason\":{}}}\n\n",
                         json_string(unknown_since)));
    }
    if (!connection_.is_open()) return;
    const bool is_chunked = framing_ == SseFraming::kChunks;
    SseEncoder& encoder = is_chunked ? api_.chunk_encoder_ : api_.plain_encoder_;
    receiver_ = api_.context_.hub.add(*this, encoder);
    for (const Joined& joined : rooms) api_.context_.hub.join(*receiver_, joined.room, joined.at);
    if (after < api_.context_.hub.cursor()) api_.context_.hub.resume(*receiver_, after);
    on_heartbeat_due();
}

void SseStream::evict_if_late(const std::vector<Joined>& rooms, Position as_of) {
    for (const Joined& joined : rooms) {
        if (!receiver_ || !joined.room.is_subject()) continue;
        api_.context_.hub.evict_if_late(*receiver_, joined.room.name(), as_of);
    }
}

void SseStream::close() {
    // Without it strict clients report a broken answer.
    if (framing_ == SseFraming::kChunks) connection_.push(std::string(kLastChunk));
    connection_.close_when_sent();
}

void SseStream::on_drained() {
    if (receiver_) api_.context_.hub.drained(*receiver_);
}

void SseStream::on_closed() {
    heartbeat_.disarm();
    disarm();  // of its token
    api_.streams_.erase(this);
    api_.probe_.streams.subtract();
    if (receiver_) api_.context_.hub.remove(*std::exchange(receiver_, std::nullopt));
}

void SseStream::on_gap(Position from, Position to) {
    const Log& log = api_.context_.log;
    send(fmt::format("event: resume.gap\ndata: {{\"from\":\"{}\",\"to\":\"{}\"}}\n\n",
                     offset_text(log, from), offset_text(log, to)));
}

void SseStream::on_evicted(std::string_view subject, Position) {
    // Coming back asks for every topic again, and is told the reason if one is refused.
    send(
        fmt::format("event: watch.ended\ndata: {{\"topic\":{},\"code\":\"{}\",\"message\":"
                    "\"a right to watch it has ended\"}}\n\n",
                    json_string(subject), error_info(ErrorCode::kForbidden).name));
    close();
}

void SseStream::on_heartbeat_due() {
    send(":\n\n");
    if (connection_.is_open()) api_.sse_heartbeats_.arm(heartbeat_, api_.context_.reactor.now());
}

void SseStream::send(std::string text) { connection_.push(frame(std::move(text), framing_)); }

}  // namespace eventbus
