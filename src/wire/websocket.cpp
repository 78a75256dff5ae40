#include "wire/websocket.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/utf8.h"

namespace eventbus::websocket {
namespace {

constexpr std::size_t kControlBytesMax = 125;
constexpr std::size_t kMaskedHeaderBytesMax = kHeaderBytesMax + 4;

bool is_control(Opcode opcode) { return (static_cast<unsigned>(opcode) & 0x8U) != 0; }

// XORs with the key whose first byte belongs to the payload byte number `position` - position % 4.
void unmask(std::span<char> bytes, const Mask& mask, std::uint64_t position) {
    Mask turned;
    for (std::size_t i = 0; i < 4; ++i) turned[i] = mask[(position + i) % 4];
    std::uint32_t half;
    std::memcpy(&half, turned.data(), sizeof half);
    const std::uint64_t key = (std::uint64_t{half} << 32) | half;

    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        std::uint64_t word;
        std::memcpy(&word, &bytes[i], sizeof word);
        word ^= key;
        std::memcpy(&bytes[i], &word, sizeof word);
    }
    for (; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ turned[i % 4]);
}

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

std::string_view view(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

std::span<char> take_front(std::span<char>& bytes, std::size_t count) {
    const std::span<char> front = bytes.first(count);
    bytes = bytes.subspan(count);
    return front;
}

}  // namespace

struct Decoder::Header {
    Opcode opcode = Opcode::kContinuation;
    bool is_final = false;
    bool is_compressed = false;
    std::uint64_t payload_bytes = 0;
    Mask mask{};  // zeros: not masked

    std::size_t size = 0;         // of the header itself; 0: not whole yet
    const char* wrong = nullptr;  // then the rest says nothing

    static Header parse(std::string_view bytes, Role role, bool is_deflated);
};

// Judges as soon as two bytes are there, so that a wrong frame is refused before its end.
Decoder::Header Decoder::Header::parse(std::string_view bytes, Role role, bool is_deflated) {
    Header header;
    if (bytes.size() < 2) return header;
    const auto first = static_cast<unsigned char>(bytes[0]);
    const auto second = static_cast<unsigned char>(bytes[1]);
    const unsigned opcode = first & 0x0FU;
    const unsigned length = second & 0x7FU;
    const bool is_masked = (second & 0x80U) != 0;
    header.opcode = static_cast<Opcode>(opcode);
    header.is_final = (first & 0x80U) != 0;
    header.is_compressed = (first & 0x40U) != 0;

    const auto wrong = [&header](const char* what) {
        header.wrong = what;
        return header;
    };
    if ((opcode > 0x2 && opcode < 0x8) || opcode > 0xA) return wrong("a reserved opcode");
    if ((first & 0x30U) != 0) return wrong("a reserved bit is set");
    if (header.is_compressed) {
        if (!is_deflated) return wrong("RSV1 without permessage-deflate");
        if (opcode != 0x1 && opcode != 0x2) return wrong("RSV1 on a frame that begins no message");
    }
    if (is_control(header.opcode)) {
        if (!header.is_final) return wrong("a fragmented control frame");
        if (length > kControlBytesMax) return wrong("a control frame of more than 125 bytes");
    }
    if (is_masked != (role == Role::kServer)) {
        return wrong(is_masked ? "a masked frame from a server"
                               : "an unmasked frame from a client");
    }

    const std::size_t length_bytes = length < 126 ? 0 : length == 126 ? 2 : 8;
    const std::size_t size = 2 + length_bytes + (is_masked ? 4 : 0);
    if (bytes.size() < size) return header;
    header.size = size;
    header.payload_bytes = length_bytes == 0 ? length : big_endian(bytes.substr(2, length_bytes));
    if (length_bytes == 2 && header.payload_bytes < 126) return wrong("a length is not minimal");
    if (length_bytes == 8 && header.payload_bytes <= 0xFFFF)
        return wrong("a length is not minimal");
    if (header.payload_bytes >> 63 != 0) return wrong("a length of 64 bits");
    if (is_masked) std::memcpy(header.mask.data(), &bytes[size - 4], 4);
    return header;
}

// What a connection has in memory while a frame or a message is under way.
struct Decoder::Pending {
    // A header that did not come in one piece.
    std::array<char, kMaskedHeaderBytesMax> header_bytes;
    std::size_t header_size = 0;

    // The frame whose payload is being read, if any.
    bool is_in_frame = false;
    Header frame;
    std::uint64_t position = 0;  // payload bytes of it that were read
    std::string control;         // of a control frame

    // The message whose fragments are being read, if any.
    bool is_in_message = false;
    Opcode opcode = Opcode::kText;
    bool is_compressed = false;
    std::string payload;
    Utf8Checker utf8;

