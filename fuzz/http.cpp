#include <string>
#include <vector>

#include "fuzz_input.h"
#include "net/http_reader.h"

namespace eventbus {
namespace {

using State = HttpRequestReader::State;

constexpr HttpLimits kLimits{.head_bytes_max = 1000, .target_bytes_max = 100, .fields_max = 20};
constexpr std::size_t kBodyBytesMax = 500;

std::string describe(const HttpRequest& request) {
    std::string line(to_string(request.method));
    line += " " + request.path + " ?" + request.query + " [" + request.body + "]";
    for (const HttpHeader& header : request.headers) line += " " + header.name + "=" + header.value;
    return line + (request.keep_alive ? "\n" : " close\n");
}

std::string read(const std::vector<std::string_view>& pieces) {
    HttpRequestReader reader(kLimits);
    std::string seen;
    for (const std::string_view piece : pieces) {
        const std::string copy(
            piece);  // of its own size, so that the sanitizer sees a byte too far
        std::string_view bytes(copy);
        for (;;) {
            const auto step = reader.feed(bytes);
            bytes.remove_prefix(step.consumed);
            if (step.state == State::kFailed) {
                BUS_ASSERT(reader.failure().status >= 400 && reader.failure().status <= 599);
                return seen + std::to_string(reader.failure().status);
            }
            if (step.state == State::kNeedMore) {
                BUS_ASSERT(bytes.empty());
                break;
            }
            if (step.state == State::kHead) {
                reader.accept_body(kBodyBytesMax);
                continue;
            }
            const HttpRequest request = reader.take();
            BUS_ASSERT(request.body.size() <= kBodyBytesMax);
            BUS_ASSERT(request.path == "*" || request.path.find("/../") == std::string::npos);
            seen += describe(request);
        }
    }
    return seen;
}

}  // namespace
}  // namespace eventbus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    FuzzInput input(data, size);
    const unsigned seed = input.number();
    BUS_ASSERT(read({input.rest()}) == read(cut(input.rest(), seed)));

    parse_query(input.rest());
    percent_decode(input.rest());
    cookie_value(input.rest(), "token");
    return 0;
}
