#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/assert.h"

namespace eventbus {

// A folder of a test's own, which is gone after it.
class Folder {
 public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "eventbus-XXXXXX").string();
        BUS_ASSERT(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    const std::filesystem::path& path() const { return path_; }

 private:
    std::filesystem::path path_;
};

}  // namespace eventbus