    bool is_over() const { return header_size == 0 && !is_in_frame && !is_in_message; }
};

Decoder::Decoder(const DecoderSettings& settings, bool is_deflated)
    : settings_(&settings), is_deflated_(is_deflated) {
    BUS_ASSERT(!is_deflated || settings.inflater != nullptr);
}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Item Decoder::next(std::span<char>& bytes) {
    if (is_over_ || (pending_ && pending_->is_over())) pending_.reset();  // its payload was shown
    while (!bytes.empty() && !is_over_) {
        const bool is_in_frame = pending_ && pending_->is_in_frame;
        const Item item = is_in_frame ? read_payload(bytes) : read_header(bytes);
        if (item.kind != Item::Kind::kNeedMore) return item;
    }
    bytes = {};
    return {};
}

Item Decoder::read_header(std::span<char>& bytes) {
    Header header;
    if (!pending_ || pending_->header_size == 0) {
        header = Header::parse(view(bytes), settings_->role, is_deflated_);
        if (header.wrong) return fail(kProtocolError, header.wrong);
        if (header.size > 0) {
            bytes = bytes.subspan(header.size);
            return begin_frame(header, bytes);
        }
        if (!pending_) pending_ = std::make_unique<Pending>();
    }

    Pending& p = *pending_;
    while (header.size == 0 && !bytes.empty()) {
        p.header_bytes[p.header_size++] = take_front(bytes, 1)[0];
        header =
            Header::parse({p.header_bytes.data(), p.header_size}, settings_->role, is_deflated_);
        if (header.wrong) return fail(kProtocolError, header.wrong);
    }
    if (header.size == 0) return {};
    p.header_size = 0;
    return begin_frame(header, bytes);
}

Item Decoder::begin_frame(const Header& header, std::span<char>& bytes) {
    const bool is_in_message = pending_ && pending_->is_in_message;
    const bool is_whole = header.payload_bytes <= bytes.size();
    if (is_control(header.opcode)) {
        if (is_whole) {
            const auto payload = take_front(bytes, header.payload_bytes);
            unmask(payload, header.mask, 0);
            return control(header.opcode, view(payload));
        }
        if (!pending_) pending_ = std::make_unique<Pending>();
        pending_->control.clear();
    } else {
        if (is_in_message != (header.opcode == Opcode::kContinuation)) {
            return fail(kProtocolError, is_in_message ? "a new message before the end of the last"
                                                      : "a continuation without a beginning");
        }
        const std::size_t bytes_before = is_in_message ? pending_->payload.size() : 0;
        if (header.payload_bytes > settings_->message_bytes_max - bytes_before) {
            return fail(kTooBig, "the message is larger than the limit");
        }
        if (is_whole && header.is_final && !is_in_message) {
            const auto payload = take_front(bytes, header.payload_bytes);
            unmask(payload, header.mask, 0);
            return message(header.opcode, header.is_compressed, view(payload));
        }
        if (!pending_) pending_ = std::make_unique<Pending>();
        if (!is_in_message) {
            pending_->is_in_message = true;
            pending_->opcode = header.opcode;
            pending_->is_compressed = header.is_compressed;
        }
    }
    pending_->is_in_frame = true;
    pending_->frame = header;
    pending_->position = 0;
    return read_payload(bytes);
}

Item Decoder::read_payload(std::span<char>& bytes) {
    Pending& p = *pending_;
    const std::uint64_t missing = p.frame.payload_bytes - p.position;
    const auto piece =
        take_front(bytes, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), missing)));
    unmask(piece, p.frame.mask, p.position);
    p.position += piece.size();
    if (is_control(p.frame.opcode)) {
        p.control += view(piece);
    } else {
        if (p.opcode == Opcode::kText && !p.is_compressed && !p.utf8.feed(view(piece))) {
            return fail(kInvalidPayload, "the text is not UTF-8");
        }
        p.payload += view(piece);
    }
    return p.position == p.frame.payload_bytes ? finish_frame() : Item{};
}

Item Decoder::finish_frame() {
    Pending& p = *pending_;
    p.is_in_frame = false;
    if (is_control(p.frame.opcode)) return control(p.frame.opcode, p.control);
    if (!p.frame.is_final) return {};
    p.is_in_message = false;
    return message(p.opcode, p.is_compressed, p.payload);
}

Item Decoder::message(Opcode opcode, bool is_compressed, std::string_view payload) {
    if (is_compressed) {
        const auto inflated = settings_->inflater->inflate(payload, settings_->message_bytes_max);
        if (!inflated) {
            return inflated.error().code == ErrorCode::kTooLarge
                       ? fail(kTooBig, "the message is larger than the limit when inflated")
                       : fail(kInvalidPayload, "the compressed message is malformed");
        }
        payload = *inflated;
    }
    if (opcode == Opcode::kBinary) return {Item::Kind::kBinary, 0, payload};
    if (!is_utf8(payload)) return fail(kInvalidPayload, "the text is not UTF-8");
    return {Item::Kind::kText, 0, payload};
}

Item Decoder::control(Opcode opcode, std::string_view payload) {
    if (opcode == Opcode::kPing) return {Item::Kind::kPing, 0, payload};
    if (opcode == Opcode::kPong) return {Item::Kind::kPong, 0, payload};
    return close(payload);
}

Item Decoder::close(std::string_view payload) {
    if (payload.size() == 1) return fail(kProtocolError, "a close of one byte");
    Item item{Item::Kind::kClose, kNoCode, {}};
    if (!payload.empty()) {
        item.code = static_cast<std::uint16_t>(big_endian(payload.substr(0, 2)));
        item.payload = payload.substr(2);
        if (!is_close_code(item.code)) return fail(kProtocolError, "a reserved close code");
        if (!is_utf8(item.payload)) return fail(kInvalidPayload, "the close reason is not UTF-8");
    }
    is_over_ = true;
    return item;
}

Item Decoder::fail(CloseCode code, std::string_view what) {
    is_over_ = true;
    pending_.reset();
    return {Item::Kind::kError, code, what};
}

}  // namespace eventbus::websocket
