#include "base/json_check.h"

#include <simdjson.h>

#include <string>

#include "base/json_text.h"
#include "base/utf8.h"
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    static JsonChecker reused;
    JsonChecker fresh;
    const std::string_view text = FuzzInput(data, size).rest();
    const bool is_fine = fresh.check(text).has_value();

    BUS_ASSERT(reused.check(text).has_value() == is_fine);
    if (is_fine) {
        BUS_ASSERT(is_utf8(text));
        BUS_ASSERT(fresh.check("[" + std::string(text) + ",1]") || text.size() > kJsonDepthMax);
    }
    BUS_ASSERT(!is_fine || !fresh.check(std::string(text) + "x"));
    const auto document = fresh.parse(json_string(text));
    BUS_ASSERT(document.has_value() == is_utf8(text));
    if (document) BUS_ASSERT(std::string_view(*document) == text);
    return 0;
}
