#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/assert.h"

namespace eventbus {

// Flips a bit of a byte in the newest file of a RocksDB with that extension, in `folder`, which
// nobody has open: as a bad disk does. `part` of its bytes lie before it.
inline void damage_newest(const std::filesystem::path& folder, const std::string& extension,
                          double part) {
    std::filesystem::path newest;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        if (file.path().extension() != extension || file.file_size() == 0) continue;
        newest = std::max(newest, file.path());
    }
    BUS_ASSERT(!newest.empty());
    std::fstream file(newest, std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto at = static_cast<std::size_t>(static_cast<double>(bytes.size()) * part);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[at] ^ '\x10'));
    file.close();
    BUS_ASSERT(file.good());
}

// In its write-ahead log.
inline void damage_wal(const std::filesystem::path& folder, double part) {
    damage_newest(folder, ".log", part);
}

// In its table.
inline void damage_table(const std::filesystem::path& folder, double part) {
    damage_newest(folder, ".sst", part);
}

}  // namespace eventbus
