#include "api/sse.h"

#include <fmt/format.h>

#include "api/api.h"
#include "base/assert.h"
#include "base/json_text.h"
#include "event/encode.h"
#include "net/http_message.h"

namespace eventbus {
namespace {

SharedFrame chunk(std::string_view text) {
    return std::make_shared<const Frame>(Frame{encode_chunk(text)});
}

}  // namespace

SharedFrame SseEncoder::encode(const Entry& entry, std::uint16_t variant, As) {
    const std::string offset = offset_text(log_, entry.position);
    std::string text = "id: " + offset + "\nevent: " + entry.name + "\ndata: {\"data\":";
    text.append(entry.payload(variant)).append(",\"meta\":");
    append_meta(text, entry.event, offset);
    text += "}\n\n";
    return chunk(text);
}

SseStream::SseStream(Api& api, Connection& connection) : api_(api), connection_(connection) {
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
    receiver_ = api_.context_.hub.add(*this, api_.encoder_);
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
    connection_.push(std::string(kLastChunk));  // without it strict clients report a broken answer
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

void SseStream::send(std::string_view text) { connection_.push(chunk(text)); }

}  // namespace eventbus
