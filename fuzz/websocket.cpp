#include "wire/websocket.h"

#include <string>
#include <vector>

#include "fuzz_input.h"
#include "wire/websocket_handshake.h"

namespace eventbus::websocket {
namespace {

using Kind = Item::Kind;

struct Read {
    Kind kind;
    std::uint16_t code;
    std::string payload;

    bool operator==(const Read&) const = default;
};

constexpr std::size_t kMessageBytesMax = 4096;

std::vector<Read> decode(const std::vector<std::string_view>& pieces, Role role, bool is_deflated) {
    Inflater inflater;
    const DecoderSettings settings{role, kMessageBytesMax, &inflater};
    Decoder decoder(settings, is_deflated);
    std::vector<Read> reads;
    for (const std::string_view piece : pieces) {
        std::string copy(piece);  // of its own size, so that the sanitizer sees a byte too far
        std::span<char> bytes(copy);
        for (Item item; (item = decoder.next(bytes)).kind != Kind::kNeedMore;) {
            BUS_ASSERT(item.payload.size() <= kMessageBytesMax);
            reads.push_back({item.kind, item.code, std::string(item.payload)});
        }
        BUS_ASSERT(bytes.empty());
    }
    return reads;
}

// The other end reads what we write as what it was.
void check_encoding(const Read& read, Role role) {
    const Mask mask{'m', '\0', '\xff', '1'};
    const auto frame = [&]() -> std::string {
        if (read.kind == Kind::kClose) {
            return role == Role::kServer ? encode_close(read.code, read.payload)
                                         : encode_masked_close(read.code, read.payload, mask);
        }
        const Opcode opcode = read.kind == Kind::kText     ? Opcode::kText
                              : read.kind == Kind::kBinary ? Opcode::kBinary
                              : read.kind == Kind::kPing   ? Opcode::kPing
                                                           : Opcode::kPong;
        return role == Role::kServer ? encode_frame(opcode, read.payload)
                                     : encode_masked_frame(opcode, read.payload, mask);
    }();
    const Role other = role == Role::kServer ? Role::kClient : Role::kServer;
    const auto again = decode({frame}, other, false);
    BUS_ASSERT(again.size() == 1 && again[0] == read);
}

}  // namespace
}  // namespace eventbus::websocket

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    using namespace eventbus::websocket;

    FuzzInput input(data, size);
    const unsigned flags = input.number();
    const unsigned seed = input.number();
    const Role role = (flags & 1U) != 0 ? Role::kClient : Role::kServer;
    const bool is_deflated = (flags & 2U) != 0;

    const auto whole = decode({input.rest()}, role, is_deflated);
    BUS_ASSERT(whole == decode(cut(input.rest(), seed), role, is_deflated));
    for (const Read& read : whole) {
        if (read.kind != Item::Kind::kError) check_encoding(read, role);
    }

    const auto agreed = agree_to_deflate(input.rest());
    BUS_ASSERT(!agreed || agree_to_deflate(*agreed) == *agreed);
    check_upgrade({.method = "GET",
                   .upgrade = input.rest(),
                   .connection = input.rest(),
                   .key = input.rest(),
                   .version = "13",
                   .extensions = ""});
    return 0;
}
