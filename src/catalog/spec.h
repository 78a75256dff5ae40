#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace eventbus {

struct SpecField;

// What an operator or a subscriber wrote, YAML or JSON, as a tree that knows its lines. Maps have
// no key twice.
struct Spec {
    enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kList, kMap };
    Kind kind = Kind::kNull;
    int line = 0;  // counted from 1; of JSON 0
    bool boolean = false;
    std::string text;  // of kString; of kNumber as JSON writes it
    std::vector<Spec> items;
    std::vector<SpecField> fields;  // in the order in which they were written

    bool is_string() const { return kind == Kind::kString; }
    bool is_number() const { return kind == Kind::kNumber; }
    bool is_list() const { return kind == Kind::kList; }
    bool is_map() const { return kind == Kind::kMap; }
    const Spec* find(std::string_view name) const;
    std::string_view kind_name() const;  // "a list"
};
struct SpecField {
    std::string name;
    int line = 0;
    Spec value;
};

inline constexpr std::size_t kSpecNodesMax = 1'000'000;  // aliases of YAML multiply

// Where YAML is wrong, and how it is fixed.
struct YamlFault {
    int line = 0;
    std::string fix;
};

// One YAML document. Errors: kBadRequest, and `fault` is set.
Result<Spec> spec_from_yaml(std::string_view text, YamlFault& fault);

// Errors: kBadRequest.
Result<Spec> spec_from_json(std::string_view text);

// The number of a kNumber, exact for every integer of 64 bits and every double.
long double spec_number(const Spec& spec);

}  // namespace eventbus
