#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::string_view kBegin1 = "PROXY ";
constexpr std::string_view kBegin2{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kLine1Max = 107;
constexpr std::size_t kHead2 = 16;  // up to and with the length

bool has_begun_as(std::string_view begin, std::string_view bytes) {
    const std::size_t known = std::min(begin.size(), bytes.size());
    return begin.substr(0, known) == bytes.substr(0, known);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint8_t>(bytes[at]);
}

// The bytes behind the head of version 2; there are `header.size() - 16` of them.
std::size_t length_2(std::string_view header) {
    return std::size_t{byte_at(header, 14)} << 8U | byte_at(header, 15);
}

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
    return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

}  // namespace

// How many of `bytes` belong to the header for sure.
std::size_t ProxyHeaderReader::bytes_wanted(std::string_view bytes) const {
    if (header_.empty() ? bytes.starts_with('P') : header_.starts_with('P')) {
        const std::size_t end = bytes.find('\n');
        return std::min({end == std::string_view::npos ? bytes.size() : end + 1, bytes.size(),
                         kLine1Max - std::min(header_.size(), kLine1Max)});
    }
    const std::size_t whole = header_.size() < kHead2 ? kHead2 : kHead2 + length_2(header_);
    return std::min(whole - std::min(header_.size(), whole), bytes.size());
}

ProxyHeaderReader::Step ProxyHeaderReader::fail(const char* why) {
    why_ = why;
    header_ = std::string();
    return {State::kFailed, 0};
}

ProxyHeaderReader::Step ProxyHeaderReader::feed(std::string_view bytes) {
    BUS_ASSERT(why_ == nullptr);
    std::size_t consumed = 0;
    for (;;) {
        const std::size_t wanted = bytes_wanted(bytes.substr(consumed));
        header_.append(bytes.substr(consumed, wanted));
        consumed += wanted;
        const bool is_1 = has_begun_as(kBegin1, header_);
        if (!is_1 && !has_begun_as(kBegin2, header_)) return fail("it begins with something else");
        if (is_1 && header_.size() >= kBegin1.size()) {
            if (header_.ends_with('\n')) {
                return parse_1() ? Step{State::kComplete, consumed} : fail("its line is malformed");
            }
            if (header_.size() == kLine1Max) return fail("its line has no end");
        }
        if (!is_1 && header_.size() >= kHead2) {
            if (kHead2 + length_2(header_) > kBytesMax) return fail("it is too long");
            if (header_.size() == kHead2 + length_2(header_)) {
                return parse_2() ? Step{State::kComplete, consumed}
                                 : fail("its version, command or addresses are malformed");
            }
        }
        if (consumed == bytes.size()) return {State::kNeedMore, consumed};
    }
}

bool ProxyHeaderReader::parse_1() {
    std::string_view line = header_;
    if (!line.ends_with("\r\n")) return false;
    line.remove_suffix(2);
    line.remove_prefix(kBegin1.size());
    // What follows UNKNOWN is to be passed over.
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return true;

    std::vector<std::string_view> words;
    for (;;) {
        const std::size_t space = line.find(' ');
        words.push_back(line.substr(0, space));
        if (space == std::string_view::npos) break;
        line.remove_prefix(space + 1);
    }
    if (words.size() != 5 || !is_port(words[3]) || !is_port(words[4])) return false;
    const bool is_v4 = words[0] == "TCP4";
    if (!is_v4 && words[0] != "TCP6") return false;
    for (const std::string_view address : {words[1], words[2]}) {
        if ((address.find(':') == std::string_view::npos) != is_v4) return false;
    }
    client_ = IpAddress::parse(words[1]);
    return client_.has_value() && IpAddress::parse(words[2]).has_value();
}

bool ProxyHeaderReader::parse_2() {
    enum : std::uint8_t { kLocal = 0x20, kProxy = 0x21 };
    enum : std::uint8_t { kInet = 0x1, kInet6 = 0x2, kUnix = 0x3 };

    const std::uint8_t command = byte_at(header_, 12);
    const auto family = static_cast<std::uint8_t>(byte_at(header_, 13) >> 4U);
    const auto transport = static_cast<std::uint8_t>(byte_at(header_, 13) & 0xfU);
    if (command == kLocal) return true;
    if (command != kProxy || family > kUnix || transport > 2) return false;

    const std::string_view addresses = std::string_view(header_).substr(kHead2);
    std::array<std::uint8_t, 16> from{};
    const std::size_t size = family == kInet ? 4 : family == kInet6 ? 16 : 0;
    if (size == 0) return true;  // of a Unix socket, or not said
    if (addresses.size() < 2 * size + 4) return false;
    std::transform(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(size),
                   from.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
    client_ = family == kInet ? IpAddress::v4(std::span(from).first<4>()) : IpAddress::v6(from);
    return true;
}

}  // namespace eventbus
