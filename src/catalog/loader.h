#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"

namespace eventbus {

inline constexpr std::size_t kCatalogBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kCatalogTypesMax = 10'000;

// What is wrong with a catalog, where, and how to fix it.
struct Problem {
    std::string file;
    int line = 0;  // counted from 1; 0: the file as a whole
    std::string what;
    std::string fix;
    bool warning = false;  // the catalog loads nevertheless

    std::string text() const;  // FILE:LINE: what; fix
};

struct Loaded {
    std::shared_ptr<const Catalog> catalog;  // null if a problem is no warning
    std::vector<Problem> problems;           // in the order of lines
};

// Reads and compiles a catalog. All problems are found in one go. Never throws. For start, reload
// and check-config; takes milliseconds, so not on a reactor.
Loaded load_catalog(const std::string& path);
Loaded parse_catalog(std::string_view yaml, const std::string& file_name);

}  // namespace eventbus
