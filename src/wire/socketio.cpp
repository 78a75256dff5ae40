#include "wire/socketio.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "wire/json_scan.h"

namespace eventbus::socketio {
namespace {

constexpr std::size_t kKeptSlices = 256;  // of 16 bytes; more are given back at the next packet

Error malformed(const char* what) {
    return {ErrorCode::kBadRequest, std::string("a Socket.IO packet with ") + what};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
    const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(digits.size());
    return digits;
}

std::optional<std::uint64_t> number_of(std::string_view digits, std::uint64_t max) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number > max) return {};
    return number;
}

std::string_view trim(std::string_view json) {
    constexpr std::string_view kSpaces = " \t\r\n";
    const auto first = json.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) return {};
    return json.substr(first, json.find_last_not_of(kSpaces) - first + 1);
}

// Reads all before the JSON, and leaves that in packet.json.
Result<Packet> parse_head(std::string_view text) {
    if (text.empty() || text[0] < '0' || text[0] > '6') return malformed("an unknown type");
    Packet packet;
    packet.type = static_cast<PacketType>(text[0] - '0');
    text.remove_prefix(1);
    if (packet.is_binary()) {
        const auto count = number_of(take_digits(text), Parser::kAttachmentsMax);
        if (!count || !text.starts_with('-')) {
            return malformed("a wrong number of attachments (at most 10)");
        }
        packet.attachment_count = *count;
        text.remove_prefix(1);
    }
    if (text.starts_with('/')) {
        packet.nsp = text.substr(0, text.find(','));
        text.remove_prefix(std::min(packet.nsp.size() + 1, text.size()));
    }
    if (const std::string_view digits = take_digits(text); !digits.empty()) {
        packet.ack_id = number_of(digits, kAckIdMax);
        if (!packet.ack_id) return malformed("an ack id beyond 2^53 - 1");
    }
    packet.json = trim(text);
    return packet;
}

// What each type may hold but for its JSON.
const char* fault_of_head(const Packet& packet) {
    if (packet.ack_id && !packet.is_event() && !packet.is_ack())
        return "an ack id that it cannot have";
    if (packet.is_ack() && !packet.ack_id) return "no ack id";
    if (packet.type == PacketType::kDisconnect && !packet.json.empty())
        return "data that it cannot have";
    if ((packet.is_event() || packet.is_ack()) && packet.json.empty()) return "no data";
    if (packet.type == PacketType::kConnectError && packet.json.empty()) return "no data";
    return nullptr;
}

}  // namespace

Result<Packet> Parser::parse(std::string_view text) {
    attachments_ = {};
    name_ = {};
    if (!is_utf8(text)) return malformed("bytes that are not UTF-8");
    Result<Packet> packet = parse_head(text);
    if (!packet) return packet;
    if (const char* fault = fault_of_head(*packet)) return malformed(fault);
    if (packet->json.empty()) return packet;
    if (const Result<> read = read_json(*packet); !read) return read.error();
    return packet;
}

Result<Packet> Parser::parse(std::string text, std::vector<std::string> attachments) {
    text_ = std::move(text);
    Result<Packet> packet = parse(std::string_view(text_));
    if (!packet) return packet;
    BUS_ASSERT(packet->attachment_count == attachments.size());
    attachments_ = std::move(attachments);
    packet->attachments = attachments_;
    return packet;
}

Result<> Parser::read_json(Packet& packet) {
    if (slices_.capacity() > kKeptSlices) slices_ = {};
    slices_.clear();
    std::optional<std::size_t> attachments;
    if (packet.is_binary()) attachments = packet.attachment_count;
    const JsonScan scan = scan_json(packet.json, slices_, attachments);
    if (scan.fault != nullptr) return malformed(scan.fault);
    packet.is_strict = scan.is_strict;
    if (packet.type == PacketType::kConnect || packet.type == PacketType::kConnectError) {
        const bool is_message =
            packet.type == PacketType::kConnectError && scan.kind == JsonKind::kString;
        if (scan.kind != JsonKind::kObject && !is_message)
            return malformed("data that is no object");
        return {};
    }

    if (scan.kind != JsonKind::kArray) return malformed("data that is no array");
    packet.arguments = slices_;
    if (packet.is_ack()) return {};

    if (slices_.empty()) return malformed("no event name");
    packet.arguments = packet.arguments.subspan(1);
    return read_name(packet, slices_[0]);
}

Result<> Parser::read_name(Packet& packet, std::string_view json) {
    const char first = json[0];
    if (first == '-' || is_digit(first)) {
        packet.name = json;
        return {};
    }
    if (first != '"') return malformed("an event name that is no string and no number");
    if (has_json_escapes(json)) {
        name_ = json_unescaped(json);
        packet.name = name_;
    } else {
        packet.name = json.substr(1, json.size() - 2);
    }
    if (is_reserved_name(packet.name)) return malformed("a reserved event name");
    return {};
}

struct Assembler::Pending {
    std::string text;
    std::vector<std::string> attachments;
    std::size_t missing = 0;
    std::size_t bytes = 0;  // of all that
};

Assembler::Assembler(Parser& parser, std::size_t bytes_max)
    : parser_(&parser), bytes_max_(bytes_max) {}
Assembler::Assembler(Assembler&&) noexcept = default;
Assembler& Assembler::operator=(Assembler&&) noexcept = default;
Assembler::~Assembler() = default;

Result<std::optional<Packet>> Assembler::feed_text(std::string_view text) {
    if (pending_) return malformed("text where an attachment is due");
    if (text.size() > bytes_max_) return Error{ErrorCode::kTooLarge, "the packet is too large"};
    const Result<Packet> packet = parser_->parse(text);
    if (!packet) return packet.error();
    if (packet->attachment_count == 0) {
        // As the reference: it gives the packet, and then waits for attachments that none
        // announced.
        if (packet->is_binary()) pending_ = std::make_unique<Pending>();
        return std::optional(*packet);
    }

    pending_ = std::make_unique<Pending>();
    pending_->text = text;
    pending_->missing = packet->attachment_count;
    pending_->bytes = text.size();
    return std::optional<Packet>();
}

Result<std::optional<Packet>> Assembler::feed_binary(std::string_view bytes) {
    if (!pending_) return malformed("an attachment that none announced");
    if (pending_->missing == 0) return std::optional<Packet>();
    if (bytes.size() > bytes_max_ - pending_->bytes) {
        return Error{ErrorCode::kTooLarge, "the packet with its attachments is too large"};
    }
    pending_->attachments.emplace_back(bytes);
    pending_->bytes += bytes.size();
    if (--pending_->missing > 0) return std::optional<Packet>();

    const std::unique_ptr<Pending> whole = std::move(pending_);
    const Result<Packet> packet =
        parser_->parse(std::move(whole->text), std::move(whole->attachments));
    BUS_ASSERT(packet.has_value());  // feed_text() has parsed it before
    return std::optional(*packet);
}

bool is_reserved_name(std::string_view name) {
    static constexpr auto kReserved =
        std::to_array<std::string_view>({"connect", "connect_error", "disconnect", "disconnecting",
                                         "newListener", "removeListener"});
    return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

}  // namespace eventbus::socketio
